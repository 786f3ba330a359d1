"""Encrypted connections: TLS between a socket that never waits and a lane that need not know."""

import contextlib
import ssl
from dataclasses import dataclass
from typing import Any

from servelab.load.http1_lane import Http1Lane
from servelab.load.http1_mix import HeadMixLane
from servelab.load.lane import READ_BYTES, Connection, Target, TlsFailure, class_of_error

HTTP1, HTTP2 = "http/1.1", "h2"
"""What a client can say that it speaks (ALPN, RFC 7301)."""


def new_context(*, authorities: str | None, verifies: bool, protocol: str) -> ssl.SSLContext:
    """Return a context for all connections of a run; OSError where the authorities are none."""
    context = ssl.create_default_context(cafile=authorities)
    if not verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


@dataclass(frozen=True, slots=True)
class TlsTarget:
    """A target whose connections are encrypted; each makes a whole handshake."""

    plain: Target
    context: ssl.SSLContext
    server_name: str

    def connect(self) -> Connection:
        """Begin to connect without waiting; OSError where that fails at once."""
        return TlsConnection(self.plain.connect(), self.context, server_name=self.server_name)


class TlsConnection:
    """Stands in a socket's place: plain bytes here, encrypted ones there."""

    def __init__(self, raw: Connection, context: ssl.SSLContext, *, server_name: str) -> None:
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._is_made = False
        self._unsent = b""
        self._accepted = 0
        self._failure: tuple[Any, ...] = ()
        """What an error consists of that is yet to be told (an exception kept would be a cycle)."""
        self.fileno = raw.fileno
        self.getsockopt = raw.getsockopt
        self.shutdown = raw.shutdown

    def getsockname(self) -> Any:
        """Return its own address."""
        return self._raw.getsockname()

    def shake_hands(self) -> bool:
        """Go on with the handshake; tell whether it is over; TlsFailure, OSError."""
        while not self._is_made:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                if not self._fill():
                    return False
            except ssl.SSLError as error:
                with contextlib.suppress(OSError):
                    self._flush()  # the alert that tells the server why
                raise TlsFailure(_reason(error)) from None
            else:
                self._is_made = True
                self._flush()
        return True

    def send(self, content: bytes | memoryview, /) -> int:
        """Send all, or nothing yet: BlockingIOError; then offer the same bytes again."""
        if not self.shake_hands():
            raise BlockingIOError
        if not self._accepted:
            self._accepted = self._tls.write(content)
        self._flush()
        if self._unsent:
            raise BlockingIOError
        sent, self._accepted = self._accepted, 0
        return sent

    def recv(self, size: int, /) -> bytes:  # noqa: C901 - on the path of every answer, in one piece
        """Receive about so much of what has come; BlockingIOError where nothing has, OSError."""
        if not self.shake_hands():
            raise BlockingIOError
        received = b""
        try:
            while len(received) < size:
                try:
                    piece = self._tls.read(size)
                except ssl.SSLWantReadError:
                    if not self._fill():
                        break
                    continue
                except ssl.SSLEOFError:
                    piece = b""  # closed without a word; the framing tells what is missing
                except ssl.SSLError as error:
                    raise TlsFailure(_reason(error)) from None
                if not piece:
                    return self._at_end(received)
                received += piece
            self._flush()
        except OSError as error:
            if not received or isinstance(error, TlsFailure):
                raise
            # What came before the connection broke is received first.
            self._failure = error.args
        if not received:
            raise BlockingIOError
        return received

    def close(self) -> None:
        """Give it back; what the server said last is read, so that it gets no reset."""
        with contextlib.suppress(OSError):
            self._raw.recv(READ_BYTES)
        self._raw.close()

    def _at_end(self, received: bytes) -> bytes:
        """Return what came last; at the end of all, OSError where the connection broke."""
        if self._failure and not received:
            raise OSError(*self._failure)
        return received

    def _fill(self) -> bool:
        """Take what has come; tell whether anything has."""
        try:
            received = self._raw.recv(READ_BYTES)
        except BlockingIOError:
            return False
        if received:
            self._incoming.write(received)
        else:
            self._incoming.write_eof()
        return True

    def _flush(self) -> None:
        """Send what there is room for; the rest goes first next time."""
        unsent = self._unsent + self._outgoing.read()
        if unsent:
            with contextlib.suppress(BlockingIOError):
                unsent = unsent[self._raw.send(unsent) :]
            self._unsent = unsent


class TlsLane(Http1Lane):
    """A lane whose connections are ready once both sides have shaken hands."""

    __slots__ = ()

    def _is_usable(self, connection: Connection) -> bool:
        assert isinstance(connection, TlsConnection)  # noqa: S101 - its target makes no others
        try:
            return connection.shake_hands()
        except OSError as error:
            self._fail(class_of_error(error), f"TLS: {error.strerror}")
            return False


class TlsHeadMixLane(HeadMixLane, TlsLane):
    """The same of a mix with HEAD and others."""

    __slots__ = ()


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    return f"{error.reason or error.strerror or error}".lower().replace("_", " ")
