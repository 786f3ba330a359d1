"""A server that does one wrong thing, and keeps books of its own."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from servelab.load import http2
from servelab.model.address import Address

Behaviour = Callable[["Connection", bytes], bool]
"""Answers the request of a nonce; tells whether the connection goes on."""


class Connection:
    """The server's end of a connection."""

    def __init__(self, raw: socket.socket, number: int, stopped: threading.Event) -> None:
        self.raw = raw
        self.number = number
        self.stopped = stopped
        self.requests = 0
        self.method = ""
        """Of the request that was read last."""

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.raw.sendall(piece)

    def reset(self) -> None:
        """Close with a reset."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def read_request(self) -> bytes | None:
        """Return the nonce of the next request; None at the end of the connection."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.raw.recv(1)
            if not byte:
                return None
            head += byte
        lines = head.decode().split("\r\n")
        self.method = lines[0].partition(" ")[0]
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        left = int(headers.get("content-length", 0))
        while left:
            left -= len(self.raw.recv(min(left, 1 << 20)))
        return headers["x-servelab-nonce"].encode()


class Http2Connection(Connection):
    """The server's end of an HTTP/2 connection, one call at a time."""

    settings: tuple[tuple[int, int], ...] = ()
    stream = 0
    """Of the call that was read last."""
    _unread = b""
    _has_begun = False

    def read_exactly(self, length: int) -> bytes:
        while len(self._unread) < length:
            piece = self.raw.recv(65536)
            if not piece:
                raise OSError("the client has closed")
            self._unread += piece
        taken, self._unread = self._unread[:length], self._unread[length:]
        return taken

    def read_request(self) -> bytes | None:
        if not self._has_begun:
            self.read_exactly(24)
            self.send(http2.settings(self.settings))
            self._has_begun = True
        content = b""
        while True:
            length_and_kind, flags, stream = http2.FRAME_HEAD.unpack(self.read_exactly(9))
            payload = self.read_exactly(length_and_kind >> 8)
            if length_and_kind & 0xFF != http2.DATA:
                continue
            content += payload
            if flags & http2.END_STREAM:
                self.stream = stream
                return content[7:23]

    def send_head(self, *fields: tuple[str, str], flags: int = 0) -> None:
        block = http2.encode_headers(fields)
        flags |= http2.END_HEADERS
        self.send(http2.frame(http2.HEADERS, flags=flags, stream=self.stream, payload=block))

    def send_message(self, message: bytes, *, flags: int = 0) -> None:
        content = b"\0" + len(message).to_bytes(4, "big") + message
        self.send(http2.frame(http2.DATA, flags=flags, stream=self.stream, payload=content))

    def send_trailers(self, status: str = "0") -> None:
        self.send_head(("grpc-status", status), flags=http2.END_STREAM)


HEAD = ((":status", "200"), ("content-type", "application/grpc"))


class FaultServer:
    """Counts what reached it and what it answered to the end."""

    def __init__(
        self,
        behaviour: Behaviour,
        connection_type: type["Connection"],
        *,
        backlog: int = 512,
        accepts_once: Callable[[], bool] = lambda: True,
    ) -> None:
        self._behaviour = behaviour
        self._connection_type = connection_type
        self._accepts_once = accepts_once
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.connections = 0
        self.received: list[bytes] = []
        self.answered = 0

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self._listener.getsockname()[1])

    def run(self) -> None:
        while not (self._accepts_once() or self._stopped.wait(0.01)):
            pass
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open.add(raw)
                connection = self._connection_type(raw, self.connections, self._stopped)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]

    def stop_listening(self) -> None:
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def stop(self) -> None:
        """End every connection, once nothing listens any more."""
        self._stopped.set()
        with self._lock:
            still_open = list(self._open)
        for raw in still_open:
            try:
                raw.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(10)

    def _serve(self, connection: Connection) -> None:
        try:
            goes_on = True
            while goes_on:
                nonce = connection.read_request()
                if nonce is None:
                    break
                connection.requests += 1
                with self._lock:
                    self.received.append(nonce)
                goes_on = self._behaviour(connection, nonce)
                with self._lock:
                    self.answered += 1
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection.raw)
            connection.raw.close()


@contextmanager
def serving(
    behaviour: Behaviour,
    connection_type: type[Connection] = Connection,
    *,
    backlog: int = 512,
    accepts_once: Callable[[], bool] = lambda: True,
) -> Iterator[FaultServer]:
    server = FaultServer(behaviour, connection_type, backlog=backlog, accepts_once=accepts_once)
    acceptor = threading.Thread(target=server.run, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        server.stop_listening()
        server._stopped.set()
        acceptor.join(10)
        server.stop()


def answer(nonce: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(nonce)}\r\n\r\n".encode() + nonce


def right(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce))
    return True
