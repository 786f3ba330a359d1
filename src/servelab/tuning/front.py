"""Rate against memory: whom nobody beats in both."""

from collections.abc import Iterable

from servelab.model.tuning import Placed


def front(placed: Iterable[Placed]) -> tuple[Placed, ...]:
    """Return the Pareto front, the lightest first: each further one takes more and does more."""
    found: list[Placed] = []
    for each in sorted(placed, key=lambda one: (one.peak_memory_bytes, -one.rate_per_s)):
        if not found or each.rate_per_s > found[-1].rate_per_s:
            found.append(each)
    return tuple(found)
