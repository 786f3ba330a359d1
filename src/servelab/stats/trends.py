"""How fast a figure grows, with an interval that allows for its inertia."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_VALUES = 10
_MOST_LIKENESS = 0.999
_LEAST_FREEDOM = 2.0
"""With one degree, leaks in bursts are missed, and inert values are covered no better."""
_ERROR = 0.05


class Trend(Struct, frozen=True, kw_only=True):
    """The slope of a straight line through values, and half the width of its 95 % interval."""

    per_s: float
    half_width_per_s: float


def trend(moments_s: NDArray[np.float64], values: NDArray[np.float64]) -> Trend | None:
    """Return the least-squares slope of values over the moments at which they were taken.

    The 95 % interval allows for neighbouring values that resemble each other: their residuals'
    correlation r leaves (1 - r) / (1 + r) of the values' worth, for the error and for the degrees
    of freedom (B. D. Santer et al., Journal of Geophysical Research 105(D6), 2000, par. 3). Of few
    values r is found too small by about (1 + 3 r) / n (M. G. Kendall, Biometrika 41, 1954), which
    is added. So a single step among level values is no slope. None of fewer than ten values, or of
    one moment.
    """
    from scipy.special import stdtrit

    count = len(values)
    if count < LEAST_VALUES:
        return None
    apart_s = moments_s - moments_s.mean()
    spread = float(apart_s @ apart_s)
    if not spread:
        return None
    per_s = float(apart_s @ values) / spread
    residuals = values - values.mean() - per_s * apart_s
    square = float(residuals @ residuals)
    likeness = float(residuals[1:] @ residuals[:-1]) / square if square else 0.0
    likeness = max(0.0, likeness)
    likeness = min(likeness + (1 + 3 * likeness) / count, _MOST_LIKENESS)
    freedom = max(count * (1 - likeness) / (1 + likeness) - 2, _LEAST_FREEDOM)
    error = sqrt(square / freedom / spread)
    return Trend(per_s=per_s, half_width_per_s=-float(stdtrit(freedom, _ERROR / 2)) * error)
