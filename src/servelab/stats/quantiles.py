"""Quantiles of the samples of one trial."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

from servelab.model.times import Times

LEAST_SAMPLES_BEYOND = 10


def quantile(sorted_samples: NDArray[np.float64], *, probability: float) -> float | None:
    """Return the nearest-rank quantile, or None where fewer than ten samples lie beyond it.

    Nearest rank, not interpolated: every reported value happened (Hyndman & Fan, The American
    Statistician 50(4), 1996, definition 1).
    """
    count = len(sorted_samples)
    rank = nearest_rank(count, probability=probability)
    # In whole thousandths: 100 * (1 - .9) is 9.999... in binary, and would hide a valid p90.
    if count * (1000 - round(probability * 1000)) < LEAST_SAMPLES_BEYOND * 1000:
        return None
    return float(sorted_samples[rank - 1])


def corrected_quantile(
    samples_in_order: NDArray[np.float64], *, probability: float
) -> float | None:
    """Return a quantile without the bias that few, dependent samples give it.

    `samples_in_order`: positive, by planned start. In a queue slow requests come in clusters, of
    which a short trial sees few, so that its high quantiles are too low on average: p99 of 2,000
    requests at a load of .7 by 6 %. The bias of half as many is twice that, and so is told by the
    difference: ln q = 2 ln q(all) - (ln q(first half) + ln q(second half)) / 2 (M. H. Quenouille,
    Journal of the Royal Statistical Society B 11(1), 1949). For intervals over rounds; a single
    trial's quantile is one that happened. None where fewer than ten samples of a half lie beyond.
    """
    import numpy as np

    middle = len(samples_in_order) // 2
    parts = (samples_in_order, samples_in_order[:middle], samples_in_order[middle:])
    whole, first, second = (quantile(np.sort(part), probability=probability) for part in parts)
    if whole is None or first is None or second is None or min(whole, first, second) <= 0:
        return None
    return whole**2 / sqrt(first * second)


def nearest_rank(count: int, *, probability: float) -> int:
    """Return the rank, from 1 to count, of the nearest-rank quantile."""
    in_thousandths = round(probability * 1000) * count
    return max(1, -(-in_thousandths // 1000))


def summarise(samples_s: NDArray[np.float64]) -> Times | None:
    """Return mean, quantiles and maximum of times in seconds; None of no samples."""
    import numpy as np

    if not len(samples_s):
        return None
    ordered = np.sort(samples_s)
    return Times(
        mean=float(ordered.mean()),
        p50=quantile(ordered, probability=0.5),
        p60=quantile(ordered, probability=0.6),
        p70=quantile(ordered, probability=0.7),
        p75=quantile(ordered, probability=0.75),
        p80=quantile(ordered, probability=0.8),
        p90=quantile(ordered, probability=0.9),
        p95=quantile(ordered, probability=0.95),
        p99=quantile(ordered, probability=0.99),
        p99_9=quantile(ordered, probability=0.999),
        max=float(ordered[-1]),
    )
