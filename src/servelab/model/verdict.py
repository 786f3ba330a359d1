"""What the rounds of an experiment say about which deployment is better."""

from enum import Enum
from math import sqrt

from msgspec import Struct


class Direction(Enum):
    """Which values of a figure are the good ones."""

    HIGHER = "higher"
    """Throughput, efficiency."""
    LOWER = "lower"
    """Response times, CPU time per call, memory."""


class Method(Enum):
    """How an interval was made."""

    PAIRED_T = "paired t"
    SIGNED_RANK = "signed rank"


class RoundsInterval(Struct, frozen=True, kw_only=True):
    """A positive figure over rounds, in the figure's own unit."""

    estimate: float
    """Geometric mean."""
    low: float | None
    """None where there are too few values to tell."""
    high: float | None
    confidence: float
    rounds: int
    """Rounds with a value."""
    missing: int = 0
    """Rounds that have none, for example because too few samples lay beyond a quantile."""


class RatioInterval(Struct, frozen=True, kw_only=True):
    """How many times better one is than another, from the rounds that have both."""

    estimate: float
    low: float
    high: float
    confidence: float
    """Of this interval alone."""
    rounds: int
    method: Method

    @property
    def half_width(self) -> float:
        """Return what is added to a ratio of 1 on the way from the middle to an end: .03 is 3 %."""
        return sqrt(self.high / self.low) - 1

    @property
    def largest_difference(self) -> float:
        """Return the largest difference that the interval allows, either way: .03 is 3 %."""
        return max(self.high, 1 / self.low) - 1


class Better(Struct, frozen=True, kw_only=True, tag="better"):
    """The whole interval lies beyond 1 + delta."""


class Equivalent(Struct, frozen=True, kw_only=True, tag="equivalent"):
    """The whole interval lies within delta of 1."""

    largest_difference: float
    """No difference above this one was shown: .024 is 2.4 %."""


class Undecided(Struct, frozen=True, kw_only=True, tag="undecided"):
    """The interval holds the limit between better and equivalent, or the rounds are too few."""

    more_rounds: int | None
    """About how many would decide at this spread; None: more than anyone would make."""


class Doubt(Enum):
    """Why nothing can be told."""

    CONTROL = "control"
    """One deployment under two names differs from itself."""
    NOISE = "noise"
    """Too many rounds were voided."""
    NO_PAIRS = "no pairs"
    """No round has a figure of both deployments."""


class CannotTell(Struct, frozen=True, kw_only=True, tag="cannot tell"):
    """The machine, today, does not support a verdict."""

    reason: Doubt
    smallest_difference: float | None = None
    """The smallest difference that could be told: .06 is 6 %; None where that is unknown."""


Verdict = Better | Equivalent | Undecided | CannotTell


class Comparison(Struct, frozen=True, kw_only=True):
    """The leader beside one other deployment."""

    leader: str
    other: str
    ratio: RatioInterval | None
    """Above 1 the leader is better, whichever way the figure counts; None of fewer than 2 pairs."""
    verdict: Verdict


class Control(Struct, frozen=True, kw_only=True):
    """One deployment under two names."""

    name: str
    twin: str
    ratio: RatioInterval | None
    is_sound: bool
    """Whether the two could be told apart no more than delta."""


class Verdicts(Struct, frozen=True, kw_only=True):
    """The leader, held against each other deployment."""

    leader: str | None
    """None where no deployment has a figure."""
    comparisons: tuple[Comparison, ...]
    """The closest to the leader first; those without any pair last."""
    control: Control | None
    doubt: CannotTell | None
    """Why nothing at all can be told; None where something can."""
    delta: float
    """Relative difference that does not matter: .03 is 3 %."""
    confidence: float
    """That no verdict of the experiment is wrong."""
    rounds: int
    """Rounds made, those without figures included."""
    resolution: float | None
    """Differences below it cannot be told with this spread and so many rounds: .06 is 6 %."""

    @property
    def is_decided(self) -> bool:
        """Tell whether every comparison has an answer."""
        return self.doubt is None and all(
            isinstance(each.verdict, Better | Equivalent) for each in self.comparisons
        )


class Judging(Struct, frozen=True, kw_only=True):
    """How verdicts are made, and when there are enough rounds."""

    delta: float = 0.03
    """Relative difference that does not matter."""
    target: float = 0.02
    """Half-width of an interval that is narrow enough, as a relative difference."""
    confidence: float = 0.95
    least_rounds: int = 8
    """Pairs of figures that a verdict needs."""
    most_voided: float = 0.3
    """Share of voided rounds beyond which nothing is said."""
    direction: Direction = Direction.HIGHER


class Budget(Struct, frozen=True, kw_only=True):
    """What may be spent on an experiment; None: no limit of that kind."""

    rounds: int | None = None
    time_s: float | None = None


class NextStep(Enum):
    """What to do after a round."""

    CONTINUE = "continue"
    DECIDED = "decided"
    """Stop: each comparison is beyond doubt."""
    NARROW = "narrow enough"
    """Stop: each comparison is beyond doubt or as narrow as was asked for."""
    SPENT = "budget spent"
    """Stop: another round would not fit."""
