"""A search for the best way to serve an application: what is asked, round by round, and found."""

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from servelab.model.plan import RunOptions
from servelab.model.slo import Slo
from servelab.model.trial import Role
from servelab.model.variant import Setting, Variant
from servelab.model.verdict import Comparison, Judging, RatioInterval, Verdicts

TUNING_FORMAT = 1


class Candidate(Struct, frozen=True, kw_only=True, order=True):
    """One deployment of the race: a stack and its settings."""

    stack: str
    """``SERVER`` or ``SERVER-VARIANT``."""
    settings: tuple[Setting, ...] = ()
    """Those that stay and those of the axes, in this order."""
    front: str | None = None
    """What takes the connections before it, such as ``nginx``."""

    @property
    def name(self) -> str:
        """Return the text that selects it, ``STACK[:key=value,...][+FRONT]``, without any None."""
        settings = [f"{key}={value}" for key, value in self.settings if value is not None]
        return _behind(
            f"{self.stack}:{','.join(settings)}" if settings else self.stack, front=self.front
        )

    @property
    def way(self) -> str:
        """Return the way to serve that its settings belong to, ``STACK[+FRONT]``."""
        return _behind(self.stack, front=self.front)

    def __str__(self) -> str:
        return self.name


class StackVariant(Struct, frozen=True, kw_only=True):
    """A way to run a server, under the name of the stack that runs it so."""

    stack: str
    variant: Variant
    front: str | None = None
    """What takes the connections before it; candidates with and without one are of two ways."""

    @property
    def name(self) -> str:
        """Return what tells it from the other ways of a race, ``STACK[+FRONT]``."""
        return _behind(self.stack, front=self.front)


def _behind(name: str, *, front: str | None) -> str:
    return name if front is None else f"{name}+{front}"


class Tuning(Struct, frozen=True, kw_only=True):
    """The rules of one race; which rounds follow from them is reckoned."""

    space: tuple[StackVariant, ...]
    benchmarks: tuple[Candidate, ...] = ()
    """Raced from the first round on and never dropped for being slow, such as 2 * cores + 1."""
    slo: Slo | None = None
    """Whose goodput decides; None: throughput does."""
    memory_limit_bytes: Annotated[int, Meta(gt=0)] | None = None
    most_trials: Annotated[int, Meta(gt=0)] | None = None
    most_s: Annotated[float, Meta(gt=0)] | None = None
    """What all trials together may take; no round begins that is likely to exceed it."""
    seed: int = 0
    """Of the order within each round."""
    judging: Judging = Judging()


class TuningOrder(Struct, frozen=True, kw_only=True):
    """A race as it is stored, so that it can be gone on with and its answer found again."""

    format: int = TUNING_FORMAT
    tuning: Tuning
    options: RunOptions
    cpu_count: int
    """For which the space was laid out."""
    warm_up_s: float
    excluded: dict[str, str] = {}
    """Deployment -> why it was left out before the race began."""


class RaceExpectation(Struct, frozen=True, kw_only=True):
    """What a race will take, as far as that is known before."""

    entrants: int
    """Trials of the first round."""
    trial_s: float
    ceiling_s: float
    """Of the bare work, which is measured once."""
    trials: int | None
    """That the budget has room for; None without one."""
    least_trials: int
    """Of a race that ends with a verdict between two."""

    @property
    def round_s(self) -> float:
        """Return how long the first round takes."""
        return self.ceiling_s + self.entrants * self.trial_s


class Entrant(Struct, frozen=True, kw_only=True):
    """One trial of a round."""

    candidate: Candidate
    role: Role = Role.CANDIDATE


class Outcome(Enum):
    """What one trial says about its candidate."""

    MEASURED = "measured"
    FAILED = "failed"
    """The server was at fault, or cannot run here."""
    INVALID = "invalid"
    """Nothing: the generator or the machine was at fault, or the generator was the limit."""


class Measured(Struct, frozen=True, kw_only=True):
    """What one trial of a race said."""

    candidate: Candidate
    round: int
    """From 1."""
    role: Role = Role.CANDIDATE
    outcome: Outcome = Outcome.MEASURED
    rate_per_s: float | None = None
    """Goodput where there is an objective, otherwise throughput; None where there is none."""
    peak_memory_bytes: int | None = None
    meets_slo: bool = True
    slo_value_s: float | None = None
    """The quantile that the objective is about; None where there is none, or too few requests."""
    failure_share: float = 0.0
    seconds: float = 0.0
    """That it took, starting and stopping included."""
    is_lower_limit: bool = False
    """The generator held it back: it may do more than its rate says."""
    is_void: bool = False
    """Something outside disturbed it: its whole round does not count."""
    reason: str | None = None
    """Why it failed or is invalid."""


class Round(Struct, frozen=True, kw_only=True):
    """What is to be measured next, in this order."""

    number: int
    entrants: tuple[Entrant, ...]


class RaceEnding(Enum):
    """Why a race ends."""

    JUDGED = "judged"
    """Those that are left have been compared in as many rounds as a verdict needs."""
    ALONE = "alone"
    """All others were dropped."""
    SPENT = "budget spent"
    NOISE = "noise"
    """Too many rounds were voided."""
    NOTHING_RUNS = "nothing runs"
    """No candidate is left."""


class End(Struct, frozen=True, kw_only=True):
    """No further round."""

    ending: RaceEnding


class LossCause(Enum):
    """Why a candidate does not win."""

    WORSE = "worse"
    """Clearly below the leader: dropped before the end, or judged so at the end."""
    OUTPLACED = "outplaced"
    """Not clearly below the leader, but more than enough others were closer to it."""
    FAILED = "failed"
    UNMEASURABLE = "unmeasurable"
    """Most of its trials were invalid."""
    MISSES_SLO = "misses the SLO"
    OVER_MEMORY = "over the memory limit"


class Loss(Struct, frozen=True, kw_only=True):
    """Why one candidate does not win, as data."""

    candidate: Candidate
    cause: LossCause
    round: int
    """After which it was dropped."""
    beside: Candidate | None = None
    """The one that it was held against: the winner where both ran in enough rounds, otherwise the
    leader of that time."""
    ratio: RatioInterval | None = None
    """Its rate over that of the other one; below 1 it is slower. 95 % for this pair alone."""
    share: float | None = None
    """The median of the ratios of single rounds."""
    rounds: int = 0
    """That both have."""
    slo_value_s: float | None = None
    """The median of its trials, of the quantile that the objective is about."""
    peak_memory_bytes: int | None = None
    reason: str | None = None
    """Of a trial that failed or was invalid."""


class RunnerUp(Struct, frozen=True, kw_only=True):
    """One that was still in the race at the end, beside the winner."""

    candidate: Candidate
    comparison: Comparison
    """By rate."""
    memory_ratio: RatioInterval | None = None
    """Its peak memory over the winner's."""
    is_lighter: bool = False
    """The whole interval of its memory lies clearly below the winner's."""


class Placed(Struct, frozen=True, kw_only=True):
    """Where a candidate lies between rate and memory."""

    candidate: Candidate
    rate_per_s: float
    """What the winner does times the ratio to it: free of what single rounds did to all."""
    peak_memory_bytes: int


class Closest(Struct, frozen=True, kw_only=True):
    """Who comes closest to an objective that nobody meets."""

    candidate: Candidate
    value_s: float | None
    """The median over its rounds of the quantile that the objective is about; None where no trial
    had enough requests for it."""
    failure_share: float
    """The median over its rounds."""
    rounds: int


class Tuned(Struct, frozen=True, kw_only=True):
    """What a race found."""

    ending: RaceEnding | None
    """None: it was interrupted."""
    winner: Candidate | None
    """None where nothing runs."""
    meets_slo: bool = True
    """Whether the winner does; where it does not, none does."""
    closest: Closest | None = None
    """Where none does."""
    has_goodput: bool = True
    """Whether any answer to anybody came in time; without an objective, whether any came."""
    rate_per_s: float | None = None
    """Of the winner: the geometric mean of its rounds."""
    peak_memory_bytes: int | None = None
    """The median of its rounds."""
    verdicts: Verdicts | None = None
    """On those that were in the race at the end; names are those of the candidates."""
    runners_up: tuple[RunnerUp, ...] = ()
    """The closest first."""
    losses: tuple[Loss, ...] = ()
    """In the order in which they left."""
    met: int = 0
    """In how many trials the winner met the objective."""
    measured: int = 0
    """Of how many."""
    held_back: tuple[Candidate, ...] = ()
    """Those which the generator held back in most of their trials: they may do more."""
    front: tuple[Placed, ...] = ()
    """Those that nobody beats in both rate and memory, the lightest first."""
    rounds: int = 0
    trials: int = 0
