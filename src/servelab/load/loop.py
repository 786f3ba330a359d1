"""Waits: one epoll, one timer; handlers by file descriptor."""

import heapq
import select
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Protocol

from servelab.load.timerfd import Timer

Handler = Callable[[int], None]
"""Called with the epoll mask."""

READABLE = select.EPOLLIN | select.EPOLLRDHUP
WRITABLE = select.EPOLLOUT
PEER_CLOSED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
EVENTS = 512
_LINGER_NS = 1_000_000_000
_MOST_LINGERING = 1000
RINGING = -1
"""Before every moment: while callbacks run, none of them sets the timer."""


class Watched(Protocol):
    """A connection, as far as a loop must know it."""

    def fileno(self) -> int:
        """Return its descriptor; -1 once it is closed."""

    def close(self) -> None:
        """Give it back."""


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
        self._lingering: dict[Watched, int] = {}
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

    def linger(self, connection: Watched) -> None:
        """Wait a second for the server to close first, so that its side keeps the TIME_WAIT."""
        if len(self._lingering) >= _MOST_LINGERING:
            self._let_go(next(iter(self._lingering)))
        self._lingering[connection] = self.clock() + _LINGER_NS
        self.handlers[connection.fileno()] = partial(self._let_go, connection)

    def run(self, *, is_over: Callable[[], bool], tick: Callable[[int], object]) -> None:
        """Serve events until ``is_over``; call ``tick(now_ns)`` every so often."""
        poll, handlers = self._epoll.poll, self.handlers
        self._keep_ticking(tick, self.clock())
        while not is_over():
            for fd, mask in poll(-1, EVENTS):
                handler = handlers.get(fd)
                if handler is not None:
                    handler(mask)

    def close(self) -> None:
        """Give back every descriptor that is the loop's own."""
        for connection in list(self._lingering):
            self._let_go(connection)
        self._timer.close()
        self._epoll.close()

    def _keep_ticking(self, tick: Callable[[int], object], now_ns: int) -> None:
        """Tick now, and again and again."""

        def ring() -> None:
            now_ns = self.clock()
            self._end_lingering(now_ns)
            tick(now_ns)
            self.call_at(now_ns + self._tick_ns, ring)

        self.call_at(now_ns, ring)

    def _ring(self, _mask: int) -> None:
        self._rings_ns = RINGING
        self._call_due()
        self._rings_ns = None
        if self._due:
            # Setting the timer anew acknowledges its ring.
            self._arm()
        else:
            self._timer.acknowledge()

    def _call_due(self) -> bool:
        """Call back what is due; tell whether anything was."""
        if not self._due or self._due[0][0] > self.clock():
            return False
        while self._due and self._due[0][0] <= self.clock():
            heapq.heappop(self._due)[2]()
        return True

    def _arm(self) -> None:
        if self._due and (self._rings_ns is None or self._due[0][0] < self._rings_ns):
            self._rings_ns = self._due[0][0]
            self._set_timer(self._rings_ns)

    def _set_timer(self, when_ns: int) -> None:
        """Sleep until then, unless something else happens."""
        self._timer.set(when_ns)

    def _let_go(self, connection: Watched, _mask: int = 0) -> None:
        del self._lingering[connection]
        self.remove(connection.fileno())
        connection.close()

    def _end_lingering(self, now_ns: int) -> None:
        for connection, until_ns in list(self._lingering.items()):
            if until_ns > now_ns:
                return
            self._let_go(connection)


class SpinningLoop(Loop):
    """A loop that never sleeps: no wake-up comes late, and a core is busy all the time.

    The CPU time of such a process says nothing; what share of the time there was work to do does.
    """

    def __init__(self, *, tick_ns: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__(tick_ns=tick_ns, clock=clock)
        self.busy_ns = 0
        """Time of the rounds that found work."""
        self.total_ns = 0
        """Time of all rounds."""

    def run(self, *, is_over: Callable[[], bool], tick: Callable[[int], object]) -> None:
        """Serve events until ``is_over``; call ``tick(now_ns)`` every so often."""
        poll, handlers, clock, due = self._epoll.poll, self.handlers, self.clock, self._due
        began_ns = round_ns = clock()
        self._keep_ticking(tick, began_ns)
        while not is_over():
            found_work = bool(due) and due[0][0] <= round_ns and self._call_due()
            for fd, mask in poll(0, EVENTS):
                found_work = True
                handler = handlers.get(fd)
                if handler is not None:
                    handler(mask)
            ended_ns = clock()
            if found_work:
                self.busy_ns += ended_ns - round_ns
            round_ns = ended_ns
        self.total_ns = round_ns - began_ns

    def _arm(self) -> None:
        """Set no timer: every round looks at the clock."""
