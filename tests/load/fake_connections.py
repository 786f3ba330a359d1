"""Connections without a kernel: what they receive, and when they break, is the test's to say."""

from collections import deque
from collections.abc import Callable
from typing import Any

from servelab.load.lane import Connection
from servelab.load.loop import READABLE, Loop

NO_LIMIT = 10**12


class FakeConnection:
    """Takes all that is sent until told otherwise."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.unread: deque[bytes | OSError] = deque()
        """What is received, one after the other; b"" is the end, and stays."""
        self.sent: list[bytes] = []
        self.send_error: OSError | None = None
        self.room = NO_LIMIT
        """How many more bytes it takes before it is full."""
        self.is_shut = False
        self.is_open = True

    def fileno(self) -> int:
        return self.fd

    def send(self, content: bytes | memoryview, /) -> int:
        if self.send_error is not None:
            raise self.send_error
        taken = bytes(content[: self.room])
        if content and not taken:
            raise BlockingIOError
        self.room -= len(taken)
        self.sent.append(taken)
        return len(taken)

    def recv(self, _size: int, /) -> bytes:
        if not self.unread:
            raise BlockingIOError
        piece = self.unread[0]
        if piece != b"":
            self.unread.popleft()
        if isinstance(piece, OSError):
            raise piece
        return piece

    def getsockopt(self, _level: int, _option: int, /) -> int:
        return 0

    def getsockname(self) -> Any:
        return None

    def shutdown(self, _how: int, /) -> None:
        if self.send_error is not None:
            raise self.send_error
        self.is_shut = True

    def close(self) -> None:
        self.is_open = False


class FakeLoop(Loop):
    """A loop that makes connections and tells their lane of events; no kernel knows of it."""

    def __init__(self, wrap: Callable[[FakeConnection], Connection] = lambda raw: raw) -> None:
        self.handlers: dict[int, Callable[[int], None]] = {}
        self.connections: list[FakeConnection] = []
        self.prepared: list[FakeConnection] = []
        """The next to be made, where it matters what they do at once."""
        self.lingering: list[object] = []
        self._wrap = wrap

    def connect(self) -> Connection:
        number = 7 + len(self.connections)
        raw = self.prepared.pop(0) if self.prepared else FakeConnection(number)
        self.connections.append(raw)
        return self._wrap(raw)

    def add(self, fd: int, handler: Callable[[int], None], *, mask: int = 0) -> None:
        del mask
        self.handlers[fd] = handler

    def modify(self, fd: object, eventmask: int) -> None:
        del fd, eventmask

    def linger(self, connection: object) -> None:
        self.lingering.append(connection)

    def tell(self, connection: FakeConnection, mask: int) -> None:
        """Have the lane of a connection handle an event."""
        if connection.fd in self.handlers:
            self.handlers[connection.fd](mask)

    def receive(self, connection: FakeConnection, *pieces: bytes) -> None:
        connection.unread.extend(pieces)
        self.tell(connection, READABLE)
