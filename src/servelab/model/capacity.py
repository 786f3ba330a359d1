"""A search for the highest rate that meets an objective: what is asked, step by step."""

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from servelab.model.slo import Slo
from servelab.model.step import Step

Positive = Annotated[float, Meta(gt=0)]


class CapacityGoal(Struct, frozen=True, kw_only=True):
    """What a search is to find, and where it begins."""

    slo: Slo
    first_rate_per_s: Positive
    lowest_rate_per_s: Positive
    """Where even this rate fails, the search ends."""
    confirmation_s: Positive = 60.0
    """Least length of a trial that confirms; those before are a third and a sixth of it."""
    seed: int = 0


class CapacityOrder(Struct, frozen=True, kw_only=True):
    """A search as it is stored, so that its answer can be found again."""

    format: int = 1
    goal: CapacityGoal
    budget_s: Positive | None = None


class Probe(Struct, frozen=True, kw_only=True):
    """The next trial of a search."""

    number: int
    """From 1; invalid ones count, too."""
    step: Step
    rate_per_s: float
    duration_s: float


class Verdict(Enum):
    """What a trial says about its rate."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    NOTHING = "nothing"
    """The trial is invalid, or the server never answered."""


class Observation(Struct, frozen=True, kw_only=True):
    """What one trial of a search said."""

    step: Step
    rate_per_s: float
    verdict: Verdict
    quantile_s: float | None = None
    """The quantile of the objective; None where it is unknown."""
    reason: str | None = None
    """Why it did not pass."""


class Ending(Enum):
    """How a search ended."""

    CONFIRMED = "confirmed"
    TOO_SLOW = "too slow"
    """Even the lowest rate failed."""
    NO_FAILURE = "no failure"
    """Even the highest rate that is tried passed."""
    NOTHING_SAID = "nothing said"
    """Several trials in a row were invalid."""
    NOT_CONFIRMED = "not confirmed"
    """No rate passed often enough, from the solution of the ladder downwards."""
    UNFINISHED = "unfinished"
    """It was interrupted, or its budget was spent."""


class CurvePoint(Struct, frozen=True, kw_only=True):
    """All that was seen at one rate."""

    rate_per_s: float
    trials: int
    passed: int
    quantile_s: float | None
    """The median of the trials; None where most have none."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a search found."""

    ending: Ending
    confirmed_per_s: float | None = None
    """The highest rate that passed in most of its confirmation trials."""
    passes: int = 0
    """Confirmation trials at that rate that passed."""
    trials: int = 0
    """Confirmation trials at that rate."""
    failed_per_s: float | None = None
    """The lowest rate above it at which most trials failed."""
    passed_per_s: float | None = None
    """The highest rate at which most trials passed, confirmed or not."""
    solved_per_s: float | None = None
    """Where the line through the ladder meets the target."""
    curve: tuple[CurvePoint, ...] = ()
    """By rate."""


class CapacityResult(Struct, frozen=True, kw_only=True):
    """A search as programs read it: what was asked, each trial's verdict, the answer."""

    order: CapacityOrder
    objective: str
    observations: tuple[Observation, ...]
    answer: Answer
