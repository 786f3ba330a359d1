"""Trials of several rounds, arranged for a comparison; pure.

A deployment is ranked or not as a whole, by what most of its rounds were: which of its rounds count
must not depend on how fast it was in them. A deployment that failed in any round is not ranked at
all: the rounds in which it did well would flatter it. Voided rounds count for nobody.
"""

from collections.abc import Callable, Container, Iterable, Sequence

from msgspec import Struct

from servelab.explain import disturbance, own_causes
from servelab.model.figure import Figure
from servelab.model.trial import Role, Trial, TrialStatus
from servelab.model.verdict import RoundsInterval
from servelab.stats.intervals import over_rounds, quantile_over_rounds

LEAST_SHARE = 0.5
"""Of its rounds in which a deployment must have been fit to be ranked, to be ranked."""


def _quantile(name: str) -> Callable[[Trial], float | None]:
    """Return what reads a quantile: the corrected one where a trial is long enough for it."""

    def read(trial: Trial) -> float | None:
        for times in (trial.corrected_response_time_s, trial.response_time_s):
            found: float | None = getattr(times, name, None)
            if found is not None:
                return found
        return None

    return read


_READERS: dict[Figure, Callable[[Trial], float | None]] = {
    Figure.THROUGHPUT: lambda trial: trial.throughput_per_s,
    Figure.P50: _quantile("p50"),
    Figure.P90: _quantile("p90"),
    Figure.P99: _quantile("p99"),
    Figure.CPU: lambda trial: trial.cpu_s_per_call,
    Figure.MEMORY: lambda trial: trial.peak_memory_bytes,
    Figure.EFFICIENCY: lambda trial: trial.efficiency,
}


_QUANTILES = {Figure.P50: "p50", Figure.P90: "p90", Figure.P99: "p99"}


def read(figure: Figure, trial: Trial) -> float | None:
    """Return a figure of a trial in its unit; None where it has none above 0."""
    return _positive(_READERS[figure](trial))


def _positive(value: float | None) -> float | None:
    """Return a figure that can be one: a file from elsewhere may hold another."""
    return value if value and value > 0 else None


class Contestant(Struct, frozen=True, kw_only=True):
    """A deployment, or its twin, over all rounds."""

    name: str
    title: str
    deployment: str
    role: Role
    typical: Trial
    """The one with the middle rate, of all rounds: its words stand for all."""
    trials: tuple[Trial, ...]
    """In the order of the rounds, without those of voided rounds."""

    @property
    def why_unranked(self) -> str | None:
        """Return why it is not ranked; None where it is."""
        failed = [trial for trial in self.trials if trial.status is TrialStatus.FAILED]
        if failed:
            return f"failed in {len(failed)} of {len(self.trials)} rounds: {failed[0].reason}"
        unfit = [trial for trial in self.trials if not trial.is_rankable]
        if unfit and len(unfit) > LEAST_SHARE * len(self.trials):
            return unfit[-1].reason or "; ".join(warning.text for warning in unfit[-1].warnings)
        return None

    @property
    def believed(self) -> tuple[Trial, ...]:
        """Return the trials whose figures count: of one that is ranked all that went well.

        Those which the generator held back count, too: to leave them out round by round would
        leave the rounds in which it was slower.
        """
        if self.why_unranked is None:
            return tuple(trial for trial in self.trials if trial.status is TrialStatus.OK)
        return tuple(trial for trial in self.trials if trial.is_rankable)


class Voided(Struct, frozen=True, kw_only=True):
    """A round that something from outside spoiled."""

    number: int
    reason: str


class Rounds(Struct, frozen=True, kw_only=True):
    """All rounds of an experiment; the pilots are left out."""

    numbers: tuple[int, ...]
    contestants: tuple[Contestant, ...]
    voided: tuple[Voided, ...] = ()
    advice: str | None = None
    """How to have programs that voided rounds counted as a part of the user's application; None
    where none did, or none is the user's."""

    @property
    def ranked(self) -> tuple[Contestant, ...]:
        """Return those that may be compared, the control's twin included."""
        return tuple(each for each in self.contestants if each.why_unranked is None)

    @property
    def candidates(self) -> tuple[Contestant, ...]:
        """Return those that may be compared."""
        return tuple(each for each in self.ranked if each.role is Role.CANDIDATE)

    @property
    def control(self) -> tuple[str, str] | None:
        """Return the names of a deployment and its twin where both may be compared."""
        twins = [each for each in self.ranked if each.role is Role.CONTROL]
        for twin in twins:
            for each in self.ranked:
                if each.role is Role.CANDIDATE and each.deployment == twin.deployment:
                    return each.name, twin.name
        return None

    @property
    def twin(self) -> str | None:
        """Return the name of the control's twin."""
        twins = [each.name for each in self.contestants if each.role is Role.CONTROL]
        return twins[0] if twins else None

    def values(self, figure: Figure) -> dict[str, tuple[float | None, ...]]:
        """Return a figure of each ranked name in each round; None where it is not believed."""
        return {each.name: self.values_of(each, figure=figure) for each in self.ranked}

    def values_of(self, contestant: Contestant, *, figure: Figure) -> tuple[float | None, ...]:
        """Return a figure of one in each round; None where it is not believed."""
        found = {trial.round: read(figure, trial) for trial in contestant.believed}
        return tuple(found.get(number) for number in self.numbers)

    def interval_of(self, contestant: Contestant, *, figure: Figure) -> RoundsInterval | None:
        """Return a figure of one over the rounds that are believed; None without any value."""
        trials = contestant.believed
        name = _QUANTILES.get(figure)
        if name is None:
            return over_rounds([read(figure, trial) for trial in trials])
        return quantile_over_rounds(
            [_positive(getattr(trial.response_time_s, name, None)) for trial in trials],
            corrected=[
                _positive(getattr(trial.corrected_response_time_s, name, None)) for trial in trials
            ],
        )


def arrange(trials: Sequence[Trial]) -> Rounds:
    """Return the rounds of one workload's trials."""
    made = sorted((trial for trial in trials if trial.round > 0), key=lambda trial: trial.round)
    names = dict.fromkeys((trial.deployment, trial.role) for trial in made)
    voided = tuple(_voided(made))
    return Rounds(
        numbers=tuple(dict.fromkeys(trial.round for trial in made)),
        contestants=tuple(
            _contestant(
                [each for each in made if (each.deployment, each.role) == name],
                void={each.number for each in voided},
            )
            for name in names
        ),
        voided=voided,
        advice=advice_on(made),
    )


def advice_on(trials: Iterable[Trial]) -> str | None:
    """Return how to have what voided rounds counted as a part of an application of the user's."""
    own = (trial for trial in trials if own_causes.is_own(trial))
    return disturbance.advice_on_own(each.noise for each in own if each.noise is not None)


def _contestant(trials: Sequence[Trial], *, void: Container[int]) -> Contestant:
    by_rate = sorted(trials, key=lambda trial: trial.throughput_per_s or 0.0)
    typical = by_rate[len(by_rate) // 2]
    again = "" if typical.role is Role.CANDIDATE else " (again)"
    return Contestant(
        name=typical.deployment + again,
        title=typical.title + again,
        deployment=typical.deployment,
        role=typical.role,
        typical=typical,
        trials=tuple(trial for trial in trials if trial.round not in void),
    )


def _voided(trials: Sequence[Trial]) -> Iterable[Voided]:
    """Yield each round in which any trial was disturbed: it is void for all, or for none."""
    for number in dict.fromkeys(trial.round for trial in trials):
        reasons = dict.fromkeys(
            f"{reason} during {trial.title}"
            for trial in trials
            if trial.round == number and trial.noise is not None
            for reason in disturbance.reasons_to_void(trial.noise)
        )
        if reasons:
            yield Voided(number=number, reason="; ".join(reasons))
