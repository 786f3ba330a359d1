"""Channels that carry a mix of calls; a load of one call alone never comes here.

Which call is sent follows from its number. So the number tells of an answer, too, which call it
belongs to, and the answers to each call of the mix are expected in their own shape.
"""

from servelab.load import http2
from servelab.load.grpc_call import CallFormat
from servelab.load.grpc_lane import Call, Departure, GrpcConnection, GrpcLane
from servelab.load.grpc_shape import Anatomy
from servelab.load.record import NEVER


class MixedLane(GrpcLane):
    """A channel of a mix."""

    def _new_connection(self) -> GrpcConnection:
        return MixedConnection(self)


class MixedConnection(GrpcConnection):
    """A connection whose calls and answers differ."""

    def __init__(self, lane: GrpcLane) -> None:
        super().__init__(lane)
        self._in_turn = lane.gear.in_turn

    def _format_of(self, sequence: int) -> CallFormat:
        return self._in_turn[sequence % len(self._in_turn)].call_format

    def _join(self, number: int, departure: Departure) -> None:
        first = self._next_stream
        self._next_stream = last = first + 2 * number
        calls, send_later = self._calls, self._out.append
        next_sequence, nonce_of, pack = (
            self._ledger.next_sequence,
            self._nonce_of,
            http2.NUMBER.pack,
        )
        in_turn, turns = self._in_turn, len(self._in_turn)
        length = 0
        for number_of_stream in range(first, last, 2):
            stream = pack(number_of_stream)
            sequence = next_sequence()
            nonce = nonce_of(sequence)
            calls[stream] = (departure, sequence, nonce)
            call_format = in_turn[sequence % turns].call_format
            length += call_format.length
            send_later(call_format.fill(stream, nonce))
        self._send_window -= length

    def _learn(self, call: Call, seen: Anatomy) -> None:
        _, sequence, _ = call
        kind = self._in_turn[sequence % len(self._in_turn)]
        if seen == kind.seen:
            kind.shape = self._gear.shapes.shape(*seen)
        kind.seen = seen

    def _take(self, received: bytes) -> None:
        """Take answers by their shapes, and whatever else comes frame by frame."""
        self._rest = b""
        position, end = 0, len(received)
        while position < end:
            if self._block is None:
                position = self._take_known(received, position)
            after = http2.end_of_frame(received, position)
            if position < after:
                self._take_frames(received[position:after])
            position = after

    def _take_known(self, received: bytes, position: int) -> int:
        """End the calls whose answers are recognised one after another; return where that ends."""
        calls, progress, ledger = self._calls, self._progress, self._ledger
        in_turn, turns = self._in_turn, len(self._in_turn)
        now_ns, number = self._now_ns, self._number
        oldest_ns = now_ns - ledger.timeout_ns
        while True:
            stream = received[position + http2.STREAM_BEGIN : position + http2.FRAME_HEAD_LENGTH]
            call = calls.get(stream)
            if call is None or stream in progress:
                break
            departure, sequence, nonce = call
            shape = in_turn[sequence % turns].shape
            if shape is None or departure.sent_ns == NEVER or departure.planned_ns < oldest_ns:
                break
            found = shape.match(received, position)
            if found is None:
                break
            outcome, worker_pid, _ = ledger.check(0, found[2], nonce)
            if outcome:
                break
            del calls[stream]
            ledger.keep(
                ledger.pack(
                    departure.planned_ns,
                    departure.taken_up_ns,
                    departure.ready_ns,
                    departure.sent_ns,
                    now_ns,
                    now_ns,
                    sequence,
                    number,
                    shape.content_length,
                    worker_pid,
                    0,
                    0,
                )
            )
            self._ended += 1
            self._unacknowledged += shape.content_length
            position += shape.length
        self._acknowledge()
        return position
