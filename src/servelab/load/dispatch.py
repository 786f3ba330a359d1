"""Brings schedule and lanes together: who starts the next request, and when."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, count, islice
from typing import Protocol

from servelab.load.lane import Lane
from servelab.load.ledger import Ledger
from servelab.load.loop import Loop
from servelab.load.schedule import ClosedSchedule
from servelab.model.outcome import Outcome

PAUSE_NS = 50_000_000
"""A caller whose request never reached the server waits this long before its next one."""


class ClosedDispatch:
    """Callers who start again once they are free; each has its lane."""

    def __init__(
        self, schedule: ClosedSchedule, *, ledger: Ledger, loop: Loop, callers: Sequence[Lane]
    ) -> None:
        self._schedule = schedule
        self._ledger = ledger
        self._loop = loop
        self._clock = loop.clock
        self._callers = callers
        self._pausing = 0
        self._thinking = 0
        self._is_stopped = False
        self._unstarted = 0

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is in flight and nothing will be."""
        return self._ledger.in_flight == 0 and self._pausing == 0 and self._thinking == 0

    def begin(self, now_ns: int) -> None:
        """Let every caller be free now; a lane stands in the list once for each of its callers."""
        # All of them first, then the first starts: a quick end of one must not end the run.
        self._pausing = len(self._callers)
        for lane in self._callers:
            self._resume(lane, free_ns=now_ns)

    def free(self, lane: Lane, finished_ns: int) -> None:
        """Start the caller's next request, now or after its time to think."""
        planned_ns = self._schedule.next_start(finished_ns)
        if planned_ns == finished_ns:
            # One out, one in, at the same moment: the number in flight does not change.
            now_ns = self._clock()
            lane.start(planned_ns, now_ns, now_ns)
            return
        self._ledger.leave(finished_ns)
        if planned_ns is not None:
            self._think(lane, planned_ns)

    def renew(self, lane: Lane, number: int, finished_ns: int) -> int:
        """Take back the callers of several requests; return how many start again at once."""
        if self._schedule.think_ns:
            for _ in range(number):
                self.free(lane, finished_ns)
            return 0
        again = self._schedule.take(number, finished_ns)
        for _ in range(number - again):
            self._ledger.leave(finished_ns)
        return again

    def pause(self, lane: Lane, finished_ns: int) -> None:
        """Free the caller after a pause: a refused caller would spin otherwise."""
        self._ledger.leave(finished_ns)
        self._pausing += 1
        free_ns = finished_ns + PAUSE_NS
        self._loop.call_at(free_ns, partial(self._resume, lane, free_ns=free_ns))

    def expire(self, now_ns: int) -> None:
        """Do nothing: whoever waits in a closed loop waits in its lane."""

    def stop(self) -> None:
        """Start nothing more."""
        self._is_stopped = True
        self._unstarted = self._schedule.stop() + self._thinking
        self._pausing = self._thinking = 0

    def forgo(self, _at_most: int) -> int:
        """Give up, without a record, what a stop left unstarted; return how many, 0 at the end.

        It is all at once: how many they are is known.
        """
        unstarted, self._unstarted = self._unstarted, 0
        return unstarted

    def _resume(self, lane: Lane, *, free_ns: int) -> None:
        self._pausing -= 1
        planned_ns = self._schedule.next_start(free_ns)
        if planned_ns is not None:
            self._think(lane, planned_ns)

    def _think(self, lane: Lane, planned_ns: int) -> None:
        self._thinking += 1
        if planned_ns <= self._clock():
            self._start(lane, planned_ns)
        else:
            self._loop.call_at(planned_ns, partial(self._start, lane, planned_ns))

    def _start(self, lane: Lane, planned_ns: int) -> None:
        if self._is_stopped:  # its moment came together with the word to stop
            return
        self._thinking -= 1
        self._ledger.enter(planned_ns)
        now_ns = self._clock()
        lane.start(planned_ns, now_ns, now_ns)


class Pool(Protocol):
    """Where an open loop finds a lane for an arrival."""

    def take(self) -> Lane | None:
        """Return a lane that can take a request up; None where all are busy."""

    def give(self, lane: Lane) -> None:
        """Take a lane back."""


class GrowingPool:
    """Lanes for one request at a time, made when needed; the last one used goes first."""

    def __init__(self, new_lane: Callable[[], Lane], *, limit: int) -> None:
        self._new_lane = new_lane
        self._limit = limit
        self._idle: list[Lane] = []
        self._made = 0

    def take(self) -> Lane | None:
        """Return an idle lane, or a new one below the limit."""
        if self._idle:
            return self._idle.pop()
        if self._made >= self._limit:
            return None
        self._made += 1
        return self._new_lane()

    def give(self, lane: Lane) -> None:
        """Take a lane back for the next arrival."""
        self._idle.append(lane)


class SharedLanes:
    """Lanes for any number of requests at once, used in turn."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._turns = count()

    def take(self) -> Lane | None:
        """Return the next lane in turn."""
        return self._lanes[next(self._turns) % len(self._lanes)]

    def give(self, lane: Lane) -> None:
        """Do nothing: a shared lane was never away."""


class OpenDispatch:
    """Arrivals that do not wait for answers; those that find no lane queue, and that counts."""

    def __init__(
        self,
        arrivals: Iterator[int],
        *,
        ledger: Ledger,
        loop: Loop,
        pool: Pool,
        in_flight_limit: int,
    ) -> None:
        self._arrivals = arrivals
        self._ledger = ledger
        self._loop = loop
        self._clock = loop.clock
        self._pool = pool
        self._limit = in_flight_limit
        self._queue: deque[tuple[int, int]] = deque()
        self._unstarted: Iterator[int] = iter(())
        self._next_ns = next(arrivals, None)

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is in flight and nothing will arrive."""
        return self._next_ns is None and self._ledger.in_flight == 0

    def begin(self, _now_ns: int) -> None:
        """Wait for the first arrival."""
        if self._next_ns is not None:
            self._loop.call_at(self._next_ns, self._arrive)

    def free(self, lane: Lane, finished_ns: int) -> None:
        """Let the lane serve the longest waiting request, if any waits."""
        self._ledger.leave(finished_ns)
        if self._queue:
            planned_ns, taken_up_ns = self._queue.popleft()
            lane.start(planned_ns, taken_up_ns, self._clock())
        else:
            self._pool.give(lane)

    def renew(self, lane: Lane, number: int, finished_ns: int) -> int:
        """Take a lane back for each of several requests; none starts again by itself."""
        for _ in range(number):
            self.free(lane, finished_ns)
        return 0

    def pause(self, lane: Lane, finished_ns: int) -> None:
        """Take the lane back only after the events at hand, so that failures do not nest."""
        self._ledger.leave(finished_ns)
        self._loop.call_at(finished_ns, partial(self._return, lane))

    def expire(self, now_ns: int) -> None:
        """Settle the requests whose time ran out while they queued."""
        while self._queue and now_ns - self._queue[0][0] > self._ledger.timeout_ns:
            planned_ns, taken_up_ns = self._queue.popleft()
            self._end_in_queue(
                Outcome.TIMEOUT, "no connection was free", planned_ns, taken_up_ns, now_ns
            )

    def stop(self) -> None:
        """Start nothing more; what queues has arrived, and ends unsent."""
        now_ns = self._clock()
        while self._queue:
            planned_ns, taken_up_ns = self._queue.popleft()
            self._end_in_queue(
                Outcome.UNSENT, "the run was stopped", planned_ns, taken_up_ns, now_ns
            )
        if self._next_ns is not None:
            self._unstarted = chain((self._next_ns,), self._arrivals)
            self._next_ns = None

    def forgo(self, at_most: int) -> int:
        """Give up, without a record, what a stop left unstarted; return how many, 0 at the end.

        They are counted one by one, which takes its time, and so only so many at once.
        """
        return sum(1 for _ in islice(self._unstarted, at_most))

    def _return(self, lane: Lane) -> None:
        if self._queue:
            planned_ns, taken_up_ns = self._queue.popleft()
            lane.start(planned_ns, taken_up_ns, self._clock())
        else:
            self._pool.give(lane)

    def _arrive(self) -> None:
        clock = self._clock
        while self._next_ns is not None and self._next_ns <= (now_ns := clock()):
            planned_ns = self._next_ns
            self._next_ns = next(self._arrivals, None)
            self._take_up(planned_ns, now_ns)
        if self._next_ns is not None:
            self._loop.call_at(self._next_ns, self._arrive)

    def _take_up(self, planned_ns: int, now_ns: int) -> None:
        ledger = self._ledger
        if ledger.in_flight >= self._limit:
            ledger.enter(planned_ns)
            self._end_in_queue(
                Outcome.UNSENT, f"{self._limit} were in flight", planned_ns, now_ns, now_ns
            )
            return
        ledger.enter(planned_ns)
        lane = self._pool.take()
        if lane is None:
            self._queue.append((planned_ns, now_ns))
        else:
            lane.start(planned_ns, now_ns, now_ns)

    def _end_in_queue(
        self, outcome: Outcome, reason: str, planned_ns: int, taken_up_ns: int, now_ns: int
    ) -> None:
        self._ledger.settle(
            outcome,
            reason=reason,
            sequence=self._ledger.next_sequence(),
            planned_ns=planned_ns,
            taken_up_ns=taken_up_ns,
            finished_ns=now_ns,
        )
        self._ledger.leave(now_ns)
