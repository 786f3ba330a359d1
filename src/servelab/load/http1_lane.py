"""HTTP/1.1 over sockets: a lane is one caller's connection, with at most one request in flight."""

import select
from collections.abc import Callable
from dataclasses import dataclass, field

from servelab.load.http1 import (
    HEAD_END,
    AnswerReader,
    BadAnswer,
    Framing,
    HeadMemo,
    class_of_status,
)
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
from servelab.load.request import Encode
from servelab.load.room import Room
from servelab.model.outcome import Outcome

_ONLY_READABLE = select.EPOLLIN
_EDGE = select.EPOLLET
"""The kernel tells news once and need not look again; so whoever may have left bytes reads on."""
_HEAD_END_LENGTH = len(HEAD_END)
_NO_HEAD = b"\0"
"""What no answer begins with."""


@dataclass(frozen=True, slots=True)
class Http1Gear:
    """What the HTTP/1.1 lanes of a run share."""

    loop: Loop
    ledger: Ledger
    target: Connector
    reuse: Reuse
    nonce_of: Callable[[int], bytes]
    encode: Encode
    memo: HeadMemo
    memo_in_turn: tuple[HeadMemo, ...] = ()
    """Of a mix with HEAD and others: the memos for the numbers 0, 1, ...; then it begins anew."""
    room: Room = field(default_factory=Room)


class Http1Lane:
    """One connection after another, one request after another."""

    __slots__ = (
        "_busy", "_check", "_clock", "_dispatch", "_encode", "_first_ns", "_framing", "_gear",
        "_head", "_head_end", "_is_new", "_keep", "_known", "_ledger", "_memo", "_next_sequence",
        "_nonce", "_nonce_of", "_number", "_pack", "_planned_ns", "_reader", "_ready_ns", "_recv",
        "_reuses", "_sent_ns", "_sequence", "_socket", "_taken_ns", "_timeout_ns", "_unsent",
    )  # fmt: skip

    def __init__(self, gear: Http1Gear, dispatch: Dispatch) -> None:
        self._gear = gear
        self._dispatch = dispatch
        ledger = gear.ledger
        # What the path of every request touches is bound here once.
        self._ledger = ledger
        self._clock, self._check, self._timeout_ns = ledger.clock, ledger.check, ledger.timeout_ns
        self._keep, self._pack = ledger.keep, ledger.pack
        self._next_sequence = ledger.next_sequence
        self._encode = gear.encode
        self._nonce_of = gear.nonce_of
        self._read_with(gear.memo)
        self._head_end = 0
        self._framing: Framing | None = None
        self._reuses = gear.reuse is Reuse.KEEP
        self._socket: Connection | None = None
        self._recv: Callable[[int], bytes]
        self._number = 0
        self._is_new = True
        self._busy = False
        self._reader: AnswerReader | None = None
        self._unsent: memoryview | None = None
        self._nonce = b""
        self._sequence = 0
        self._planned_ns = self._taken_ns = self._ready_ns = self._sent_ns = self._first_ns = NEVER

    def _read_with(self, memo: HeadMemo) -> None:
        """Let heads mean what this memo says from now on."""
        self._memo = memo
        self._known = memo.get
        self._head = _NO_HEAD

    def start(self, planned_ns: int, taken_up_ns: int, now_ns: int) -> None:
        """Send a request over the connection at hand, or over a new one."""
        self._busy = True
        self._planned_ns = planned_ns
        self._taken_ns = taken_up_ns
        self._sequence = sequence = self._next_sequence()
        self._nonce = self._nonce_of(sequence)
        connection = self._socket
        if connection is None:
            self._connect()
        else:
            self._ready_ns = now_ns
            self._send(connection)

    def expire(self, now_ns: int) -> int:
        """Settle the request as a timeout if it is past its deadline; return when to look again."""
        if self._busy and now_ns - self._planned_ns > self._timeout_ns:
            self._fail(Outcome.TIMEOUT, "no whole answer before the deadline")
        return (self._planned_ns if self._busy else now_ns) + self._timeout_ns

    def abandon(self, now_ns: int) -> None:
        """Settle the request as abandoned, if there is one, and close."""
        if self._busy:
            age_s = (now_ns - self._planned_ns) / 1e9
            self._fail(Outcome.ABANDONED, f"in flight for {age_s:.3f} s when the run ended")
        self._drop()

    # ---- sending

    def _connect(self) -> None:
        self._ready_ns = self._sent_ns = self._first_ns = NEVER
        try:
            connection = self._gear.target.connect()
        except OSError as error:
            self._fail(class_of_error(error), f"connect: {error.strerror}")
            return
        self._socket = connection
        self._recv = connection.recv
        self._number = self._ledger.next_connection()
        self._is_new = True
        self._gear.loop.add(connection.fileno(), self._on_answer, mask=READABLE | _EDGE)
        # On one machine the handshake is over when connect returns: try to send at once.
        self._ready_ns = self._clock()
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        request = self._encode(self._nonce)
        try:
            sent = connection.send(request)
        except BlockingIOError:
            self._wait_for_room(connection, request)
        except OSError as error:
            self._send_failed(error)
        else:
            self._sent_ns = self._clock()
            if self._is_new:
                self._is_new = False
                self._ledger.connections_opened += 1
            if sent != len(request):
                self._unsent = memoryview(request)[sent:]
                self._watch_for_room(connection)

    def _wait_for_room(self, connection: Connection, request: bytes) -> None:
        """Wait until the connection is made, or until its buffer has room."""
        self._sent_ns = NEVER
        if self._is_new:
            self._ready_ns = NEVER
        self._unsent = memoryview(request)
        self._watch_for_room(connection)

    def _watch_for_room(self, connection: Connection) -> None:
        self._gear.loop.handlers[connection.fileno()] = self._on_room
        self._gear.loop.modify(connection.fileno(), READABLE | WRITABLE | _EDGE)

    def _send_failed(self, error: OSError) -> None:
        if not self._is_new:
            # An idle connection that the server closed: nothing was sent, so another one may do.
            self._ledger.idle_closes += 1
            self._drop()
            self._connect()
            return
        self._ready_ns = NEVER
        self._fail(class_of_error(error), f"connect: {error.strerror}")

    def _is_usable(self, _connection: Connection) -> bool:
        """Tell whether a connection that was made can carry a request."""
        return True

    def _on_room(self, mask: int) -> None:
        connection, unsent = self._socket, self._unsent
        if connection is None or unsent is None:
            return
        if self._is_new:
            error = pending_error(connection)
            if error is not None:
                self._fail(class_of_error(error), f"connect: {error.strerror}")
                return
            if not self._is_usable(connection):
                return
            self._is_new = False
            self._ledger.connections_opened += 1
            self._ready_ns = self._clock()
        if mask & ~WRITABLE:
            # The server did not wait for the whole request.
            self._on_answer(mask)
            if self._unsent is not unsent:
                return
        try:
            sent = connection.send(unsent)
        except BlockingIOError:
            return
        except OSError as failure:
            self._broke_while_sending(connection, unsent, failure)
            return
        self._sent_ns = self._clock()
        self._unsent = unsent[sent:]
        if not self._unsent:
            self._unsent = None
            self._gear.loop.handlers[connection.fileno()] = self._on_answer
            self._gear.loop.modify(connection.fileno(), READABLE | _EDGE)

    def _broke_while_sending(
        self, connection: Connection, unsent: memoryview, failure: OSError
    ) -> None:
        """Take the answer, if a whole one came before the connection broke; else fail."""
        receive = connection.recv

        def receive_until_end(size: int) -> bytes:
            # The failed send took the error: what looks like the end of the answer is the break.
            received = receive(size)
            if not received:
                raise BlockingIOError
            return received

        self._recv = receive_until_end
        self._on_answer(PEER_CLOSED)
        if self._unsent is unsent:
            self._fail(class_of_error(failure), f"send: {failure.strerror}")

    # ---- receiving

    def _on_answer(self, mask: int) -> None:
        try:
            received = self._recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._receive_failed(error)
            return
        now_ns = self._clock()
        if self._reader is None and self._busy:
            # The common case: one piece holds the whole answer, and its head is a known one, mostly
            # the same as last time.
            if received.startswith(self._head):
                head_end, framing = self._head_end, self._framing
            else:
                head_end = received.find(HEAD_END) + _HEAD_END_LENGTH
                framing = self._remember(received[:head_end])
            if (
                framing is not None
                and head_end + framing.length == len(received)
                and now_ns - self._planned_ns <= self._timeout_ns
                and self._unsent is None
            ):
                body = received[head_end:]
                outcome, worker_pid, _ = self._check(framing.status, body, self._nonce)
                if not outcome:
                    self._keep(
                        self._pack(
                            self._planned_ns,
                            self._taken_ns,
                            self._ready_ns,
                            self._sent_ns,
                            now_ns,
                            now_ns,
                            self._sequence,
                            self._number,
                            framing.length,
                            worker_pid,
                            framing.status,
                            0,
                        )
                    )
                    self._busy = False
                    if mask != _ONLY_READABLE or not self._reuses or not framing.keeps_alive:
                        self._count_silent_close(framing)
                        self._part(mask)
                    self._dispatch.free(self, now_ns)
                    return
        connection = self._socket
        self._receive(received, now_ns, mask)
        while (
            received
            and self._busy
            and self._socket is connection
            and (len(received) >= READ_BYTES or mask & PEER_CLOSED)
        ):
            received = self._read_on(mask)

    def _remember(self, head: bytes) -> Framing | None:
        """Return what a head said before, and expect it next time; None where it is new."""
        framing = self._known(head)
        if framing is not None:
            self._head, self._head_end, self._framing = head, len(head), framing
        return framing

    def _read_on(self, mask: int) -> bytes:
        """Take what was left unread; empty where nothing was."""
        try:
            received = self._recv(READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            self._receive_failed(error)
            return b""
        self._receive(received, self._clock(), mask)
        return received

    def _receive(self, received: bytes, now_ns: int, mask: int) -> None:
        """Take bytes in the general case."""
        if not self._busy:
            # Nothing was asked: the server closed an idle connection, or speaks out of turn.
            self._ledger.idle_closes += 1
            self._drop()
            return
        if self._reader is None:
            self._reader = AnswerReader(self._memo, room=self._gear.room)
        reader = self._reader
        try:
            if received:
                if self._first_ns == NEVER:
                    self._first_ns = now_ns
                is_whole = reader.feed(received)
            else:
                reader.end()
                is_whole = True
        except BadAnswer as bad:
            self._settle(bad.outcome, bad.reason, finished_ns=now_ns)
            return
        if is_whole:
            self._judge(reader, now_ns, mask)

    def _receive_failed(self, error: OSError) -> None:
        if not self._busy:
            self._ledger.idle_closes += 1
            self._drop()
            return
        if self._is_new:
            self._ready_ns = NEVER
        self._fail(class_of_error(error), f"receive: {error.strerror}")

    def _judge(self, reader: AnswerReader, now_ns: int, mask: int) -> None:
        framing = reader.framing
        if framing is None:
            raise AssertionError("a whole answer has a head")
        outcome, worker_pid = class_of_status(framing.status), 0
        reason = f"status {framing.status}"
        if outcome is Outcome.OK:
            outcome, worker_pid, reason = self._check(
                framing.status, bytes(reader.body), self._nonce
            )
        may_keep = self._reuses and framing.keeps_alive and self._unsent is None
        if mask != _ONLY_READABLE:
            self._count_silent_close(framing)
        self._settle(
            outcome,
            reason,
            finished_ns=now_ns,
            worker_pid=worker_pid,
            keeps=may_keep and mask == _ONLY_READABLE,
            mask=mask,
        )

    def _count_silent_close(self, framing: Framing) -> None:
        """Count a connection that the server closed though its answer said nothing of it."""
        if self._reuses and framing.keeps_alive:
            self._ledger.idle_closes += 1

    # ---- ending

    def _fail(self, outcome: Outcome, reason: str) -> None:
        self._settle(outcome, reason, finished_ns=self._clock())

    def _settle(
        self,
        outcome: Outcome,
        reason: str,
        *,
        finished_ns: int,
        worker_pid: int = 0,
        keeps: bool = False,
        mask: int = PEER_CLOSED,
    ) -> None:
        """End the request in any class but the common one; ``mask`` tells who has closed."""
        reader = self._reader
        status = reader.framing.status if reader is not None and reader.framing else 0
        self._ledger.settle(
            outcome,
            reason=reason,
            sequence=self._sequence,
            planned_ns=self._planned_ns,
            taken_up_ns=self._taken_ns,
            connection_ready_ns=self._ready_ns,
            sent_ns=self._sent_ns,
            first_byte_ns=self._first_ns,
            finished_ns=finished_ns,
            connection=self._number,
            body_bytes=len(reader.body) if reader is not None else 0,
            worker_pid=worker_pid,
            status=status,
        )
        if reader is not None:
            reader.leave()
        self._busy = False
        self._reader = None
        self._unsent = None
        self._first_ns = NEVER
        if not keeps:
            self._part(mask)
        if self._sent_ns == NEVER:
            self._dispatch.pause(self, finished_ns)
        else:
            self._dispatch.free(self, finished_ns)

    def _part(self, mask: int) -> None:
        """Give the connection up; where the server has yet to close, let it close first."""
        if self._socket is not None and not mask & PEER_CLOSED:
            self._gear.loop.linger(self._socket)
            self._socket = None
        else:
            self._drop()

    def _drop(self) -> None:
        if self._socket is not None:
            self._gear.loop.remove(self._socket.fileno())
            self._socket.close()
            self._socket = None
