"""Histograms of times: bins of equal width on a logarithmic scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

from servelab.model.trial import Histogram

BINS_PER_DECADE = 10
_FIRST_DECADE, _LAST_DECADE = -6, 4
"""From a microsecond to three hours; what lies beyond is counted in the outermost bins."""


def histogram(samples_s: NDArray[np.float64]) -> Histogram | None:
    """Return the histogram of times in seconds, without empty bins at its ends; None of none.

    The edges are the same for all histograms, so that two of them can be added. The counts add up
    to the number of samples.
    """
    import numpy as np

    if not len(samples_s):
        return None
    steps = np.arange(
        _FIRST_DECADE * BINS_PER_DECADE, _LAST_DECADE * BINS_PER_DECADE + 1, dtype=np.float64
    )
    edges_s = 10.0 ** (steps / BINS_PER_DECADE)
    bins = np.searchsorted(edges_s, samples_s, side="right") - 1
    counts = np.bincount(np.clip(bins, 0, len(edges_s) - 2), minlength=len(edges_s) - 1)
    used = np.flatnonzero(counts)
    first, last = int(used[0]), int(used[-1])
    return Histogram(
        edges_s=tuple(float(edge) for edge in edges_s[first : last + 2]),
        counts=tuple(int(count) for count in counts[first : last + 1]),
    )
