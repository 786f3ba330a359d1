"""How a server behaved before it was measured."""

from enum import Enum

from msgspec import Struct


class Settling(Enum):
    """Whether a rate of answers came to rest."""

    STEADY = "steady"
    LATE = "settled late, if at all"
    """The best cut lies in the second half of what was seen."""
    SLOW_START = "starts slower than it goes on"
    """The first second after the cut is an outlier."""
    HALVES_DIFFER = "first and second half differ"
    TOO_SHORT = "too short to tell"
    IDLE = "no answers"


class Slope(Struct, frozen=True, kw_only=True):
    """How a rate changes, as a share of its mean per minute: .02 is 2 % more each minute."""

    per_minute: float
    low: float
    high: float


class Steadiness(Struct, frozen=True, kw_only=True):
    """Whether the rate of answers was the same all through an interval."""

    settling: Settling
    seconds: int
    """Whole seconds that were looked at."""
    rate_per_s: float
    change: float | None = None
    """Mean rate of the second half over that of the first, minus 1."""
    slope: Slope | None = None

    @property
    def is_steady(self) -> bool:
        """Tell whether nothing speaks against a steady state."""
        return self.settling is Settling.STEADY


class WarmUp(Struct, frozen=True, kw_only=True):
    """Where the warm-up of one trial ended, and what the rate did afterwards."""

    cut_s: float
    """Seconds since the start of the load to leave out."""
    length_s: float
    """What was looked at, from the start of the load."""
    after: Steadiness

    @property
    def is_steady(self) -> bool:
        """Tell whether the rate came to rest."""
        return self.after.is_steady
