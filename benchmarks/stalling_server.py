"""A server with a known service time: PORT SERVICE LOG.

It answers each request with its nonce when its service ends, keeps connections, and writes to the
log, when it is told to end by SIGTERM, one line a request: nonce, moment of its arrival, moment of
its answer, in nanoseconds of the monotonic clock, which all processes of a machine share.

It spins while anything is in service: a core of its own makes it exact to some microseconds. No
code of servelab's is in it, so that the two cannot err together.
"""

import heapq
import select
import signal
import socket
import sys
import time
from itertools import count
from pathlib import Path
from types import FrameType

from load_generator.services import Service, service

_HEADER = b"x-servelab-nonce:"
_NO_NONCE = b"0" * 16
_IDLE_WAIT_S = 0.1
_EVENTS = 512
_ANSWER = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 16\r\n\r\n"


class Server:
    """One epoll loop, one heap of requests in service."""

    def __init__(self, *, port: int, service: Service) -> None:
        self._service = service
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.settimeout(0)
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._connections: dict[int, tuple[socket.socket, bytearray]] = {}
        self._in_service: list[tuple[int, int, int, bytes, socket.socket]] = []
        self._numbers = count()
        self._is_told_to_end = False
        self.log: list[tuple[bytes, int, int]] = []

    def end(self, _signal: int, _frame: FrameType | None) -> None:
        """End soon."""
        self._is_told_to_end = True

    def run(self) -> None:
        """Serve until told to end."""
        listener = self._listener.fileno()
        while not self._is_told_to_end:
            for fd, _ in self._epoll.poll(0 if self._in_service else _IDLE_WAIT_S, _EVENTS):
                if fd == listener:
                    self._accept()
                else:
                    self._receive(fd)
            while self._in_service and self._in_service[0][0] <= time.monotonic_ns():
                self._answer()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            connection.settimeout(0)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[connection.fileno()] = connection, bytearray()
            self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _receive(self, fd: int) -> None:
        connection, unread = self._connections[fd]
        try:
            received = connection.recv(65536)
        except OSError:
            received = b""
        received_ns = time.monotonic_ns()
        if not received:
            del self._connections[fd]
            connection.close()
            return
        unread += received
        while (end := unread.find(b"\r\n\r\n")) >= 0:
            nonce = nonce_of(bytes(unread[:end]))
            del unread[: end + 4]
            finish_ns = self._service.finish_ns(received_ns)
            number = next(self._numbers)
            heapq.heappush(self._in_service, (finish_ns, number, received_ns, nonce, connection))

    def _answer(self) -> None:
        _, _, received_ns, nonce, connection = heapq.heappop(self._in_service)
        if connection.fileno() < 0:
            return
        # The moment before it is sent: what the kernel takes to carry it counts as the client's.
        finished_ns = time.monotonic_ns()
        try:
            connection.send(_ANSWER + nonce)
        except OSError:
            return
        self.log.append((nonce, received_ns, finished_ns))


def nonce_of(head: bytes) -> bytes:
    """Return the nonce of a request's head."""
    start = head.lower().find(_HEADER)
    if start < 0:
        return _NO_NONCE
    return head[start + len(_HEADER) :].split(b"\r\n", 1)[0].strip()


def main(port: str, name: str, log: str) -> None:
    """Serve, then write the log."""
    server = Server(port=int(port), service=service(name, start_ns=time.monotonic_ns()))
    signal.signal(signal.SIGTERM, server.end)
    server.run()
    lines = (f"{nonce.decode()} {came} {went}\n" for nonce, came, went in server.log)
    Path(log).write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
