"""Where a warm-up ends, and whether the rate of answers came to rest.

Completions are counted in buckets of a second. The buckets are batch means already, so that MSER is
applied to them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

from msgspec import structs

from servelab.model.warm_up import Settling, Slope, Steadiness, WarmUp
from servelab.stats.pairs import t_quantile
from servelab.stats.trends import trend

LEAST_SECONDS = 10
"""Fewer buckets make halves of which nothing can be said."""
_LAST_BUCKETS = 5
_MEAN_LIMIT = 0.10
_QUARTILE_LIMIT = 0.05
_CHANCE = 0.01
_QUARTILE_ERROR = 1.362
"""Standard error of a normal sample's quartile over that of its mean."""
_WHISKER = 1.5


def find_warm_up(completions_s: NDArray[np.float64], *, length_s: float) -> WarmUp:
    """Return where the warm-up ended, and how steady the rate was afterwards.

    `completions_s`: times of the correct answers since the start of the load, in any order;
    `length_s`: for how long they were watched. Only whole seconds count.
    """
    counts = buckets(completions_s, start_s=0.0, end_s=length_s)
    cut = mser_cut(counts)
    after = _steadiness(counts[cut:])
    if cut > len(counts) / 2 and after.settling in {Settling.STEADY, Settling.TOO_SHORT}:
        after = structs.replace(after, settling=Settling.LATE)
    return WarmUp(cut_s=float(cut), length_s=length_s, after=after)


def steadiness(completions_s: NDArray[np.float64], *, start_s: float, end_s: float) -> Steadiness:
    """Return whether the rate was the same all through an interval, cut into whole seconds."""
    return _steadiness(buckets(completions_s, start_s=start_s, end_s=end_s))


def shared_warm_up_s(warm_ups: Sequence[WarmUp], *, least_s: float = 1.0) -> float:
    """Return one length for all deployments: the longest that any of them needs.

    A cut beyond half of what was watched is not trusted, and counts as that half.
    """
    cuts_s = [min(each.cut_s, each.length_s / 2) for each in warm_ups]
    return float(ceil(max([least_s, *cuts_s])))


def buckets(
    completions_s: NDArray[np.float64], *, start_s: float, end_s: float
) -> NDArray[np.float64]:
    """Return the number of completions in each whole second of an interval."""
    import numpy as np

    seconds = max(0, int(end_s - start_s + 1e-9))
    edges_s = start_s + np.arange(seconds + 1, dtype=np.float64)
    ordered = np.sort(completions_s)
    return np.diff(np.searchsorted(ordered, edges_s, side="left")).astype(np.float64)


def mser_cut(values: NDArray[np.float64]) -> int:
    """Return how many values to leave out at the start, so that the mean of the rest is surest.

    The cut minimises the squared standard error of what remains, sum (x - mean)^2 / m^2 of m
    values (K. P. White, Simulation 69(6), 1997; W. W. Franklin & K. P. White, Winter Simulation
    Conference 2008, who count a cut in the second half as a failure). At least five remain.
    """
    import numpy as np

    if len(values) <= _LAST_BUCKETS:
        return 0
    remaining = np.arange(len(values), 0, -1, dtype=np.float64)
    sums = np.cumsum(values[::-1])[::-1]
    squares = np.cumsum(values[::-1] ** 2)[::-1]
    errors = (squares - sums**2 / remaining) / remaining**2
    # Differences of large sums: below this, two cuts are equally good, and the earlier one wins.
    lowest = errors[: len(values) - _LAST_BUCKETS + 1].min() + 1e-12 * squares[0]
    return int(np.flatnonzero(errors <= lowest)[0])


def slope(counts: NDArray[np.float64]) -> Slope | None:
    """Return the slope of counts per second, as a share of their mean per minute.

    With its 95 % interval (see `trend`); None of fewer than ten seconds, or of no answers.
    """
    import numpy as np

    mean = float(counts.mean()) if len(counts) else 0.0
    found = trend(np.arange(len(counts), dtype=np.float64), counts)
    if found is None or not mean:
        return None
    per_minute, half = 60 * found.per_s / mean, 60 * found.half_width_per_s / mean
    return Slope(per_minute=per_minute, low=per_minute - half, high=per_minute + half)


def _steadiness(counts: NDArray[np.float64]) -> Steadiness:
    total, count = float(counts.sum()), len(counts)
    middle = count // 2
    first, second = counts[:middle], counts[count - middle :]
    change = None
    if middle and first.sum():
        change = float(second.mean() / first.mean()) - 1
    return Steadiness(
        settling=_settling(counts, first, second),
        seconds=count,
        rate_per_s=total / count if count else 0.0,
        change=change,
        slope=slope(counts),
    )


def _settling(
    counts: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> Settling:
    import numpy as np

    if len(counts) < LEAST_SECONDS:
        return Settling.TOO_SHORT
    if not counts.any():
        return Settling.IDLE
    lower, upper = np.quantile(counts[1:], (0.25, 0.75))
    if counts[0] < lower - max(_WHISKER * (upper - lower), _QUARTILE_LIMIT * lower):
        return Settling.SLOW_START
    return Settling.HALVES_DIFFER if _differ(first, second) else Settling.STEADY


def _differ(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Tell whether two halves differ by more than pyperf allows, and by more than chance explains.

    pyperf (``_worker.py``, ``test_calibrate_warmups``) compares twenty values with the next twenty:
    means within 10 %, quartiles within 5 %. Counts of a few requests a second scatter more than
    that by themselves, so that a difference must also exceed its own chance scatter (1 %). The
    third of its figures, the median absolute deviation, is left out: of ten values it scatters by
    40 %.
    """
    import numpy as np

    count = len(first)
    variance = (float(first.var(ddof=1)) + float(second.var(ddof=1))) / 2
    chance = t_quantile(2 * count - 1, error=_CHANCE) * sqrt(2 * variance / count)
    quartiles = np.quantile(np.stack((first, second)), (0.25, 0.75), axis=1)
    checks = [
        (float(first.mean()), float(second.mean()), _MEAN_LIMIT, chance),
        *(
            (float(one), float(other), _QUARTILE_LIMIT, chance * _QUARTILE_ERROR)
            for one, other in quartiles
        ),
    ]
    return any(
        abs(one - other) > max(limit * other, scatter) for one, other, limit, scatter in checks
    )
