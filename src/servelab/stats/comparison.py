"""Which deployment leads, and what can be said of it beside each other one.

The leader is chosen by the same figures that judge it. Any two deployments may turn out to be the
leader and its rival, so that all pairs, not only those printed, share the error that is allowed
(`holm_levels`): the choice then cannot make a false winner more likely. Of two deployments this is
the plain 95 % interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import expm1, inf, log1p

from msgspec import structs

from servelab.model.verdict import (
    Better,
    CannotTell,
    Comparison,
    Control,
    Direction,
    Doubt,
    Equivalent,
    Judging,
    RatioInterval,
    Undecided,
    Verdict,
    Verdicts,
)
from servelab.stats.pairs import (
    Evidence,
    evidence_of,
    log_ratios,
    ratio_interval,
    rounds_to_decide,
)

Values = Mapping[str, Sequence[float | None]]
"""Name of a deployment -> its figure in each round; None where the round or its trial is not
believed. All have as many rounds."""

INTERIM_ERROR = 0.001
"""Allowed at each look before the last; see `stats.stopping`."""
LOOKING_SHARE = 0.2
"""Of the allowed error, what stopping early costs: an experiment which ends because its intervals
are narrow ends where the spread looks smaller than it is. Intervals of 96 % hold for 95 % then."""
_LEAST_PAIRS = 2

_JUDGING = Judging()


def judge(
    values: Values,
    *,
    control: tuple[str, str] | None = None,
    voided_rounds: int = 0,
    judging: Judging = _JUDGING,
) -> Verdicts:
    """Return the leader and a verdict on each other deployment, at the end of an experiment.

    `control` names a deployment and its twin, the same one under a second name; the twin is not
    ranked. A round counts for a pair where both have a figure. `voided_rounds` of the rounds were
    voided by the noise gates; their figures must be None. The printed interval of each comparison
    is the one that Holm's procedure judged it by, so that verdict and interval never disagree:
    each holds with `confidence` or more, and all verdicts together with `confidence`.
    ValueError where the numbers of rounds differ, or a figure is not positive.
    """
    rounds = _count_rounds(values)
    judged_control = _judge_control(values, names=control, judging=judging)
    field = Field(values, twin=control[1] if control else None, direction=judging.direction)
    leader = field.leader(least_rounds=judging.least_rounds)
    levels = field.levels(judging, error=final_error(judging))
    comparisons = [
        _compare(field, (leader, other), levels=levels, judging=judging)
        for other in field.names
        if leader is not None and other != leader
    ]
    resolution = _resolution(comparisons, judged_control)
    voided = voided_rounds / rounds if rounds else 0.0
    doubt = _doubt(judged_control, resolution, voided=voided, judging=judging)
    return Verdicts(
        leader=leader,
        comparisons=tuple(
            sorted(
                (_doubted(each, doubt) for each in comparisons),
                key=lambda each: each.ratio.estimate if each.ratio else inf,
            )
        ),
        control=judged_control,
        doubt=doubt,
        delta=judging.delta,
        confidence=judging.confidence,
        rounds=rounds,
        resolution=resolution,
    )


def final_error(judging: Judging) -> float:
    """Return the error that is left for the last look, all comparisons together."""
    return (1 - judging.confidence) * (1 - LOOKING_SHARE)


def holm_levels(errors: Sequence[float], *, error: float) -> list[float]:
    """Return the error at which each hypothesis is judged, so that all share the one given.

    The clearest is judged at error / m, the next at error / (m - 1), ..., until one is not clear
    enough; it and all behind it are judged at its level (S. Holm, Scandinavian Journal of
    Statistics 6(2), 1979). `errors` are the smallest errors at which each would be decided.
    """
    levels = [0.0] * len(errors)
    is_open = True
    level = 0.0
    order = sorted(range(len(errors)), key=errors.__getitem__)
    for place, index in enumerate(order):
        if is_open:
            level = error / (len(errors) - place)
            is_open = errors[index] <= level
        levels[index] = level
    return levels


class Field:
    """The deployments that are ranked, and the evidence on each pair of them."""

    def __init__(self, values: Values, *, twin: str | None, direction: Direction) -> None:
        self.names = tuple(name for name in values if name != twin)
        self._values = values
        self._direction = direction
        pairs = {pair: self.advantages(*pair) for pair in combinations(self.names, 2)}
        self._strictest = INTERIM_ERROR / max(1, len(pairs))
        self._evidence = {
            pair: evidence_of(found, strictest_error=self._strictest)
            for pair, found in pairs.items()
            if len(found) >= _LEAST_PAIRS
        }

    def advantages(self, first: str, second: str) -> list[float]:
        """Return by how much the first is better in each round that both have, as log ratios."""
        return advantages(self._values, (first, second), direction=self._direction)

    def evidence(self, first: str, second: str) -> Evidence | None:
        """Return what the rounds say of the first over the second; None of fewer than 2 pairs."""
        found = self.advantages(first, second)
        if len(found) < _LEAST_PAIRS:
            return None
        return evidence_of(found, strictest_error=self._strictest)

    def leader(self, *, least_rounds: int) -> str | None:
        """Return the name that no other beats: without gaps, the highest geometric mean.

        Each pair is compared over the rounds that it shares, so that nobody gains from having
        missed a bad one; a name with few figures cannot lead.
        """
        counts = {
            name: sum(value is not None for value in self._values[name]) for name in self.names
        }
        enough = max(1, min(least_rounds, max(counts.values(), default=0)))
        able = [name for name in self.names if counts[name] >= enough]
        return max(able, key=lambda name: self._worst_lead(name, able), default=None)

    def levels(self, judging: Judging, *, error: float) -> dict[frozenset[str], float]:
        """Return the error at which each pair is judged, all pairs sharing the one given."""
        margin = log1p(judging.delta)
        errors = [
            evidence.error_of(margin) if evidence.count >= judging.least_rounds else 1.0
            for evidence in self._evidence.values()
        ]
        levels = holm_levels(errors, error=error)
        return {frozenset(pair): each for pair, each in zip(self._evidence, levels, strict=True)}

    def _worst_lead(self, name: str, others: Sequence[str]) -> float:
        return min((self._lead(name, other) for other in others if other != name), default=0.0)

    def _lead(self, name: str, other: str) -> float:
        if (evidence := self._evidence.get((name, other))) is not None:
            return evidence.centre
        if (evidence := self._evidence.get((other, name))) is not None:
            return -evidence.centre
        return sum(self.advantages(name, other))


def advantages(values: Values, pair: tuple[str, str], *, direction: Direction) -> list[float]:
    """Return by how much the first is better in each round that both have, as log ratios."""
    first, second = (values[name] for name in pair)
    if direction is Direction.HIGHER:
        return log_ratios(first, second)
    return log_ratios(second, first)


def _count_rounds(values: Values) -> int:
    counts = {len(each) for each in values.values()}
    if len(counts) > 1:
        raise ValueError(f"the deployments have different numbers of rounds: {sorted(counts)}")
    return counts.pop() if counts else 0


def _judge_control(
    values: Values, *, names: tuple[str, str] | None, judging: Judging
) -> Control | None:
    """Hold a deployment against itself, once, with the whole error for this one interval."""
    if names is None:
        return None
    ratios = advantages(values, names, direction=judging.direction)
    ratio = None
    if len(ratios) >= _LEAST_PAIRS:
        evidence = evidence_of(ratios, strictest_error=INTERIM_ERROR)
        error = 1 - judging.confidence
        ratio = ratio_interval(evidence, error=error, confidence=judging.confidence)
    name, twin = names
    return Control(name=name, twin=twin, ratio=ratio, is_sound=_is_sound(ratio, judging))


def _is_sound(ratio: RatioInterval | None, judging: Judging) -> bool:
    """Tell whether the interval touches the range that does not matter."""
    if ratio is None or ratio.rounds < judging.least_rounds:
        return True
    return ratio.low <= 1 + judging.delta and ratio.high >= 1 / (1 + judging.delta)


def _compare(
    field: Field,
    names: tuple[str, str],
    *,
    levels: Mapping[frozenset[str], float],
    judging: Judging,
) -> Comparison:
    leader, other = names
    evidence = field.evidence(leader, other)
    if evidence is None:
        pairs = len(field.advantages(leader, other))
        verdict: Verdict = CannotTell(reason=Doubt.NO_PAIRS)
        if pairs:
            verdict = Undecided(more_rounds=judging.least_rounds - pairs)
        return Comparison(leader=leader, other=other, ratio=None, verdict=verdict)
    error = levels[frozenset(names)]
    return Comparison(
        leader=leader,
        other=other,
        ratio=ratio_interval(evidence, error=error, confidence=1 - error / (1 - LOOKING_SHARE)),
        verdict=_verdict(evidence, error=error, judging=judging),
    )


def _verdict(evidence: Evidence, *, error: float, judging: Judging) -> Verdict:
    margin = log1p(judging.delta)
    low, high = evidence.limits(error)
    if evidence.count >= judging.least_rounds:
        if low > margin:
            return Better()
        if -margin < low and high < margin:
            return Equivalent(largest_difference=expm1(max(high, -low)))
    needed = rounds_to_decide(evidence, margin=margin, error=error)
    if needed is None:
        return Undecided(more_rounds=None)
    return Undecided(more_rounds=max(1, max(needed, judging.least_rounds) - evidence.count))


def _resolution(comparisons: Sequence[Comparison], control: Control | None) -> float | None:
    """Return the half-width of the control, whose whole spread is the machine's.

    Without a control, the largest among the comparisons.
    """
    if control is not None and control.ratio is not None:
        return control.ratio.half_width
    return max((each.ratio.half_width for each in comparisons if each.ratio), default=None)


def _doubt(
    control: Control | None,
    resolution: float | None,
    *,
    voided: float,
    judging: Judging,
) -> CannotTell | None:
    if voided > judging.most_voided:
        return CannotTell(reason=Doubt.NOISE, smallest_difference=resolution)
    if control is not None and control.ratio is not None and not control.is_sound:
        told = control.ratio.largest_difference
        return CannotTell(reason=Doubt.CONTROL, smallest_difference=told)
    return None


def _doubted(comparison: Comparison, doubt: CannotTell | None) -> Comparison:
    return comparison if doubt is None else structs.replace(comparison, verdict=doubt)
