"""gRPC over sockets: a lane is a channel, one HTTP/2 connection for any number of calls."""

import select
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from servelab.load import http2
from servelab.load.grpc_call import CallFormat, Kind
from servelab.load.grpc_shape import Anatomy, AnswerShape, AnswerShapes
from servelab.load.http1 import BODY_LIMIT, HEAD_LIMIT, BadAnswer, class_of_status
from servelab.load.lane import (
    READ_BYTES,
    Connection,
    Connector,
    Dispatch,
    Reuse,
    class_of_error,
    pending_error,
)
from servelab.load.ledger import Ledger
from servelab.load.loop import PEER_CLOSED, READABLE, WRITABLE, Loop
from servelab.load.record import NEVER
from servelab.load.room import SMALL_BYTES, Room
from servelab.model.outcome import Outcome

_NEWS = READABLE | WRITABLE | select.EPOLLET
"""The kernel tells news once; so whoever may have left bytes, or room, goes on by itself."""
_LAST_STREAM = 2**31 - 1
_MANY_STREAMS = 2**31
_WHOLE_CONNECTION = http2.NUMBER.pack(0)


@dataclass(frozen=True, slots=True)
class GrpcGear:
    """What the channels of a run share."""

    loop: Loop
    ledger: Ledger
    target: Connector
    reuse: Reuse
    nonce_of: Callable[[int], bytes]
    call: CallFormat
    """Of every call; of a mix, any of them."""
    longest: int
    """The longest message of a call in bytes."""
    memo: http2.GrpcHeadMemo
    shapes: AnswerShapes
    in_turn: tuple[Kind, ...] = ()
    """Of a mix: the calls for the numbers 0, 1, ...; then it begins anew."""
    room: Room = field(default_factory=Room)


class Departure:
    """The moments that calls have in common which go out together."""

    __slots__ = ("is_held", "planned_ns", "ready_ns", "sent_ns", "taken_up_ns")

    def __init__(self, planned_ns: int, taken_up_ns: int, ready_ns: int = NEVER) -> None:
        self.planned_ns = planned_ns
        self.taken_up_ns = taken_up_ns
        self.ready_ns = ready_ns
        self.sent_ns = NEVER
        self.is_held = False
        """Whether the server's window holds back a part of the message."""


Call = tuple[Departure, int, bytes]
"""One call in flight, or waiting for its connection: departure, number and nonce.

A tuple, because making an object takes longer than all else that starting a call takes.
"""


class Progress:
    """How far a call has come whose answer is not taken in one piece."""

    __slots__ = (
        "block", "content", "first_ns", "head", "held_bytes", "pieces", "unacknowledged", "unsent",
        "window",
    )  # fmt: skip

    def __init__(self) -> None:
        self.first_ns = NEVER
        self.head: http2.GrpcHead | None = None
        self.block = b""
        """The bytes of ``head``."""
        self.content: bytes | bytearray = b""
        self.held_bytes = 0
        """What of it is counted among that of all."""
        self.pieces = 0
        """How many DATA frames brought the content."""
        self.unsent = b""
        self.window = 0
        """Bytes which the server allows this stream beyond its initial window."""
        self.unacknowledged = 0


_NOTHING_YET = Progress()
"""Of calls that have not come any further; never changed."""


class GrpcLane:
    """A channel: opens its connection when a call needs it, and another when that one ends."""

    def __init__(self, gear: GrpcGear, dispatch: Dispatch) -> None:
        self.gear = gear
        self.dispatch = dispatch
        self._current: GrpcConnection | None = None
        self._connections: set[GrpcConnection] = set()

    def start(self, planned_ns: int, taken_up_ns: int, now_ns: int) -> None:
        """Send a call over the connection at hand, or over a new one, once it is ready."""
        self._start_many(1, Departure(planned_ns, taken_up_ns, now_ns))

    def renew(self, number: int, finished_ns: int) -> None:
        """Let the callers of so many calls go on, which ended well at one moment."""
        again = self.dispatch.renew(self, number, finished_ns)
        if again:
            now_ns = self.gear.ledger.clock()
            self._start_many(again, Departure(finished_ns, now_ns, now_ns))

    def expire(self, now_ns: int) -> int:
        """Settle as timeouts the calls past their deadline; return when to look again."""
        for connection in list(self._connections):
            connection.expire(now_ns)
        oldest = [connection.oldest_planned_ns(now_ns) for connection in self._connections]
        return min(oldest, default=now_ns) + self.gear.ledger.timeout_ns

    def abandon(self, now_ns: int) -> None:
        """Settle as abandoned all calls, and close."""
        for connection in list(self._connections):
            connection.abandon(now_ns)

    def retire(self, connection: "GrpcConnection") -> None:
        """Start no more calls over a connection."""
        if self._current is connection:
            self._current = None

    def forget(self, connection: "GrpcConnection") -> None:
        """Let a closed connection go."""
        self.retire(connection)
        self._connections.discard(connection)

    def replace(self, calls: list[Call]) -> None:
        """Put calls of which nothing was sent on another connection."""
        for call in calls:
            self._place(call)

    def settle(
        self,
        call: Call,
        outcome: Outcome,
        *,
        progress: Progress = _NOTHING_YET,
        reason: str = "",
        finished_ns: int,
        connection: int,
        status: int = 0,
        worker_pid: int = 0,
    ) -> None:
        """Record the end of a call and let its caller go on."""
        departure, sequence, _ = call
        # The first byte's moment where it was answered before all of it was sent.
        sent_ns = progress.first_ns if departure.sent_ns == NEVER else departure.sent_ns
        self.gear.ledger.settle(
            outcome,
            reason=reason,
            sequence=sequence,
            planned_ns=departure.planned_ns,
            taken_up_ns=departure.taken_up_ns,
            connection_ready_ns=departure.ready_ns,
            sent_ns=sent_ns,
            first_byte_ns=progress.first_ns,
            finished_ns=finished_ns,
            connection=connection,
            body_bytes=len(progress.content),
            worker_pid=worker_pid,
            status=status,
        )
        if sent_ns == NEVER:
            self.dispatch.pause(self, finished_ns)
        else:
            self.dispatch.free(self, finished_ns)

    def _start_many(self, number: int, departure: Departure) -> None:
        """Send calls together where that can be; else each by itself."""
        if self._current is not None and self._current.start_many(number, departure):
            return
        ledger, nonce_of = self.gear.ledger, self.gear.nonce_of
        for _ in range(number):
            sequence = ledger.next_sequence()
            own = Departure(departure.planned_ns, departure.taken_up_ns)
            self._place((own, sequence, nonce_of(sequence)))

    def _new_connection(self) -> "GrpcConnection":
        return GrpcConnection(self)

    def _place(self, call: Call) -> None:
        if self._current is None:
            self._current = self._new_connection()
            self._connections.add(self._current)
            self._current.connect(call)
        else:
            self._current.start(call)


class GrpcConnection:
    """One HTTP/2 connection and its calls."""

    def __init__(self, lane: GrpcLane) -> None:
        self._lane = lane
        gear = lane.gear
        self._gear = gear
        self._ledger = gear.ledger
        self._clock = gear.ledger.clock
        self._nonce_of = gear.nonce_of
        self._number = gear.ledger.next_connection()
        self._socket: Connection | None = None
        self._is_made = False
        self._is_ready = False
        self._may_join = False
        """Whether calls can leave together: each whole, on a ready connection that is kept."""
        self._is_draining = False
        self._is_broken = False
        """Whether it cannot send, and is only read to its end."""
        self._in_batch = False
        self._now_ns = 0
        self._calls: dict[bytes, Call] = {}
        self._progress: dict[bytes, Progress] = {}
        self._ended = 0
        """How many calls have ended well whose callers were not told yet."""
        self._shape: AnswerShape | None = None
        self._last_shape: Anatomy | None = None
        self._waiting: deque[Call] = deque()
        self._bodies: deque[bytes] = deque()
        self._unstamped: list[Departure] = []
        self._out: list[bytes] = [http2.PREFACE]
        self._out_blocked = False
        self._rest = b""
        self._block: tuple[int, bytes, bytes] | None = None
        self._next_stream = 1
        self._stream_limit = _MANY_STREAMS
        self._send_window = http2.DEFAULT_WINDOW
        self._initial_window = http2.DEFAULT_WINDOW
        self._frame_limit = http2.FRAME_LIMIT
        self._unacknowledged = 0
        self._call_format = gear.call
        self._longest = gear.longest
        self._on_frame: dict[int, Callable[[int, bytes, bytes], None]] = {
            http2.DATA: self._on_data,
            http2.HEADERS: self._on_headers,
            http2.CONTINUATION: self._on_continuation,
            http2.RST_STREAM: self._on_reset,
            http2.SETTINGS: self._on_settings,
            http2.PING: self._on_ping,
            http2.GOAWAY: self._on_goaway,
            http2.WINDOW_UPDATE: self._on_window_update,
            http2.PUSH_PROMISE: self._on_push,
        }

    # ---- life

    def connect(self, call: Call) -> None:
        """Begin to connect, for a first call."""
        self._waiting.append(call)
        try:
            self._socket = self._gear.target.connect()
        except OSError as error:
            self._fail(class_of_error(error), f"connect: {error.strerror}")
            return
        self._gear.loop.add(self._socket.fileno(), self._on_event, mask=_NEWS)
        self._out_blocked = True

    def start_many(self, number: int, departure: Departure) -> bool:
        """Send calls together; False, and nothing done, where not all of them can go at once."""
        if (
            not self._may_join
            or self._waiting
            or self._bodies
            or len(self._calls) + number > self._stream_limit
            or self._longest * number > self._send_window
            or self._next_stream + 2 * number > _LAST_STREAM
        ):
            return False
        self._unstamped.append(departure)
        self._join(number, departure)
        if not self._in_batch:
            self._flush()
        return True

    def _join(self, number: int, departure: Departure) -> None:
        """Let calls go out with what is sent next."""
        first = self._next_stream
        self._next_stream = last = first + 2 * number
        self._send_window -= self._longest * number
        calls, call_format, send_later = self._calls, self._call_format, self._out.append
        next_sequence, nonce_of, pack = (
            self._ledger.next_sequence,
            self._nonce_of,
            http2.NUMBER.pack,
        )
        whole, nonce_is_in_block = call_format.whole, call_format.nonce_is_in_block
        for number_of_stream in range(first, last, 2):
            stream = pack(number_of_stream)
            sequence = next_sequence()
            nonce = nonce_of(sequence)
            calls[stream] = (departure, sequence, nonce)
            if nonce_is_in_block:
                send_later(whole % (stream, nonce, stream))
            else:
                send_later(whole % (stream, stream, nonce))

    def start(self, call: Call) -> None:
        """Send a call, or let it wait for the connection or for a stream."""
        if not self._is_ready or self._waiting or len(self._calls) >= self._stream_limit:
            self._waiting.append(call)
            return
        self._open_stream(call)
        if not self._in_batch:
            self._flush()

    def oldest_planned_ns(self, now_ns: int) -> int:
        """Return the earliest planned start among the calls at hand; now where there is none."""
        planned_ns = (call[0].planned_ns for call in (*self._calls.values(), *self._waiting))
        return min(planned_ns, default=now_ns)

    def expire(self, now_ns: int) -> None:
        """Settle as timeouts the calls past their deadline; cancel those that were sent."""
        oldest_ns = now_ns - self._ledger.timeout_ns
        self._now_ns = now_ns
        late = [stream for stream, call in self._calls.items() if call[0].planned_ns < oldest_ns]
        waiting = [call for call in self._waiting if call[0].planned_ns < oldest_ns]
        self._in_batch = True
        for stream in late:
            self._out.append(_reset(stream))
            self._end(stream, Outcome.TIMEOUT, reason="no whole answer before the deadline")
        for call in waiting:
            self._waiting.remove(call)
        if waiting and not self._is_ready:
            # Connecting took a request's whole time: whoever else waits tries anew.
            others = list(self._waiting)
            self._waiting.clear()
            self._close()
            self._lane.replace(others)
        for call in waiting:
            self._settle(call, Outcome.TIMEOUT, reason="no connection before the deadline")
        self._in_batch = False
        self._open_waiting()
        self._flush()
        if self._is_draining:
            self._part_if_done()

    def abandon(self, now_ns: int) -> None:
        """Settle as abandoned all calls, and close."""
        self._now_ns = now_ns
        calls = [*self._calls_with_progress(), *((call, _NOTHING_YET) for call in self._waiting)]
        self._calls.clear()
        self._waiting.clear()
        self._close()
        for call, progress in calls:
            age_s = (now_ns - call[0].planned_ns) / 1e9
            reason = f"in flight for {age_s:.3f} s when the run ended"
            self._settle(call, Outcome.ABANDONED, progress=progress, reason=reason)

    def _fail(self, outcome: Outcome, reason: str) -> None:
        """End the connection, and in the given class what depended on it."""
        self._now_ns = self._clock()
        in_flight, waiting = self._calls_with_progress(), list(self._waiting)
        self._calls.clear()
        self._waiting.clear()
        was_ready = self._is_ready
        self._close()
        for call, progress in in_flight:
            ended = outcome
            if outcome is Outcome.CLOSED_EARLY and progress.first_ns != NEVER:
                ended = Outcome.TRUNCATED
            self._settle(call, ended, progress=progress, reason=reason)
        if was_ready:
            self._lane.replace(waiting)
        else:
            for call in waiting:
                self._settle(call, outcome, reason=reason)

    def _calls_with_progress(self) -> list[tuple[Call, Progress]]:
        return [
            (call, self._progress.get(stream, _NOTHING_YET)) for stream, call in self._calls.items()
        ]

    def _close(self) -> None:
        self._lane.forget(self)
        if self._socket is not None:
            self._gear.loop.remove(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self._on_frame = {}  # bound methods: a cycle that would outlive the connection

    def _part_if_done(self) -> None:
        """Close a connection that takes no more calls where its last one has ended."""
        if not self._calls and self._socket is not None:
            self._part()

    def _part(self) -> None:
        """Close after the last call, politely: the server may close first."""
        connection = self._socket
        if connection is not None:
            self._socket = None
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                self._gear.loop.remove(connection.fileno())
                connection.close()
            else:
                self._gear.loop.linger(connection)
        self._close()

    # ---- sending

    def _open_stream(self, call: Call) -> None:
        departure, sequence, nonce = call
        stream = http2.NUMBER.pack(self._next_stream)
        self._next_stream += 2
        self._calls[stream] = call
        departure.ready_ns = self._clock()
        self._unstamped.append(departure)
        call_format = self._format_of(sequence)
        length = call_format.length
        if (
            length <= self._send_window
            and length <= self._initial_window
            and length <= self._frame_limit
            and not self._bodies
        ):
            self._send_window -= length
            self._out.append(call_format.fill(stream, nonce))
        else:
            self._out.append(call_format.headers(stream, nonce))
            self._progress_of(stream).unsent = call_format.message.fill(nonce)
            departure.is_held = True
            self._bodies.append(stream)
            self._send_bodies()
        if self._next_stream > _LAST_STREAM or self._gear.reuse is Reuse.CLOSE:
            self._drain()

    def _format_of(self, _sequence: int) -> CallFormat:
        return self._call_format

    def _progress_of(self, stream: bytes) -> Progress:
        progress = self._progress.get(stream)
        if progress is None:
            progress = self._progress[stream] = Progress()
        return progress

    def _send_bodies(self) -> None:
        """Send what the windows allow of the bodies that did not fit at once."""
        for _ in range(len(self._bodies)):
            stream = self._bodies.popleft()
            call = self._calls.get(stream)
            if call is None:
                continue
            progress = self._progress[stream]
            while progress.unsent:
                allowed = min(
                    self._send_window, self._initial_window + progress.window, self._frame_limit
                )
                if allowed <= 0:
                    break
                piece, progress.unsent = progress.unsent[:allowed], progress.unsent[allowed:]
                self._send_window -= len(piece)
                progress.window -= len(piece)
                flags = 0 if progress.unsent else http2.END_STREAM
                number = int.from_bytes(stream, "big")
                self._out.append(http2.frame(http2.DATA, flags=flags, stream=number, payload=piece))
            if progress.unsent:
                self._bodies.append(stream)
            else:
                call[0].is_held = False

    def _open_waiting(self) -> None:
        while (
            self._is_ready
            and self._waiting
            and not self._is_draining
            and len(self._calls) < self._stream_limit
        ):
            self._open_stream(self._waiting.popleft())
        if self._is_draining and self._waiting:
            calls = list(self._waiting)
            self._waiting.clear()
            self._lane.replace(calls)

    def _flush(self) -> None:
        """Send what has piled up; stamp the calls whose bytes are all gone."""
        if self._socket is None or self._out_blocked or not self._out:
            return
        out: bytes | memoryview = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        try:
            while (sent := self._socket.send(out)) < len(out):
                # A part is no sign of a full socket: TLS first ends what it took before. Only a
                # socket that says it is full tells the news once it has room.
                out = memoryview(out)[sent:]
        except BlockingIOError:
            self._out.append(bytes(out))
            self._out_blocked = True
            return
        except OSError as error:
            self._send_failed(class_of_error(error), f"send: {error.strerror}")
            return
        now_ns = self._clock()
        if self._bodies:
            still = [departure for departure in self._unstamped if departure.is_held]
            for departure in self._unstamped:
                if not departure.is_held:
                    departure.sent_ns = now_ns
            self._unstamped = still
            return
        for departure in self._unstamped:
            departure.sent_ns = now_ns
        self._unstamped.clear()

    def _send_failed(self, outcome: Outcome, reason: str) -> None:
        """Take the answers that came before the connection broke; then fail the calls left.

        Within ``_receive``, too, since that sends only once it has taken all of its piece.
        """
        if self._calls:
            self._is_broken = self._out_blocked = True
            self._drain()
            while self._socket is not None and self._receive(self._socket):
                pass
        if self._socket is not None:
            self._fail(outcome, reason)

    # ---- receiving

    def _on_event(self, mask: int) -> None:
        if self._socket is None:
            return
        if not self._is_made:
            error = pending_error(self._socket)
            if error is not None:
                self._fail(class_of_error(error), f"connect: {error.strerror}")
                return
            self._is_made = True
            self._ledger.connections_opened += 1
        if self._out_blocked:
            self._go_on(mask)
        if mask & ~WRITABLE:
            while self._socket is not None:
                length = self._receive(self._socket)
                if not length or (length < READ_BYTES and not mask & PEER_CLOSED):
                    break
            if self._out_blocked:
                # A handshake may have come to its end meanwhile.
                self._go_on(mask)

    def _go_on(self, mask: int) -> None:
        """Send on where there is room again."""
        if mask & WRITABLE:
            self._out_blocked = False
            self._flush()

    def _receive(self, connection: Connection) -> int:
        """Take what has come; return how many bytes."""
        try:
            received = connection.recv(READ_BYTES)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._fail(class_of_error(error), f"receive: {error.strerror}")
            return 0
        self._now_ns = self._clock()
        if not received:
            self._peer_closed()
            return 0
        self._in_batch = True
        try:
            self._take(self._rest + received if self._rest else received)
        except BadAnswer as bad:
            self._in_batch = False
            self._fail(bad.outcome, bad.reason)
            self._renew_callers()
            return 0
        if self._waiting:
            self._open_waiting()
        self._renew_callers()
        self._in_batch = False
        self._flush()
        if self._is_draining:
            self._part_if_done()
        return len(received)

    def _peer_closed(self) -> None:
        if self._is_broken:
            return  # told as what it is by whoever met the error, which a socket has only once
        if not self._calls and self._is_ready:
            self._ledger.idle_closes += 1
        self._fail(Outcome.CLOSED_EARLY, "the connection was closed with the call open")

    def _renew_callers(self) -> None:
        """Tell the callers whose calls ended well, all at once."""
        if self._ended:
            ended, self._ended = self._ended, 0
            self._lane.renew(ended, self._now_ns)

    def _take(self, received: bytes) -> None:
        shape = self._shape
        if shape is not None and self._block is None:
            answers = shape.leading_answers(received)
            if answers:
                self._rest = b""
                self._take_answers(received, answers, shape)
                taken = len(answers) * shape.length
                if taken == len(received):
                    return
                received = received[taken:]
        self._take_frames(received)

    def _take_answers(
        self, received: bytes, answers: list[tuple[bytes, bytes]], shape: AnswerShape
    ) -> None:
        """End the calls of recognised answers; an odd one takes the way of all frames."""
        calls, progress, ledger = self._calls, self._progress, self._ledger
        check, keep, pack = ledger.check, ledger.keep, ledger.pack
        now_ns, number, content_length = self._now_ns, self._number, shape.content_length
        oldest_ns = now_ns - ledger.timeout_ns
        well = 0
        for index, (stream, message) in enumerate(answers):
            call = calls.get(stream)
            if call is not None and stream not in progress:
                departure, sequence, nonce = call
                if departure.sent_ns != NEVER and departure.planned_ns >= oldest_ns:
                    outcome, worker_pid, _ = check(0, message, nonce)
                    if not outcome:
                        del calls[stream]
                        keep(
                            pack(
                                departure.planned_ns,
                                departure.taken_up_ns,
                                departure.ready_ns,
                                departure.sent_ns,
                                now_ns,
                                now_ns,
                                sequence,
                                number,
                                content_length,
                                worker_pid,
                                0,
                                0,
                            )
                        )
                        well += 1
                        continue
            self._ended += well
            self._unacknowledged += well * content_length
            well = 0
            self._take_frames(received[index * shape.length : (index + 1) * shape.length])
        self._ended += well
        self._unacknowledged += well * content_length
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Let the server send more before it must wait."""
        if self._unacknowledged > http2.CONNECTION_WINDOW // 2:
            self._out.append(http2.window_update(self._unacknowledged))
            self._unacknowledged = 0

    def _take_frames(self, received: bytes) -> None:
        position, end = 0, len(received)
        unpack, length_of_head = http2.FRAME_HEAD.unpack_from, http2.FRAME_HEAD_LENGTH
        while end - position >= length_of_head:
            length_and_kind, flags, stream = unpack(received, position)
            length = length_and_kind >> 8
            if length > http2.FRAME_LIMIT:
                raise BadAnswer(Outcome.PROTOCOL_ERROR, f"a frame of {length} bytes: no HTTP/2?")
            start = position + length_of_head
            if start + length > end:
                break
            position = start + length
            kind = length_and_kind & 0xFF
            if not self._is_ready and kind != http2.SETTINGS:
                raise BadAnswer(Outcome.PROTOCOL_ERROR, "the first frame was not SETTINGS")
            if self._block is not None and kind != http2.CONTINUATION:
                raise BadAnswer(Outcome.PROTOCOL_ERROR, "a header block was interrupted")
            handle = self._on_frame.get(kind)
            if handle is not None:
                handle(flags, http2.NUMBER.pack(stream & _LAST_STREAM), received[start:position])
        self._rest = received[position:]

    def _call(self, stream: bytes) -> Call | None:
        """Return a stream's call, None where it has ended; BadAnswer where there never was one."""
        call = self._calls.get(stream)
        if call is None:
            number = int.from_bytes(stream, "big")
            if not number & 1 or number >= self._next_stream:
                raise BadAnswer(Outcome.PROTOCOL_ERROR, f"a frame on stream {number}, never opened")
        return call

    def _on_data(self, flags: int, stream: bytes, payload: bytes) -> None:
        length = len(payload)
        self._unacknowledged += length
        self._acknowledge()
        call = self._calls.get(stream) or self._call(stream)
        if call is None:
            return
        progress = self._progress_of(stream)
        if progress.head is None:
            self._reject(stream, Outcome.PROTOCOL_ERROR, "a message before its headers")
            return
        content = http2.strip_padding(flags, payload) if flags & http2.PADDED else payload
        progress.pieces += 1
        if progress.content:
            self._add_content(progress, content)
        else:
            progress.content = content
        if len(progress.content) > BODY_LIMIT:
            self._reject(stream, Outcome.TOO_BIG, "a message beyond the limit")
            return
        is_last = bool(flags & http2.END_STREAM)
        if not is_last and len(progress.content) > SMALL_BYTES and not self._hold(progress):
            reason = "the answers under way take more memory than all may together"
            self._reject(stream, Outcome.TOO_BIG, reason)
            return
        progress.unacknowledged += length
        if progress.unacknowledged > http2.STREAM_WINDOW // 2:
            number = int.from_bytes(stream, "big")
            self._out.append(http2.window_update(progress.unacknowledged, stream=number))
            progress.unacknowledged = 0
        if is_last:
            self._judge(stream, call, progress.head)

    def _hold(self, progress: Progress) -> bool:
        """Tell whether there is room for what a call has received."""
        before, progress.held_bytes = progress.held_bytes, len(progress.content)
        return self._gear.room.grow(before, progress.held_bytes)

    def _let_go(self, progress: Progress) -> None:
        if progress.held_bytes:
            self._gear.room.give_back(progress.held_bytes)
            progress.held_bytes = 0

    def _add_content(self, progress: Progress, content: bytes) -> None:
        if isinstance(progress.content, bytes):
            progress.content = bytearray(progress.content)
        progress.content += content

    def _on_headers(self, flags: int, stream: bytes, payload: bytes) -> None:
        if flags & (http2.PADDED | http2.HAS_PRIORITY):
            payload = http2.strip_priority(flags, http2.strip_padding(flags, payload))
        if flags & http2.END_HEADERS:
            self._on_block(flags, stream, payload)
        else:
            self._block = (flags, stream, payload)

    def _on_continuation(self, flags: int, stream: bytes, payload: bytes) -> None:
        if self._block is None or self._block[1] != stream:
            raise BadAnswer(Outcome.PROTOCOL_ERROR, "a CONTINUATION of nothing")
        first_flags, _, begun = self._block
        block = begun + payload
        if len(block) > HEAD_LIMIT:
            raise BadAnswer(Outcome.TOO_BIG, "a head beyond the limit")
        if flags & http2.END_HEADERS:
            self._block = None
            self._on_block(first_flags, stream, block)
        else:
            self._block = (first_flags, stream, block)

    def _on_block(self, flags: int, stream: bytes, block: bytes) -> None:
        call = self._calls.get(stream) or self._call(stream)
        if call is None:
            return
        head = self._gear.memo.parse(block)
        progress = self._progress_of(stream)
        if progress.first_ns == NEVER:
            progress.first_ns = self._now_ns
        if flags & http2.END_STREAM:
            self._judge(stream, call, head, block=block)
        elif progress.head is not None:
            self._reject(stream, Outcome.PROTOCOL_ERROR, "trailers that do not end the stream")
        elif not head.is_interim:
            progress.head, progress.block = head, block

    def _judge(
        self, stream: bytes, call: Call, last: http2.GrpcHead, *, block: bytes = b""
    ) -> None:
        """End a call whose stream has ended, by its last header block (perhaps its only one)."""
        departure, _, nonce = call
        progress = self._progress_of(stream)
        http_status = (progress.head or last).http_status
        if http_status != HTTPStatus.OK:
            self._end_with_http_status(stream, http_status)
            return
        if last.grpc_status is None:
            self._end(stream, Outcome.PROTOCOL_ERROR, reason="no grpc-status at the end")
            return
        if last.grpc_status:
            reason = f"status {last.grpc_status}: {last.grpc_message}"
            self._end(stream, Outcome.GRPC_STATUS, reason=reason, status=last.grpc_status)
            return
        try:
            message = http2.single_message(progress.content)
        except BadAnswer as bad:
            self._end(stream, bad.outcome, reason=bad.reason)
            return
        outcome, worker_pid, reason = self._ledger.check(0, message, nonce)
        if outcome or departure.sent_ns == NEVER or self._is_late(departure):
            self._end(stream, outcome, reason=reason, worker_pid=worker_pid)
            return
        if progress.pieces == 1 and block:
            self._learn(call, (progress.block, len(progress.content), block))
        self._end_well(stream, worker_pid=worker_pid)

    def _is_late(self, departure: Departure) -> bool:
        return self._now_ns - departure.planned_ns > self._ledger.timeout_ns

    def _learn(self, _call: Call, seen: Anatomy) -> None:
        """Expect the shape of an answer that came twice in a row."""
        if seen == self._last_shape:
            self._shape = self._gear.shapes.shape(*seen)
        self._last_shape = seen

    def _end_well(self, stream: bytes, *, worker_pid: int) -> None:
        """Record the common end, without what only the others need."""
        departure, sequence, _ = self._calls.pop(stream)
        progress = self._progress.pop(stream)
        self._let_go(progress)
        ledger = self._ledger
        ledger.keep(
            ledger.pack(
                departure.planned_ns,
                departure.taken_up_ns,
                departure.ready_ns,
                departure.sent_ns,
                progress.first_ns,
                self._now_ns,
                sequence,
                self._number,
                len(progress.content),
                worker_pid,
                0,
                0,
            )
        )
        self._ended += 1

    def _end_with_http_status(self, stream: bytes, status: int | None) -> None:
        if status is None:
            self._end(stream, Outcome.PROTOCOL_ERROR, reason="an answer without a status")
            return
        outcome = class_of_status(status)
        if outcome is Outcome.OK:
            outcome = Outcome.PROTOCOL_ERROR
        self._end(stream, outcome, reason=f"HTTP status {status}", status=status)

    def _reject(self, stream: bytes, outcome: Outcome, reason: str) -> None:
        self._out.append(_reset(stream))
        self._end(stream, outcome, reason=reason)

    def _end(
        self, stream: bytes, outcome: Outcome, *, reason: str, status: int = 0, worker_pid: int = 0
    ) -> None:
        call = self._calls.pop(stream)
        progress = self._progress.pop(stream, _NOTHING_YET)
        if progress.unsent:
            # The server answered without the whole message: it must not wait for the rest.
            progress.unsent = b""
            call[0].is_held = False
            self._out.append(_reset(stream))
        self._settle(
            call, outcome, progress=progress, reason=reason, status=status, worker_pid=worker_pid
        )

    def _settle(
        self,
        call: Call,
        outcome: Outcome,
        *,
        reason: str,
        progress: Progress = _NOTHING_YET,
        status: int = 0,
        worker_pid: int = 0,
    ) -> None:
        self._let_go(progress)
        self._lane.settle(
            call,
            outcome,
            progress=progress,
            reason=reason,
            finished_ns=self._now_ns,
            connection=self._number,
            status=status,
            worker_pid=worker_pid,
        )

    def _on_reset(self, _flags: int, stream: bytes, payload: bytes) -> None:
        if self._call(stream) is not None:
            code = int.from_bytes(payload[:4], "big")
            self._end(stream, Outcome.STREAM_RESET, reason=f"RST_STREAM with code {code}")

    def _on_settings(self, flags: int, _stream: bytes, payload: bytes) -> None:
        if flags & http2.ACK:
            return
        values = http2.parse_settings(payload)
        self._stream_limit = values.get(http2.MAX_CONCURRENT_STREAMS, self._stream_limit)
        self._frame_limit = values.get(http2.MAX_FRAME_SIZE, self._frame_limit)
        self._initial_window = values.get(http2.INITIAL_WINDOW_SIZE, self._initial_window)
        if self._initial_window > http2.LARGEST_WINDOW:
            raise BadAnswer(Outcome.PROTOCOL_ERROR, "a window beyond the limit")
        self._out.append(http2.frame(http2.SETTINGS, flags=http2.ACK))
        self._is_ready = True
        self._may_join = self._gear.reuse is Reuse.KEEP and self._longest <= min(
            self._initial_window, self._frame_limit
        )
        self._send_bodies()

    def _on_ping(self, flags: int, _stream: bytes, payload: bytes) -> None:
        if not flags & http2.ACK:
            self._out.append(http2.frame(http2.PING, flags=http2.ACK, payload=payload))

    def _on_window_update(self, _flags: int, stream: bytes, payload: bytes) -> None:
        increment = int.from_bytes(payload, "big") & _LAST_STREAM
        if stream == _WHOLE_CONNECTION:
            self._send_window += increment
            if self._send_window > http2.LARGEST_WINDOW:
                raise BadAnswer(Outcome.PROTOCOL_ERROR, "a window beyond the limit")
        else:
            # Who has sent everything has no use for more room.
            progress = self._progress.get(stream) if self._call(stream) is not None else None
            if progress is not None and progress.unsent:
                progress.window += increment
        if self._bodies:
            self._send_bodies()

    def _on_push(self, _flags: int, _stream: bytes, _payload: bytes) -> None:
        raise BadAnswer(Outcome.PROTOCOL_ERROR, "a PUSH_PROMISE that was forbidden")

    def _on_goaway(self, _flags: int, _stream: bytes, payload: bytes) -> None:
        last = http2.NUMBER.pack(int.from_bytes(payload[:4], "big") & _LAST_STREAM)
        code = int.from_bytes(payload[4:8], "big")
        self._drain()
        for stream in [stream for stream in self._calls if stream > last]:
            self._end(stream, Outcome.GOAWAY, reason=f"GOAWAY with code {code}")

    def _drain(self) -> None:
        self._is_draining = True
        self._lane.retire(self)


def _reset(stream: bytes) -> bytes:
    return http2.reset_stream(int.from_bytes(stream, "big"))
