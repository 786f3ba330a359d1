"""Quantiles of the samples of one trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

from servelab.model.trial import Times

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
