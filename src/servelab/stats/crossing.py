"""Where a noisy rising curve crosses zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def crossing(positions: Sequence[float], values: Sequence[float]) -> float:
    """Return where the least-squares line through the points is zero, within their range.

    Where the line does not rise, the answer is an end of the range: the upper one if the values lie
    below zero on the whole. Raises ValueError of no points.
    """
    import numpy as np

    if not positions:
        raise ValueError("a line needs points")
    x, y = np.asarray(positions, dtype=float), np.asarray(values, dtype=float)
    spread = x - x.mean()
    rise = float(spread @ y)
    if rise <= 0:
        return float(x.max() if y.mean() < 0 else x.min())
    zero = x.mean() - y.mean() * float(spread @ spread) / rise
    return float(np.clip(zero, x.min(), x.max()))
