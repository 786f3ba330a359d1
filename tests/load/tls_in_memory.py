"""The server's end of an encrypted connection whose wire is a fake one."""

import contextlib
import ssl
from pathlib import Path

from servelab import load
from servelab.load.tls import HTTP1, TlsConnection, new_context

from .fake_connections import FakeConnection

CERTIFICATE = Path(load.__file__).with_name("null_server.pem")


class TlsPeer:
    """Encrypts what the client is to receive, and reads what it sent."""

    def __init__(self, raw: FakeConnection) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._raw = raw

    def shake_hands(self, connection: TlsConnection) -> None:
        """Go through the handshake with a client, to its end on both sides."""
        while not connection.shake_hands():
            self._take()
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
            self._raw.unread.append(self._outgoing.read())
        self._take()
        self._tls.do_handshake()
        self.send(b"")

    def send(self, content: bytes) -> None:
        """Let so much lie ready for the client."""
        if content:
            self._tls.write(content)
        encrypted = self._outgoing.read()
        if encrypted:
            self._raw.unread.append(encrypted)

    def received(self) -> bytes:
        """Return what has come from the client since the last time."""
        self._take()
        received = b""
        while True:
            try:
                received += self._tls.read(1 << 20)
            except ssl.SSLWantReadError:
                return received

    def _take(self) -> None:
        self._incoming.write(b"".join(self._raw.sent))
        self._raw.sent.clear()


def encrypted(raw: FakeConnection) -> TlsConnection:
    """Return the client's end over a fake wire."""
    context = new_context(authorities=None, verifies=False, protocol=HTTP1)
    return TlsConnection(raw, context, server_name="localhost")
