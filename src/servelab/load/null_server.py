"""A server that does nothing but echo the nonce, as cheaply as Python can: the generator's limit.

``python null_server.py --host 127.0.0.1 --port 8000 [--protocol http|grpc] [--certificate FILE]``

Nothing of servelab is imported. It answers what servelab's own generator sends, not every client.
"""

import argparse
import resource
import select
import socket
import ssl
import struct
from collections.abc import Callable

_READ_BYTES = 65536
_BACKLOG = 4096
_EVENTS = 512
_NONCE_WIDTH = 16

Raw = socket.socket | ssl.SSLSocket
Answer = Callable[[bytes], tuple[bytes, bytes, bool]]
"""From the bytes at hand to those to send, those that are incomplete, and whether to close."""

# ---- HTTP/1.1

_NONCE = b"\r\nx-servelab-nonce: "
_KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n"
_CLOSED = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "


class HttpAnswers:
    """Answers the requests of one connection."""

    def __call__(self, received: bytes) -> tuple[bytes, bytes, bool]:
        """Answer one request after another."""
        end = received.find(b"\r\n\r\n") + 4
        if end == len(received):
            # The common case: one request, whole, without a body.
            at = received.find(_NONCE) + len(_NONCE)
            if b"\r\nConnection: close" in received:
                return _CLOSED + received[at : at + _NONCE_WIDTH], b"", True
            return _KEPT + received[at : at + _NONCE_WIDTH], b"", False
        out = b""
        closes = False
        while not closes and (end := received.find(b"\r\n\r\n") + 4) > 3:  # noqa: PLR2004
            head = received[:end]
            whole = end + _body_length(head)
            if len(received) < whole:
                break
            at = head.find(_NONCE) + len(_NONCE)
            closes = b"\r\nConnection: close" in head
            out += (_CLOSED if closes else _KEPT) + head[at : at + _NONCE_WIDTH]
            received = received[whole:]
        return out, received, closes


def _body_length(head: bytes) -> int:
    at = head.lower().find(_LENGTH)
    return int(head[at + len(_LENGTH) :].split(b"\r", 1)[0]) if at >= 0 else 0


# ---- gRPC, as far as HTTP/2 needs to be known for it

_FRAME = struct.Struct(">IBI")
_FRAME_HEAD_LENGTH = 9
_DATA, _HEADERS, _SETTINGS, _WINDOW_UPDATE = 0, 1, 4, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_PREFACE_LENGTH = 24
_LARGEST_WINDOW = 2**31 - 1
_FIRST_WINDOW = 65535


def _frame_head(length: int, kind: int, flags: int) -> bytes:
    return _FRAME.pack(length << 8 | kind, flags, 0)[:5]


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


_HEAD = b"\x88" + _literal(b"content-type", b"application/grpc")
_TRAILERS = _literal(b"grpc-status", b"0")
_HEAD_BEFORE = _frame_head(len(_HEAD), _HEADERS, _END_HEADERS)
_DATA_BEFORE = _HEAD, _frame_head(5 + _NONCE_WIDTH, _DATA, 0)
_MESSAGE_HEAD = b"\0" + _NONCE_WIDTH.to_bytes(4, "big")
_TRAILERS_BEFORE = _frame_head(len(_TRAILERS), _HEADERS, _END_HEADERS | _END_STREAM)


_GREETING = (
    _FRAME.pack(_SETTINGS, 0, 0)
    + _FRAME.pack(4 << 8 | _WINDOW_UPDATE, 0, 0)
    + (_LARGEST_WINDOW - _FIRST_WINDOW).to_bytes(4, "big")
)


class GrpcAnswers:
    """Answers the calls of one connection; the nonce is field 1 of the message, or its metadata."""

    def __init__(self) -> None:
        self._has_begun = False
        self._taken = 0
        self._nonces: dict[int, bytes] = {}

    def __call__(self, received: bytes) -> tuple[bytes, bytes, bool]:
        """Answer each call whose last frame has come."""
        position, end = 0, len(received)
        out = []
        if not self._has_begun:
            if end < _PREFACE_LENGTH:
                return b"", received, False
            position = _PREFACE_LENGTH
            self._has_begun = True
            out.append(_GREETING)
        while end - position >= _FRAME_HEAD_LENGTH:
            length_and_kind, flags, stream = _FRAME.unpack_from(received, position)
            start = position + _FRAME_HEAD_LENGTH
            if start + (length_and_kind >> 8) > end:
                break
            position = start + (length_and_kind >> 8)
            kind = length_and_kind & 0xFF
            if kind == _DATA:
                self._taken += length_and_kind >> 8
                if flags & _END_STREAM:
                    nonce = self._nonces.pop(stream, b"") or received[start + 7 : start + 23]
                    out.append(_grpc_answer(stream.to_bytes(4, "big"), nonce))
            elif kind == _HEADERS:
                at = received.find(b"x-servelab-nonce\x10", start, position)
                if at >= 0:
                    self._nonces[stream] = received[at + 17 : at + 33]
            elif kind == _SETTINGS and not flags & _ACK:
                out.append(_FRAME.pack(_SETTINGS, _ACK, 0))
        out.append(self._window_update())
        return b"".join(out), received[position:], False

    def _window_update(self) -> bytes:
        """Return what lets the client send on, where it is time for it."""
        if self._taken < _LARGEST_WINDOW // 2:
            return b""
        taken, self._taken = self._taken, 0
        return _FRAME.pack(4 << 8 | _WINDOW_UPDATE, 0, 0) + taken.to_bytes(4, "big")


def _grpc_answer(stream: bytes, nonce: bytes) -> bytes:
    head, data_before = _DATA_BEFORE
    return b"".join((_HEAD_BEFORE, stream, head, data_before, stream, _MESSAGE_HEAD, nonce)) + (
        _TRAILERS_BEFORE + stream + _TRAILERS
    )


# ---- the loop

PROTOCOLS: dict[str, Callable[[], HttpAnswers | GrpcAnswers]] = {
    "http": HttpAnswers,
    "grpc": GrpcAnswers,
}


class Peer:
    """One client's connection."""

    __slots__ = ("answer", "raw", "recv", "rest", "send")

    def __init__(self, raw: Raw, answer: HttpAnswers | GrpcAnswers) -> None:
        self.raw = raw
        self.recv, self.send = raw.recv, raw.send
        self.answer = answer
        self.rest = b""

    def serve(self) -> bool:
        """Answer what has come; tell whether the connection goes on."""
        try:
            received = self.recv(_READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        if not received:
            return False
        out, self.rest, closes = self.answer(self.rest + received if self.rest else received)
        if out:
            try:
                # An answer is small and its client waits for it: there is always room.
                self.send(out)
            except OSError:
                return False
        return not closes


class NullServer:
    """Serves one listener for ever."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        new_answers: Callable[[], HttpAnswers | GrpcAnswers],
        context: ssl.SSLContext | None,
    ) -> None:
        listener.settimeout(0)
        self._listener = listener
        self._new_answers = new_answers
        self._context = context
        self._epoll = select.epoll()
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        self._peers: dict[int, Peer] = {}

    def run(self) -> None:
        """Serve."""
        poll, peers, listener = self._epoll.poll, self._peers, self._listener.fileno()
        while True:
            for fd, _ in poll(-1, _EVENTS):
                if fd == listener:
                    self._accept()
                elif not peers[fd].serve():
                    peers.pop(fd).raw.close()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            raw.settimeout(0)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._welcome(raw)

    def _welcome(self, plain: socket.socket) -> None:
        raw: Raw = plain
        if self._context is not None:
            # Reading goes on with the handshake by itself.
            raw = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        peer = Peer(raw, self._new_answers())
        # A fresh connection's request is often here by now: then it need not be watched at all.
        if not peer.serve():
            raw.close()
            return
        # TLS gives one record at a time: the kernel must tell again of what is left.
        once = select.EPOLLET if self._context is None else 0
        self._epoll.register(raw.fileno(), select.EPOLLIN | once)
        self._peers[raw.fileno()] = peer


def main() -> None:
    """Listen and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--protocol", choices=PROTOCOLS, default="http")
    parser.add_argument("--certificate")
    options = parser.parse_args()
    context = None
    if options.certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    listener = socket.create_server((options.host, options.port), backlog=_BACKLOG)
    NullServer(listener, new_answers=PROTOCOLS[options.protocol], context=context).run()


if __name__ == "__main__":
    main()
