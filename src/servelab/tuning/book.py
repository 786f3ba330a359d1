"""What the complete rounds of a race showed, by candidate."""

from collections.abc import Iterable, Sequence
from statistics import median

from servelab.model.trial import Role
from servelab.model.tuning import Candidate, Measured, Outcome

LEAST_SHARE = 1e-3
"""Of the best rate of its round: a candidate without any goodput counts as having so much, because
nothing has no logarithm."""

Rates = dict[str, tuple[float | None, ...]]


class Book:
    """The trials of complete rounds; those of a void round count for nothing but their number."""

    def __init__(self, rounds: Sequence[Sequence[Measured]]) -> None:
        self._rounds = rounds
        self._void = tuple(any(each.is_void for each in made) for made in rounds)
        self._rates = tuple(
            {} if is_void else _rates(made)
            for made, is_void in zip(rounds, self._void, strict=True)
        )

        self._known: dict[Candidate, tuple[float | None, ...]] = {}

    @property
    def rounds(self) -> int:
        """Return how many rounds are complete."""
        return len(self._rounds)

    @property
    def voided(self) -> int:
        """Return how many of them are void."""
        return sum(self._void)

    def rates(self, candidates: Iterable[Candidate]) -> Rates:
        """Return rate by round of each name; None where there is none."""
        return {each.name: self.rates_of(each) for each in candidates}

    def rates_of(self, candidate: Candidate) -> tuple[float | None, ...]:
        """Return the rate of one in each round."""
        known = self._known.get(candidate)
        if known is None:
            key = (candidate, Role.CANDIDATE)
            known = self._known[candidate] = tuple(made.get(key) for made in self._rates)
        return known

    def slo_value_s(self, candidate: Candidate) -> float | None:
        """Return the median of what the objective is about; None where no trial has it."""
        made = self.measured(candidate)
        known = [each.slo_value_s for each in made if each.slo_value_s is not None]
        return median(known) if known else None

    @property
    def has_goodput(self) -> bool:
        """Tell whether any trial of a round that counts had a rate above nothing."""
        return any(
            bool(each.rate_per_s)
            for made, is_void in zip(self._rounds, self._void, strict=True)
            for each in made
            if not is_void
        )

    def control(self) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
        """Return the rates of whoever ran twice in each round, and those of its twin."""
        pairs = [_pair(made) for made in self._rates]
        return tuple(one for one, _ in pairs), tuple(twin for _, twin in pairs)

    def count(self, candidate: Candidate) -> int:
        """Return in how many rounds a candidate has a rate."""
        return sum(rate is not None for rate in self.rates_of(candidate))

    def trials_of(self, candidate: Candidate) -> tuple[Measured, ...]:
        """Return its trials, also those as the control; those of void rounds are left out."""
        return tuple(
            each
            for made, is_void in zip(self._rounds, self._void, strict=True)
            for each in made
            if not is_void and each.candidate == candidate
        )

    def measured(self, candidate: Candidate) -> tuple[Measured, ...]:
        """Return those of its trials that have a rate."""
        return tuple(e for e in self.trials_of(candidate) if e.outcome is Outcome.MEASURED)

    def memory(self, candidates: Iterable[Candidate]) -> Rates:
        """Return peak memory by round of each name."""
        return {each.name: self._memory_of(each) for each in candidates}

    def peak_memory_bytes(self, candidate: Candidate) -> int | None:
        """Return the median of its rounds."""
        peaks = [each.peak_memory_bytes for each in self.trials_of(candidate)]
        known = [peak for peak in peaks if peak]
        return round(median(known)) if known else None

    def highest_memory_bytes(self, candidate: Candidate) -> int | None:
        """Return the highest of its rounds."""
        peaks = [each.peak_memory_bytes for each in self.trials_of(candidate)]
        return max((peak for peak in peaks if peak), default=None)

    def meets_slo(self, candidate: Candidate) -> bool:
        """Tell whether at least half of its measured trials met the objective."""
        met, made = self.met(candidate)
        return 2 * met >= made

    def met(self, candidate: Candidate) -> tuple[int, int]:
        """Return how many of its measured trials met the objective, and how many there are."""
        made = self.measured(candidate)
        return sum(each.meets_slo for each in made), len(made)

    def is_held_back(self, candidate: Candidate) -> bool:
        """Tell whether the generator held it back in most of its measured trials."""
        made = self.measured(candidate)
        return 2 * sum(each.is_lower_limit for each in made) > len(made)

    def _memory_of(self, candidate: Candidate) -> tuple[float | None, ...]:
        peaks = {
            each.round: float(each.peak_memory_bytes)
            for each in self.trials_of(candidate)
            if each.peak_memory_bytes
        }
        return tuple(peaks.get(made[0].round) if made else None for made in self._rounds)


def _rates(made: Sequence[Measured]) -> dict[tuple[Candidate, Role], float]:
    measured = [
        (each.candidate, each.role, each.rate_per_s)
        for each in made
        if each.outcome is Outcome.MEASURED and each.rate_per_s is not None
    ]
    best = max((rate for _, _, rate in measured), default=0.0)
    if best <= 0:
        return _closeness(made)
    return {(name, role): max(rate, LEAST_SHARE * best) for name, role, rate in measured}


def _closeness(made: Sequence[Measured]) -> dict[tuple[Candidate, Role], float]:
    """Return what ranks those of a round in which nobody has any goodput, in place of a rate.

    That is the inverse of the time that the objective is about, the shortest one's next to nothing.
    """
    measured = [e for e in made if e.outcome is Outcome.MEASURED and e.rate_per_s is not None]
    times_s = [each.slo_value_s for each in measured if each.slo_value_s]
    # Without any such time nobody has less than another.
    least_s = min(times_s, default=1.0)
    unknown_s = max(times_s, default=1.0)
    return {
        (each.candidate, each.role): LEAST_SHARE * least_s / (each.slo_value_s or unknown_s)
        for each in measured
    }


def _pair(made: dict[tuple[Candidate, Role], float]) -> tuple[float | None, float | None]:
    twins = [candidate for candidate, role in made if role is Role.CONTROL]
    if not twins or (twins[0], Role.CANDIDATE) not in made:
        return None, None
    return made[twins[0], Role.CANDIDATE], made[twins[0], Role.CONTROL]
