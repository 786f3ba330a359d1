"""The controller of a search for capacity: past trials -> the next one, or the answer; pure.

Doubling and bisection find the neighbourhood by single trials, which noise misleads. A ladder of
rates around it, each several times in random order, gives a line of ln(quantile) over ln(rate); its
solution is where confirmation begins. docs/capacity.md has the simulations behind the numbers.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, exp, log, sqrt
from statistics import median

from servelab.model.capacity import (
    Answer,
    CapacityGoal,
    CurvePoint,
    Ending,
    Observation,
    Probe,
    Verdict,
)
from servelab.model.load import OpenLoop
from servelab.model.slo import Slo
from servelab.model.step import Step
from servelab.model.trial import Backlog, Trial, TrialStatus
from servelab.stats.crossing import crossing

NARROW = 1.25
"""Bisection ends where high / low is no more."""
RUNGS = 6
ROUNDS = 3
LADDER_REACH = (0.9, 1.08)
"""The ladder spans a little more than the bracket, which single trials have found."""
MOST_RUNGS = 14
LEAST_TARGETS = 10
"""A queue that takes as long as the target needs several times that to build up."""
SCORE_LIMIT = log(2)
"""Beyond half and twice the target the quantile tells how long the trial was, not where it is."""
CAUTION = 0.95
"""Confirmation begins below the solution: short trials that begin with an empty server flatter."""
STEP_DOWN = 0.97
CONFIRMING = 3
TRIALS_AT_MOST = 5
MOST_ATTEMPTS = 12
MOST_INVALID = 4
HIGHEST_RATE_PER_S = 200_000.0
LEAST_COMPLETED_SHARE = 0.98
GROWTH_LIMIT_SHARE = 0.01
"""In flight may grow by this part of the rate before it counts as growth."""
_LENGTHS = {
    Step.DOUBLING: 1 / 6,
    Step.BISECTION: 1 / 6,
    Step.LADDER: 1 / 3,
    Step.CONFIRMATION: 1.0,
}
_FIRST_PROBE_S = 60.0
_LONGEST_PROBE_S = 600.0

Past = Sequence[Observation]


def default_first_rate_per_s(slo: Slo) -> float:
    """Return a rate at which a probe lasts a minute, and no less than 10 a second."""
    return _rounded(max(10.0, _requests(slo) / _FIRST_PROBE_S))


def lowest_rate_per_s(slo: Slo) -> float:
    """Return the rate at which a probe lasts ten minutes: below, nobody would wait for it."""
    return _rounded(_requests(slo) / _LONGEST_PROBE_S)


def _requests(slo: Slo) -> float:
    # Arrivals are random: four standard deviations more, and hardly a probe has too few.
    return slo.least_requests + 4 * sqrt(slo.least_requests)


def next_probe(past: Past, *, goal: CapacityGoal) -> Probe | None:
    """Return the next trial; None where the search has ended."""
    if _says_nothing(past):
        return None
    valid = _valid(past)
    for step, rate_per_s in (
        (Step.DOUBLING, _doubling),
        (Step.BISECTION, _bisection),
        (Step.LADDER, _ladder),
        (Step.CONFIRMATION, _confirmation),
    ):
        rate = rate_per_s(valid, goal)
        if isinstance(rate, Ending):
            return None
        if rate is not None:
            return Probe(
                number=len(past) + 1,
                step=step,
                rate_per_s=rate,
                duration_s=duration_s(rate, step=step, goal=goal),
            )
    return None


def duration_s(rate_per_s: float, *, step: Step, goal: CapacityGoal) -> float:
    """Return how long a probe lasts: long enough for its step, its quantile and its target."""
    seconds = max(
        _LENGTHS[step] * goal.confirmation_s,
        _requests(goal.slo) / rate_per_s,
        LEAST_TARGETS * goal.slo.target_s,
    )
    return ceil(10 * seconds) / 10


def _says_nothing(past: Past) -> bool:
    last = past[-MOST_INVALID:]
    return len(last) == MOST_INVALID and all(each.verdict is Verdict.NOTHING for each in last)


def _doubling(past: Past, goal: CapacityGoal) -> float | Ending | None:
    found = [each for each in past if each.step is Step.DOUBLING]
    if not found:
        return goal.first_rate_per_s
    low, high = _bracket(found)
    if high is None:
        highest = max(each.rate_per_s for each in found)
        return Ending.NO_FAILURE if highest >= HIGHEST_RATE_PER_S else _rounded(2 * highest)
    if low is None:
        lowest = min(each.rate_per_s for each in found)
        if lowest <= goal.lowest_rate_per_s:
            return Ending.TOO_SLOW
        return _rounded(max(goal.lowest_rate_per_s, lowest / 2))
    return None


def _bisection(past: Past, goal: CapacityGoal) -> float | None:
    del goal
    low, high = _searched(past)
    return _rounded(sqrt(low * high)) if high / low > NARROW else None


def _searched(past: Past) -> tuple[float, float]:
    """Return the bracket that doubling and bisection have found."""
    low, high = _bracket([e for e in past if e.step in {Step.DOUBLING, Step.BISECTION}])
    if low is None or high is None:
        raise ValueError("the search has no bracket yet")
    return low, high


def _bracket(past: Past) -> tuple[float | None, float | None]:
    passed = [each.rate_per_s for each in past if each.verdict is Verdict.PASS]
    failed = [each.rate_per_s for each in past if each.verdict is Verdict.FAIL]
    return max(passed, default=None), min(failed, default=None)


def _ladder(past: Past, goal: CapacityGoal) -> float | None:
    planned = _planned_ladder(*_searched(past), seed=goal.seed)
    rungs = _by_rate(past, step=Step.LADDER)
    done = sum(map(len, rungs.values()))
    if done < len(planned):
        return planned[done]
    begun = [rate for rate, seen in rungs.items() if len(seen) < ROUNDS]
    if begun:
        return begun[0]
    return _further_rung(rungs, goal) if len(rungs) < MOST_RUNGS else None


def _planned_ladder(low: float, high: float, *, seed: int) -> list[float]:
    """Return the rates of all rounds, each round in an order of its own."""
    bottom, top = low * LADDER_REACH[0], high * LADDER_REACH[1]
    ratio = (top / bottom) ** (1 / (RUNGS - 1))
    rates = [_rounded(bottom * ratio**number) for number in range(RUNGS)]
    shuffled = random.Random(seed)  # noqa: S311 - nothing here is a secret
    return [rate for _ in range(ROUNDS) for rate in shuffled.sample(rates, len(rates))]


def _further_rung(rungs: Mapping[float, Sequence[Observation]], goal: CapacityGoal) -> float | None:
    """Return a rung beyond an end where the ladder has not crossed the target; None: it has."""
    bottom, top = min(rungs), max(rungs)
    ratio = (top / bottom) ** (1 / (len(rungs) - 1))
    if not _mostly_failed(rungs[top]):
        return _rounded(top * ratio)
    if _mostly_failed(rungs[bottom]) and bottom > goal.lowest_rate_per_s:
        return _rounded(max(goal.lowest_rate_per_s, bottom / ratio))
    return None


def _confirmation(past: Past, goal: CapacityGoal) -> float | Ending | None:
    attempts = _by_rate(past, step=Step.CONFIRMATION)
    if not attempts:
        return _rounded(CAUTION * solved_per_s(past, slo=goal.slo))
    rate = min(attempts)
    passes, failures = _counts(attempts[rate])
    if passes >= CONFIRMING:
        return Ending.CONFIRMED
    if failures <= TRIALS_AT_MOST - CONFIRMING:
        return rate
    if rate <= goal.lowest_rate_per_s:
        return Ending.TOO_SLOW
    if len(attempts) >= MOST_ATTEMPTS:
        return Ending.NOT_CONFIRMED
    return _rounded(max(goal.lowest_rate_per_s, rate * STEP_DOWN))


def solved_per_s(past: Past, *, slo: Slo) -> float:
    """Return the rate at which a line through the ladder meets the target.

    The line is one of ln(quantile / target), limited to half and twice the target, over ln(rate),
    through the six rungs around the change from pass to fail. A trial that failed for another
    reason than its quantile counts as far above the target.
    """
    rungs = sorted(_by_rate(_valid(past), step=Step.LADDER).items())
    passed = sum(not _mostly_failed(seen) for _, seen in rungs)
    start = max(0, min(passed - RUNGS // 2, len(rungs) - RUNGS))
    near = [each for _, seen in rungs[start : start + RUNGS] for each in seen]
    return exp(
        crossing([log(each.rate_per_s) for each in near], [_score(each, slo=slo) for each in near])
    )


def _solved(past: Past, *, goal: CapacityGoal) -> float | None:
    """Return the solution of a ladder that is complete; None before."""
    steps = {each.step for each in past}
    is_complete = {Step.LADDER, Step.CONFIRMATION} <= steps
    return solved_per_s(past, slo=goal.slo) if is_complete else None


def _valid(past: Past) -> list[Observation]:
    return [each for each in past if each.verdict is not Verdict.NOTHING]


def _score(seen: Observation, *, slo: Slo) -> float:
    if seen.quantile_s is None or seen.quantile_s <= 0:
        return -SCORE_LIMIT if seen.verdict is Verdict.PASS else SCORE_LIMIT
    score = log(seen.quantile_s / slo.target_s)
    if seen.verdict is Verdict.FAIL and score < 0:
        return SCORE_LIMIT
    return min(SCORE_LIMIT, max(-SCORE_LIMIT, score))


def answer(past: Past, *, goal: CapacityGoal) -> Answer:
    """Return what the trials so far say."""
    valid = _valid(past)
    by_rate = _by_rate(valid)
    attempts = _by_rate(valid, step=Step.CONFIRMATION)
    confirmed = max(
        (rate for rate, seen in attempts.items() if _counts(seen)[0] >= CONFIRMING), default=None
    )
    passed = max((rate for rate, seen in by_rate.items() if not _mostly_failed(seen)), default=None)
    above = confirmed or passed or 0.0
    return Answer(
        ending=Ending.CONFIRMED if confirmed else _ending(past, valid, goal=goal),
        confirmed_per_s=confirmed,
        passes=_counts(attempts[confirmed])[0] if confirmed else 0,
        trials=len(attempts[confirmed]) if confirmed else 0,
        failed_per_s=min(
            (rate for rate, seen in by_rate.items() if rate > above and _mostly_failed(seen)),
            default=None,
        ),
        passed_per_s=passed,
        solved_per_s=_solved(past, goal=goal),
        curve=tuple(_point(rate, seen) for rate, seen in sorted(by_rate.items())),
    )


def _ending(past: Past, valid: Past, *, goal: CapacityGoal) -> Ending:
    """Return how a search without a confirmed rate stands."""
    if _says_nothing(past):
        return Ending.NOTHING_SAID
    for decide in (_doubling, _confirmation):
        if decide is _confirmation and not _by_rate(valid, step=Step.CONFIRMATION):
            continue
        stands = decide(valid, goal)
        if isinstance(stands, Ending):
            return stands
    return Ending.UNFINISHED


def _by_rate(past: Past, *, step: Step | None = None) -> dict[float, list[Observation]]:
    found: defaultdict[float, list[Observation]] = defaultdict(list)
    for each in past:
        if step is None or each.step is step:
            found[each.rate_per_s].append(each)
    return dict(found)


def _counts(seen: Iterable[Observation]) -> tuple[int, int]:
    """Return how many passed and how many failed."""
    verdicts = [each.verdict for each in seen]
    return verdicts.count(Verdict.PASS), verdicts.count(Verdict.FAIL)


def _mostly_failed(seen: Iterable[Observation]) -> bool:
    passes, failures = _counts(seen)
    return failures > passes


def _point(rate_per_s: float, seen: Sequence[Observation]) -> CurvePoint:
    known = [each.quantile_s for each in seen if each.quantile_s is not None]
    return CurvePoint(
        rate_per_s=rate_per_s,
        trials=len(seen),
        passed=_counts(seen)[0],
        quantile_s=median(known) if 2 * len(known) > len(seen) else None,
    )


def _rounded(rate_per_s: float) -> float:
    """Return a rate that people can read and type: three significant digits."""
    return float(f"{rate_per_s:.3g}")


def observation(trial: Trial, *, slo: Slo) -> Observation:
    """Return what a trial of a search says; raise ValueError of any other trial."""
    if trial.step is None or not isinstance(trial.load, OpenLoop):
        raise ValueError(f"{trial.id} belongs to no search for capacity")
    verdict, reason = judge(trial, slo=slo)
    return Observation(
        step=trial.step,
        rate_per_s=trial.load.rate_per_s,
        verdict=verdict,
        quantile_s=slo.of(trial.response_time_s) if trial.response_time_s else None,
        reason=reason,
    )


def judge(trial: Trial, *, slo: Slo) -> tuple[Verdict, str | None]:
    """Return whether a trial met an objective, and why where it did not."""
    times = trial.response_time_s
    if trial.status is TrialStatus.INVALID or times is None:
        return Verdict.NOTHING, trial.reason
    if trial.failure_share > slo.failure_limit:
        return Verdict.FAIL, f"{trial.failures} of {trial.scheduled} requests failed"
    if trial.status is TrialStatus.FAILED and not trial.merely_exceeds_failure_limit:
        return Verdict.FAIL, trial.reason
    quantile_s = slo.of(times)
    if quantile_s is None:
        return Verdict.NOTHING, f"{trial.scheduled} requests are too few for {slo.quantile}"
    load = trial.load
    rate_per_s = load.rate_per_s if isinstance(load, OpenLoop) else 0.0
    return judged(quantile_s, backlog=trial.backlog, rate_per_s=rate_per_s, slo=slo)


def judged(
    quantile_s: float, *, backlog: Backlog | None, rate_per_s: float, slo: Slo
) -> tuple[Verdict, str | None]:
    """Return whether a server that answered met an objective, and why where it did not.

    Beside its quantile it must have kept up: completed 98 % of what arrived, chance allowed for,
    and the number in flight must not grow, which it does where its slope is surely above zero and
    more than 1 % of the rate.
    """
    if quantile_s >= slo.target_s:
        return Verdict.FAIL, f"{slo.quantile} was {quantile_s * 1e3:.4g} ms"
    if backlog is None:
        return Verdict.PASS, None
    if backlog.completed_share_high < LEAST_COMPLETED_SHARE:
        return Verdict.FAIL, f"it completed only {backlog.completed_share:.1%} of what arrived"
    if backlog.growth_low_per_s > 0 and backlog.growth_per_s > GROWTH_LIMIT_SHARE * rate_per_s:
        return Verdict.FAIL, f"requests in flight grew by {backlog.growth_per_s:.3g} a second"
    return Verdict.PASS, None


def expected_s(goal: CapacityGoal, *, capacity_per_s: float, overhead_s: float) -> float:
    """Return how long a search takes on a server without noise; overhead is that of each trial."""
    past: list[Observation] = []
    seconds = 0.0
    while (probe := next_probe(past, goal=goal)) is not None:
        seconds += probe.duration_s + overhead_s
        share = probe.rate_per_s / capacity_per_s
        past.append(
            Observation(
                step=probe.step,
                rate_per_s=probe.rate_per_s,
                verdict=Verdict.PASS if share < 1 else Verdict.FAIL,
                quantile_s=goal.slo.target_s * share,
            )
        )
    return seconds
