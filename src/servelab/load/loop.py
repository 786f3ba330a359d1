"""Waits: one epoll, one timer; handlers by file descriptor."""

import heapq
import select
import socket
import time
from collections.abc import Callable
from itertools import count

from servelab.load.timerfd import Timer

Handler = Callable[[int], None]
"""Called with the epoll mask."""

READABLE = select.EPOLLIN | select.EPOLLRDHUP
WRITABLE = select.EPOLLOUT
PEER_CLOSED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_EVENTS = 512
_LINGER_NS = 1_000_000_000
_MOST_LINGERING = 1000


class Loop:
    """A single-threaded event loop with as little between kernel and handler as can be."""

    def __init__(self, *, tick_ns: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._epoll = select.epoll()
        self.handlers: dict[int, Handler] = {}
        self.modify = self._epoll.modify
        self.clock = clock
        self._tick_ns = tick_ns
        self._timer = Timer()
        self._rings_ns: int | None = None
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._number = count()
        self._lingering: dict[socket.socket, int] = {}
        self.add(self._timer.fd, self._ring, mask=select.EPOLLIN)

    def add(self, fd: int, handler: Handler, *, mask: int = READABLE) -> None:
        """Watch a descriptor."""
        self._epoll.register(fd, mask)
        self.handlers[fd] = handler

    def remove(self, fd: int) -> None:
        """Forget a descriptor that is about to be closed (which takes it out of the epoll)."""
        self.handlers.pop(fd, None)

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> None:
        """Call back once, as soon after a moment as the kernel allows."""
        heapq.heappush(self._due, (when_ns, next(self._number), callback))
        self._arm()

    def linger(self, connection: socket.socket) -> None:
        """Wait a second for the server to close first, so that its side keeps the TIME_WAIT."""
        if len(self._lingering) >= _MOST_LINGERING:
            self._let_go(next(iter(self._lingering)))
        self._lingering[connection] = self.clock() + _LINGER_NS
        self.handlers[connection.fileno()] = lambda _mask: self._let_go(connection)

    def run(self, *, is_over: Callable[[], bool], tick: Callable[[int], None]) -> None:
        """Serve events until ``is_over``; call ``tick(now_ns)`` every so often."""
        poll, handlers, clock = self._epoll.poll, self.handlers, self.clock
        next_tick_ns = clock()
        while not is_over():
            wait_s = max(0.0, (next_tick_ns - clock()) / 1e9)
            for fd, mask in poll(wait_s, _EVENTS):
                handler = handlers.get(fd)
                if handler is not None:
                    handler(mask)
            now_ns = clock()
            if now_ns >= next_tick_ns:
                next_tick_ns = now_ns + self._tick_ns
                self._end_lingering(now_ns)
                tick(now_ns)

    def close(self) -> None:
        """Give back every descriptor that is the loop's own."""
        for connection in list(self._lingering):
            self._let_go(connection)
        self._timer.close()
        self._epoll.close()

    def _ring(self, _mask: int) -> None:
        self._timer.acknowledge()
        self._rings_ns = None
        while self._due and self._due[0][0] <= self.clock():
            heapq.heappop(self._due)[2]()
        self._arm()

    def _arm(self) -> None:
        if self._due and (self._rings_ns is None or self._due[0][0] < self._rings_ns):
            self._rings_ns = self._due[0][0]
            self._timer.set(self._rings_ns)

    def _let_go(self, connection: socket.socket) -> None:
        del self._lingering[connection]
        self.remove(connection.fileno())
        connection.close()

    def _end_lingering(self, now_ns: int) -> None:
        for connection, until_ns in list(self._lingering.items()):
            if until_ns > now_ns:
                return
            self._let_go(connection)
