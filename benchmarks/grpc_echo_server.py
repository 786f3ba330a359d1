"""A gRPC server that sends each message back: PORT.

As little between the bytes as can be, so that a generator and not its target is what limits: header
blocks are neither decoded nor encoded, because every call is answered alike. It knows HTTP/2 as far
as generators make use of it.
"""

import select
import socket
import sys
from collections import deque
from struct import Struct

DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
_FRAME = Struct(">IBI")
_FRAME_LENGTH = _FRAME.size
_PREFACE_LENGTH = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_FIRST_WINDOW = 65535
_WINDOW = 2**30
_READ_BYTES = 256 * 1024
_EVENTS = 512

_FORGET_TABLE = b"\x20"
"""HPACK: a table of size 0, as some generators ask for."""
_HEAD = b"\x88" + b"\x0f\x10\x10application/grpc"
"""HPACK: ``:status: 200`` and ``content-type``, the latter as a literal."""
_TRAILERS = b"\x00\x0bgrpc-status\x010"


def frame(kind: int, *, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return _FRAME.pack(len(payload) << 8 | kind, flags, stream) + payload


def _update(increment: int) -> bytes:
    return frame(WINDOW_UPDATE, payload=increment.to_bytes(4, "big"))


class Connection:
    """One HTTP/2 connection."""

    def __init__(self, made: socket.socket) -> None:
        self.socket = made
        self.is_blocked = False
        self._unread = b""
        self._has_begun = False
        self._begun: dict[int, bytes] = {}
        self._taken = 0
        self._window = _FIRST_WINDOW
        self._held: deque[tuple[int, bytes]] = deque()
        self._block = _FORGET_TABLE + _HEAD
        self._out = [frame(SETTINGS), _update(_WINDOW - _FIRST_WINDOW)]

    def receive(self) -> bool:
        """Take what has come and answer it; False where the peer has closed."""
        try:
            received = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        unread, position = self._unread + received, 0
        if not self._has_begun and len(unread) >= _PREFACE_LENGTH:
            self._has_begun, position = True, _PREFACE_LENGTH
        last = len(unread) - _FRAME_LENGTH
        while self._has_begun and position <= last:
            mixed, flags, stream = _FRAME.unpack_from(unread, position)
            start = position + _FRAME_LENGTH
            end = start + (mixed >> 8)
            if end > len(unread):
                break
            kind = mixed & 0xFF
            if kind != HEADERS:
                self._take(kind, flags, stream, unread[start:end])
            position = end
        self._unread = unread[position:]
        return bool(received)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self._take_message(flags, stream, payload)
        elif kind == SETTINGS and not flags & ACK:
            self._out.append(frame(SETTINGS, flags=ACK))
        elif kind == PING and not flags & ACK:
            self._out.append(frame(PING, flags=ACK, payload=payload))
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
            while self._held and len(self._held[0][1]) <= self._window:
                self._answer(*self._held.popleft())

    def _take_message(self, flags: int, stream: int, payload: bytes) -> None:
        self._taken += len(payload)
        if self._taken > _WINDOW // 2:
            self._out.append(_update(self._taken))
            self._taken = 0
        if self._begun:
            payload = self._begun.pop(stream, b"") + payload
        if not flags & END_STREAM:
            self._begun[stream] = payload
        elif len(payload) > self._window or self._held:
            self._held.append((stream, payload))
        else:
            self._answer(stream, payload)

    def _answer(self, stream: int, message: bytes) -> None:
        self._window -= len(message)
        block, self._block = self._block, _HEAD
        self._out += (
            _FRAME.pack(len(block) << 8 | HEADERS, END_HEADERS, stream),
            block,
            _FRAME.pack(len(message) << 8 | DATA, 0, stream),
            message,
            _FRAME.pack(len(_TRAILERS) << 8 | HEADERS, END_HEADERS | END_STREAM, stream),
            _TRAILERS,
        )

    def send(self) -> None:
        """Send what can be sent."""
        out = b"".join(self._out)
        try:
            sent = self.socket.send(out) if out else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(out)  # the peer is gone, which its socket will tell
        self._out = [out[sent:]] if sent < len(out) else []
        self.is_blocked = bool(self._out)


def serve(port: int) -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    epoll = select.epoll()
    epoll.register(listener.fileno(), select.EPOLLIN)
    connections: dict[int, Connection] = {}
    while True:
        for fd, _ in epoll.poll(-1, _EVENTS):
            if fd == listener.fileno():
                made, _ = listener.accept()
                made.settimeout(0)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[made.fileno()] = Connection(made)
                epoll.register(made.fileno(), select.EPOLLIN)
                continue
            connection = connections[fd]
            if not connection.receive():
                del connections[fd]
                connection.socket.close()
                continue
            was_blocked = connection.is_blocked
            connection.send()
            if connection.is_blocked != was_blocked:
                more = select.EPOLLOUT if connection.is_blocked else 0
                epoll.modify(fd, select.EPOLLIN | more)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
