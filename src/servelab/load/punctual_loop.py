"""Wakes a little before a planned moment, and watches the clock until it has come.

From an idle core the kernel needs tens of microseconds to wake a process. Whoever sleeps until the
planned moment is late by as much; whoever sleeps until so much before is not.
"""

import time
from collections.abc import Callable

from servelab.load.loop import EVENTS, RINGING, Loop

LONGEST_LEAD_NS = 60_000
_STEP_UP_NS = 1_500
_STEP_DOWN_NS = 500
"""One late wake-up weighs as much as three early ones: the lead settles at the third quartile."""
_LARGEST_SHARE = 20
"""Watching takes at most one part in so many of the time."""


class PunctualLoop(Loop):
    """A loop that sleeps until just before its next callback is due.

    How long before is the third quartile of how late the timer has woken it, found by steps. While
    it watches the clock it takes events as they come. Nothing is called back before its moment.
    Watching is given up for as long as it has taken more than a twentieth of the time: whoever has
    much to do has no use for it.
    """

    def __init__(self, *, tick_ns: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__(tick_ns=tick_ns, clock=clock)
        self.watched_ns = 0
        """Time spent on watching the clock."""
        self._lead_ns = 0
        self._set_for_ns = 0
        self._is_watching = False
        self._began_ns = clock()

    def run(self, *, is_over: Callable[[], bool], tick: Callable[[int], object]) -> None:
        """Serve events until ``is_over``; call ``tick(now_ns)`` every so often."""
        poll, handlers = self._epoll.poll, self.handlers
        self._began_ns = self.clock()
        self._keep_ticking(tick, self._began_ns)
        while not is_over():
            for fd, mask in poll(-1, EVENTS):
                handler = handlers.get(fd)
                if handler is not None:
                    handler(mask)
            if self._is_watching:
                self._watch(is_over)

    def _ring(self, mask: int) -> None:
        now_ns = self.clock()
        was_late = now_ns - self._set_for_ns > self._lead_ns
        lead_ns = self._lead_ns + (_STEP_UP_NS if was_late else -_STEP_DOWN_NS)
        self._lead_ns = min(max(lead_ns, 0), LONGEST_LEAD_NS)
        if self._due and self._due[0][0] > now_ns:
            # Until the callbacks are over, none of them sets the timer.
            self._timer.acknowledge()
            self._rings_ns = RINGING
            self._is_watching = True
        else:
            super()._ring(mask)

    def _watch(self, is_over: Callable[[], bool]) -> None:
        """Take events without sleeping until the next callback is due."""
        poll, handlers, clock = self._epoll.poll, self.handlers, self.clock
        self._is_watching = False
        began_ns = now_ns = clock()
        while self._due[0][0] > now_ns and not is_over():
            for fd, mask in poll(0, EVENTS):
                handler = handlers.get(fd)
                if handler is not None:
                    handler(mask)
            now_ns = clock()
        self.watched_ns += now_ns - began_ns
        super()._ring(0)

    def _set_timer(self, when_ns: int) -> None:
        passed_ns = self.clock() - self._began_ns
        may_watch = self.watched_ns * _LARGEST_SHARE <= passed_ns
        self._set_for_ns = when_ns - self._lead_ns if may_watch else when_ns
        self._timer.set(self._set_for_ns)
