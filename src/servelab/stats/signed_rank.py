"""The exact signed-rank distribution, and the interval that it gives."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@lru_cache(maxsize=256)
def _cumulative(count: int) -> NDArray[np.float64]:
    """Return P(W <= w) for w = 0 .. count (count + 1) / 2.

    Each rank counts with probability 1/2, so that the distribution is a product of polynomials
    (F. Wilcoxon, Biometrics Bulletin 1(6), 1945; M. Hollander & D. Wolfe, Nonparametric
    Statistical Methods, par. 3.1).
    """
    import numpy as np

    chances = np.ones(1)
    for rank in range(1, count + 1):
        longer = np.zeros(len(chances) + rank)
        longer[: len(chances)] += chances / 2
        longer[rank:] += chances / 2
        chances = longer
    return np.cumsum(chances)


def walsh_averages(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of all pairs of values, each with itself too, in ascending order."""
    import numpy as np

    first, second = np.triu_indices(len(values))
    return np.sort((values[first] + values[second]) / 2)


def pseudo_median(averages: NDArray[np.float64]) -> float:
    """Return the median of the Walsh averages.

    J. L. Hodges & E. L. Lehmann, Annals of Mathematical Statistics 34(2), 1963.
    """
    middle = len(averages) // 2
    upper = float(averages[middle])
    return upper if len(averages) % 2 else (float(averages[middle - 1]) + upper) / 2


def limits(
    averages: NDArray[np.float64], *, count: int, error: float
) -> tuple[float, float] | None:
    """Return the exact interval which misses the pseudo-median with at most this probability.

    None where so few values cannot give it. J. W. Tukey; Hollander & Wolfe, par. 3.3.
    """
    import numpy as np

    # The smallest value alone has the probability 2 ** -count: rounding must not hide it.
    outside = int(np.searchsorted(_cumulative(count), error / 2 * (1 + 1e-12), side="right"))
    if not outside:
        return None
    return float(averages[outside - 1]), float(averages[len(averages) - outside])


def chance_of_more(averages: NDArray[np.float64], *, count: int, centre: float) -> float:
    """Return how likely so many averages above the centre are, were it the true one.

    One-sided, exact; agrees with `limits`: the lower limit at twice this error is the centre.
    """
    import numpy as np

    not_above = int(np.searchsorted(averages, centre, side="right"))
    return float(_cumulative(count)[not_above])
