"""Rates from completion times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def median_rate_per_s(
    completions_s: list[NDArray[np.float64]],
    *,
    start_s: float,
    end_s: float,
    window_s: float = 1.0,
    calls_each: Sequence[int] | None = None,
) -> float:
    """Return the median rate of all processes together over equal windows of the interval.

    `completions_s` holds, for each process, the times of its completed calls; the count between
    two completions is interpolated, so that a window need not hold whole calls. `calls_each` says
    for each process how many calls end at each of its times; None: one.
    Raises ValueError where there is no interval, or a process did not span it.
    """
    if end_s <= start_s:
        raise ValueError("the processes have no common interval")
    windows = max(1, int((end_s - start_s) / window_s))
    edges = np.linspace(start_s, end_s, windows + 1)
    counts = np.zeros(windows + 1)
    for times, calls in zip(completions_s, calls_each or [1] * len(completions_s), strict=True):
        if len(times) < 2 or times[0] > start_s or times[-1] < end_s:  # noqa: PLR2004
            raise ValueError("a process has no completions on both sides of the interval")
        counts += calls * np.interp(edges, times, np.arange(len(times)))
    return float(np.median(np.diff(counts) / np.diff(edges)))
