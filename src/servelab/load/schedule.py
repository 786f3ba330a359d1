"""When requests start: pure, in nanoseconds of whatever clock the caller uses."""

import random
from collections.abc import Iterator
from itertools import count, takewhile

SECOND_NS = 1_000_000_000


class ClosedSchedule:
    """Give each caller its next planned start, up to a number of requests or until a time."""

    __slots__ = ("_end_ns", "_left", "think_ns")

    def __init__(
        self, *, requests: int | None = None, end_ns: int | None = None, think_ns: int = 0
    ) -> None:
        self._left = requests
        self._end_ns = end_ns
        self.think_ns = think_ns

    def next_start(self, free_ns: int) -> int | None:
        """Return when a caller who is free at ``free_ns`` starts again; None: never."""
        planned_ns = free_ns + self.think_ns
        if self._end_ns is not None and planned_ns >= self._end_ns:
            return None
        if self._left is not None:
            if self._left <= 0:
                return None
            self._left -= 1
        return planned_ns

    def take(self, number: int, free_ns: int) -> int:
        """Plan the next starts of callers who do not think; return how many of them start."""
        if self._end_ns is not None and free_ns >= self._end_ns:
            return 0
        if self._left is not None:
            number = min(number, self._left)
            self._left -= number
        return number

    def stop(self) -> int:
        """Plan nothing more; return how many requests remain unplanned."""
        left = self._left or 0
        self._left = 0
        return left


def constant_arrivals(*, rate_per_s: float, start_ns: int) -> Iterator[int]:
    """Yield planned starts at equal distances, without end and without drift."""
    for number in count():
        yield start_ns + round(number * SECOND_NS / rate_per_s)


def poisson_arrivals(*, rate_per_s: float, start_ns: int, seed: int) -> Iterator[int]:
    """Yield planned starts with independent exponential gaps, without end; one seed, one list."""
    draw = random.Random(seed).expovariate  # noqa: S311 - nothing here is a secret
    after_start_s = 0.0
    while True:
        after_start_s += draw(rate_per_s)
        yield start_ns + round(after_start_s * SECOND_NS)


def bounded(
    arrivals: Iterator[int], *, requests: int | None = None, end_ns: int | None = None
) -> Iterator[int]:
    """Cut a list of arrivals after a number of requests or before a time."""
    if end_ns is not None:
        arrivals = takewhile(lambda planned_ns: planned_ns < end_ns, arrivals)
    if requests is None:
        return arrivals
    return (planned_ns for _, planned_ns in zip(range(requests), arrivals, strict=False))
