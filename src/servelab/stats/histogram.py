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
_AT_ONCE = 1 << 16
"""So many samples are sorted into bins at once, so that millions take no more memory."""


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
    counts = np.zeros(len(edges_s) - 1, dtype=np.int64)
    for begin in range(0, len(samples_s), _AT_ONCE):
        bins = np.searchsorted(edges_s, samples_s[begin : begin + _AT_ONCE], side="right") - 1
        counts += np.bincount(np.clip(bins, 0, len(counts) - 1), minlength=len(counts))
    used = np.flatnonzero(counts)
    first, last = int(used[0]), int(used[-1])
    return Histogram(
        edges_s=tuple(float(edge) for edge in edges_s[first : last + 2]),
        counts=tuple(int(count) for count in counts[first : last + 1]),
    )
