"""What carries requests: a lane is a caller's HTTP/1.1 connection, or a gRPC channel."""

import errno
import os
import socket
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from servelab.model.outcome import Outcome

READ_BYTES = 64 * 1024


class Lane(Protocol):
    """Carries requests to the server and settles each of them in the ledger exactly once."""

    def start(self, planned_ns: int, taken_up_ns: int, now_ns: int) -> None:
        """Carry a request that was planned for one moment and taken up at another, from now on."""

    def expire(self, now_ns: int) -> int:
        """Settle as timeouts what is past its deadline; return when to look again."""

    def abandon(self, now_ns: int) -> None:
        """Settle as abandoned what is in flight, and close."""


class Dispatch(Protocol):
    """Decides what a lane does next; told by the lane after each settled request."""

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is in flight and nothing will be."""

    def begin(self, now_ns: int) -> None:
        """Start the load."""

    def free(self, lane: Lane, finished_ns: int) -> None:
        """Take back a lane whose request came to its end."""

    def renew(self, lane: Lane, number: int, finished_ns: int) -> int:
        """Take back a lane of several requests that ended together.

        Return how many new ones the lane is to start, planned for that very moment; those that
        start later or elsewhere are the dispatch's own business.
        """

    def pause(self, lane: Lane, finished_ns: int) -> None:
        """Take back a lane whose request never reached the server; do not start one at once."""

    def expire(self, now_ns: int) -> None:
        """Settle as timeouts what waits for a lane past its deadline."""


class Connection(Protocol):
    """What lanes use of a socket that never waits, or of what stands in its place."""

    def fileno(self) -> int:
        """Return its descriptor, to be watched."""

    def send(self, content: bytes | memoryview, /) -> int:
        """Send what there is room for; BlockingIOError where there is none, OSError."""

    def recv(self, size: int, /) -> bytes:
        """Receive what has come; BlockingIOError where nothing has, OSError."""

    def getsockopt(self, level: int, option: int, /) -> int:
        """Return an option."""

    def getsockname(self) -> Any:
        """Return its own address."""

    def shutdown(self, how: int, /) -> None:
        """Send no more; OSError."""

    def close(self) -> None:
        """Give it back."""


class Connector(Protocol):
    """Makes connections to one server."""

    def connect(self) -> Connection:
        """Begin to connect without waiting; OSError where that fails at once."""
        ...


class TlsFailure(OSError):  # noqa: N818 - named for what it is; it never leaves the generator
    """What is wrong with an encrypted connection, in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EPROTO, reason)


class Reuse(Enum):
    """What becomes of a connection after its answer."""

    KEEP = auto()
    CLOSE = auto()


class Sends(Enum):
    """How requests go out, which decides whether Nagle's algorithm must be off."""

    WHOLE = auto()
    """One segment each, and the next only after the answer: there is nothing to hold back."""
    IN_PIECES = auto()


@dataclass(frozen=True, slots=True)
class Target:
    """Where the connections go, resolved."""

    host: str
    port: int
    sends: Sends = Sends.IN_PIECES

    def connect(self) -> Connection:
        """Begin to connect without waiting; OSError where that fails at once."""
        # The type below socket.socket: making one takes half of the time.
        connection = socket.SocketType(_FAMILY[":" in self.host], _NEVER_WAITING)
        if self.sends is Sends.IN_PIECES:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = connection.connect_ex((self.host, self.port))
        if error not in _CONNECT_BEGUN:
            connection.close()
            raise OSError(error, os.strerror(error))
        return connection


_FAMILY = {False: int(socket.AF_INET), True: int(socket.AF_INET6)}
_NEVER_WAITING = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
_CONNECT_BEGUN = frozenset({0, errno.EINPROGRESS})
_REFUSED = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES})
_RESET = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN})


def class_of_error(error: OSError) -> Outcome:
    """Return the outcome class of a socket's error; what is nobody else's fault is the client's."""
    if isinstance(error, TlsFailure):
        return Outcome.TLS_ERROR
    if error.errno in _REFUSED:
        return Outcome.REFUSED
    if error.errno in _RESET:
        return Outcome.RESET
    if error.errno == errno.ETIMEDOUT:
        return Outcome.TIMEOUT
    return Outcome.CLIENT_RESOURCE


def pending_error(connection: Connection) -> OSError | None:
    """Return the error that a socket holds ready, such as a refused connect."""
    number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return OSError(number, os.strerror(number)) if number else None
