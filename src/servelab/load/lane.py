"""What carries requests: a lane is a caller's HTTP/1.1 connection, or a gRPC channel."""

import errno
import os
import socket
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from servelab.model.outcome import Outcome

READ_BYTES = 64 * 1024


class Lane(Protocol):
    """Carries requests to the server and settles each of them in the ledger exactly once."""

    def start(self, planned_ns: int, taken_up_ns: int) -> None:
        """Carry a request that was planned for one moment and taken up at another."""

    def expire(self, now_ns: int) -> None:
        """Settle as timeouts what is past its deadline."""

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

    def pause(self, lane: Lane, finished_ns: int) -> None:
        """Take back a lane whose request never reached the server; do not start one at once."""

    def expire(self, now_ns: int) -> None:
        """Settle as timeouts what waits for a lane past its deadline."""

    def stop(self) -> int:
        """Start nothing more; return how many requests were never started, without a record."""


class Reuse(Enum):
    """What becomes of a connection after its answer."""

    KEEP = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True)
class Target:
    """Where the connections go, resolved."""

    host: str
    port: int

    def connect(self) -> socket.socket:
        """Begin to connect without waiting; OSError where that fails at once."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        connection = socket.socket(
            family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = connection.connect_ex((self.host, self.port))
        if error not in _CONNECT_BEGUN:
            connection.close()
            raise OSError(error, os.strerror(error))
        return connection


_CONNECT_BEGUN = frozenset({0, errno.EINPROGRESS})
_REFUSED = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES})
_RESET = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN})


def class_of_error(error: OSError) -> Outcome:
    """Return the outcome class of a socket's error; what is nobody else's fault is the client's."""
    if error.errno in _REFUSED:
        return Outcome.REFUSED
    if error.errno in _RESET:
        return Outcome.RESET
    if error.errno == errno.ETIMEDOUT:
        return Outcome.TIMEOUT
    return Outcome.CLIENT_RESOURCE


def pending_error(connection: socket.socket) -> OSError | None:
    """Return the error that a socket holds ready, such as a refused connect."""
    number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return OSError(number, os.strerror(number)) if number else None
