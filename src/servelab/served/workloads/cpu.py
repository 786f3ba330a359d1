"""Multiply a matrix by random ones: all work, no waiting."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY = "multiply a 100x100 matrix of random numbers num times by random ones"
REQUIREMENTS = ("numpy",)
SLOW_API_CALLS = 0

_SHAPE = [100, 100]
_MOST = 1_000_000
_TINY = 5e-324
_LN_TINY = math.log(_TINY)

# Of ln(u), and of ln(u + v), where u and v are uniform on 0 to 1.
_MEAN_FIRST, _VARIANCE_FIRST = -1.0, 1.0
_MEAN_FACTOR = 2 * math.log(2) - 1.5
_VARIANCE_FACTOR = 1.25 - 2 * math.log(2) ** 2

_TOLERANCE = 1.5
_TOLERANCE_DEVIATIONS = 8


@dataclass(frozen=True)
class Parameters:
    """How often to multiply."""

    num: int = 1000

    def __post_init__(self) -> None:
        if not 0 <= self.num <= _MOST:
            raise ValueError(f"num={self.num} is not between 0 and {_MOST}")


def long_running(n: int) -> "NDArray[np.float64]":
    """Return a product of random matrices, element by element.

    The global generator is part of the benchmark: its lock is what threads wait for.
    """
    import numpy as np

    m = np.random.random((100, 100))
    for _ in range(n):
        m *= np.random.random((100, 100)) + np.random.random((100, 100))
    return m


def prepare() -> None:
    """Import NumPy before the first call."""
    import numpy as np  # noqa: F401 - see long_running


def work(parameters: Parameters) -> dict[str, Any]:
    """Return the shape, and the mean of the elements' logarithms.

    From about 4,000 multiplications on, elements become too small for a float and end as 0;
    they count with the logarithm of the smallest positive float.
    """
    import numpy as np

    m = long_running(parameters.num)
    return {"shape": list(m.shape), "mean_ln": float(np.log(np.maximum(m, _TINY)).mean())}


async def work_async(parameters: Parameters) -> dict[str, Any]:
    """Do the same; nothing here can be waited for, so the event loop stands still."""
    return work(parameters)


async def close() -> None:
    """Keep nothing open."""


def waiting_s(_parameters: Parameters) -> float:
    """Return 0: all of it is work."""
    return 0.0


def check(parameters: Parameters, result: Any) -> str | None:
    """Compare with what the distribution of the random numbers demands."""
    match result:
        case {"shape": shape, "mean_ln": float(mean)}:
            pass
        case _:
            return "no shape and mean in the result"
    if shape != _SHAPE:
        return f"shape is {shape}, not {_SHAPE}"
    expected, tolerance = _expected_mean(parameters.num)
    if not abs(mean - expected) <= tolerance:
        return f"mean of ln m is {mean:.3f}, not {expected:.3f} ± {tolerance:.2f}"
    return None


def _expected_mean(n: int) -> tuple[float, float]:
    """Return the mean of ln m and the tolerance; ln m is a sum of n + 1 independent terms.

    It is nearly normal, and cut off at the smallest float: the mean of max(x, floor).
    """
    mean = _MEAN_FIRST + n * _MEAN_FACTOR
    deviation = math.sqrt(_VARIANCE_FIRST + n * _VARIANCE_FACTOR)
    z = (mean - _LN_TINY) / deviation
    above = 0.5 * math.erfc(-z / math.sqrt(2))
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    expected = _LN_TINY + (mean - _LN_TINY) * above + deviation * density
    elements = _SHAPE[0] * _SHAPE[1]
    return expected, max(_TOLERANCE, _TOLERANCE_DEVIATIONS * deviation / math.sqrt(elements))
