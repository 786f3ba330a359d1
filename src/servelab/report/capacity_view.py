"""What is said of a search for capacity, before any rendering."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from servelab import capacity
from servelab.model.capacity import (
    Answer,
    CapacityGoal,
    CapacityOrder,
    CapacityResult,
    CurvePoint,
    Ending,
    Observation,
    Probe,
    Verdict,
)
from servelab.model.load import OpenLoop
from servelab.model.step import Step
from servelab.model.trial import Trial
from servelab.report import bars, quantities
from servelab.store.folder import StoredRun

COLUMNS = ("trial", "step", "rate", "seconds", "quantile ms", "verdict")
_GAP = "  "
_SHORTEST_BAR = 5
_NOTED = 0.5
"""A warning is passed on where at least this share of the trials has it."""


class CapacityPage(Struct, frozen=True, kw_only=True):
    """All that is said of one search."""

    heading: str
    objective: str
    is_confirmed: bool
    verdict: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """A row for each trial."""
    curve: tuple[CurvePoint, ...]
    target_s: float
    quantile: str
    notes: tuple[str, ...]


def result(run: StoredRun) -> CapacityResult | None:
    """Return what a stored search found, from its trials; None of a run that is no search."""
    if run.capacity is None:
        return None
    goal = run.capacity.goal
    seen = tuple(capacity.observation(trial, slo=goal.slo) for trial in _probes(run.trials))
    return CapacityResult(
        order=run.capacity,
        objective=str(goal.slo),
        observations=seen,
        answer=capacity.answer(seen, goal=goal),
    )


def page(run: StoredRun, found: CapacityResult) -> CapacityPage:
    """Return what is said of a search."""
    goal, answer = found.order.goal, found.answer
    first = run.trials[0] if run.trials else None
    name = first.title if first else "the deployment"
    columns = tuple(goal.slo.quantile + " ms" if c == "quantile ms" else c for c in COLUMNS)
    return CapacityPage(
        heading=f"{name}, {first.workload}" if first else name,
        objective=found.objective,
        is_confirmed=answer.ending is Ending.CONFIRMED,
        verdict=_verdict(name, found=found, was_interrupted=run.end.interrupted),
        columns=columns,
        rows=tuple(
            _row(trial, seen)
            for trial, seen in zip(_probes(run.trials), found.observations, strict=True)
        ),
        curve=answer.curve,
        target_s=goal.slo.target_s,
        quantile=goal.slo.quantile,
        notes=tuple(_notes(run.trials, answer)),
    )


def _probes(trials: Sequence[Trial]) -> list[Trial]:
    return [
        each
        for each in trials
        if each.step is not None and isinstance(each.load, OpenLoop) and each.load.rate_per_s > 0
    ]


def _verdict(name: str, *, found: CapacityResult, was_interrupted: bool) -> str:
    answer, goal = found.answer, found.order.goal
    asked = found.objective
    match answer.ending:
        case Ending.CONFIRMED:
            return _confirmed(name, found=found)
        case Ending.TOO_SLOW:
            return (
                f"{name} misses {asked} even at {_rate(answer.failed_per_s)}, the lowest rate that "
                "was tried; give it a longer target, or less work"
            )
        case Ending.NO_FAILURE:
            return (
                f"{name} meets {asked} even at {_rate(answer.passed_per_s)}, the highest rate that "
                "is tried; its capacity is unknown"
            )
        case Ending.NOTHING_SAID:
            reason = found.observations[-1].reason or "it is unknown why"
            return (
                f"{name}: the capacity cannot be told, {_known(answer)}; the last "
                f"{capacity.MOST_INVALID} trials, at {_rate(found.observations[-1].rate_per_s)}, "
                f"said nothing: {reason}"
            )
        case Ending.NOT_CONFIRMED:
            return (
                f"No rate passed {capacity.CONFIRMING} of {capacity.TRIALS_AT_MOST} trials of "
                f"{goal.confirmation_s:g} s: {_known(answer)}; quiet the machine and search again"
            )
        case Ending.UNFINISHED:
            cause = "it was interrupted" if was_interrupted else "the budget was spent"
            return f"{name}: no capacity is confirmed, because {cause}; {_known(answer)}"


def _confirmed(name: str, *, found: CapacityResult) -> str:
    answer, goal = found.answer, found.order.goal
    rate = _rate(answer.confirmed_per_s)
    length_s = capacity.duration_s(answer.confirmed_per_s or 0.0, step=Step.CONFIRMATION, goal=goal)
    failed = (
        f"failed at {_rate(answer.failed_per_s)}"
        if answer.failed_per_s
        else "and no higher rate failed"
    )
    return (
        f"{name} sustains {rate} with {found.objective}: confirmed {rate} ({answer.passes} of "
        f"{answer.trials} trials of {length_s:g} s passed), {failed}"
    )


def _known(answer: Answer) -> str:
    passed, failed = answer.passed_per_s, answer.failed_per_s
    if passed is None and failed is None:
        return "no rate was judged"
    parts = [
        f"{word} at {_rate(rate)}"
        for word, rate in (("it passed", passed), ("failed", failed))
        if rate is not None
    ]
    return " and ".join(parts) + " in single trials"


def _rate(per_s: float | None) -> str:
    return quantities.MISSING if per_s is None else f"{per_s:g}/s"


def _row(trial: Trial, seen: Observation) -> tuple[str, ...]:
    return (
        str(trial.round),
        seen.step.value,
        _rate(seen.rate_per_s),
        quantities.MISSING if trial.window_s is None else f"{trial.window_s:.1f}",
        quantities.fine_milliseconds(seen.quantile_s),
        _said(seen),
    )


def _said(seen: Observation) -> str:
    word = "invalid" if seen.verdict is Verdict.NOTHING else seen.verdict.value
    # The remedy, which comes behind a semicolon, is said once, in the verdict.
    return f"{word}: {seen.reason.partition(';')[0]}" if seen.reason else word


def _notes(trials: Sequence[Trial], answer: Answer) -> Iterable[str]:
    if answer.ending is Ending.CONFIRMED:
        yield (
            "Near the limit single trials pass and fail by chance; what is confirmed lies a few "
            "percent below it on purpose (docs/capacity.md)."
        )
    kinds = Counter(kind for trial in trials for kind in {each.kind for each in trial.warnings})
    for kind, count in kinds.items():
        if count >= _NOTED * len(trials):
            text = next(w.text for t in reversed(trials) for w in t.warnings if w.kind == kind)
            yield f"In {count} of {len(trials)} trials: {text}"


def curve_rows(
    page: CapacityPage, *, blocks: str = bars.EIGHTHS, width: int | None = None
) -> tuple[str, ...]:
    """Return a picture of the quantile over the rate; the target is a line in its middle.

    It is as long as rows of ``width`` allow.
    """
    rates = [_rate(point.rate_per_s) for point in page.curve]
    passes = [f"{point.passed}/{point.trials}" for point in page.curve]
    times = [_milliseconds(point) for point in page.curve]
    widths = [max(map(len, texts), default=0) for texts in (rates, passes, times)]
    room = bars.WIDTH if width is None else width - sum(widths) - 3 * len(_GAP)
    cells = max(_SHORTEST_BAR, min(bars.WIDTH, room))
    return tuple(
        _GAP.join(
            [
                f"{rate:>{widths[0]}}",
                f"{passed:>{widths[1]}}",
                _bar(point, target_s=page.target_s, blocks=blocks, cells=cells),
                time,
            ]
        ).rstrip()
        for rate, passed, point, time in zip(rates, passes, page.curve, times, strict=True)
    )


def _milliseconds(point: CurvePoint) -> str:
    if point.quantile_s is None:
        return "-"
    return f"{quantities.fine_milliseconds(point.quantile_s)} ms"


def _bar(point: CurvePoint, *, target_s: float, blocks: str, cells: int) -> str:
    share = min(1.0, (point.quantile_s or 0.0) / (2 * target_s))
    drawn = bars.bar(share, blocks=blocks, cells=cells)
    target_at = cells // 2
    if len(drawn) <= target_at:
        drawn = drawn.ljust(target_at) + "|"
    return drawn.ljust(cells)


def short_rows(page: CapacityPage) -> Iterable[tuple[str, str]]:
    """Yield what a trial measured, and what it was and said, for lines below each other."""
    for number, step, rate, seconds, quantile, said in page.rows:
        yield f"{number:>3}  {rate}  {seconds} s  {page.quantile} {quantile} ms", f"{step}, {said}"


def probe_line(probe: Probe, seen: Observation, *, quantile: str) -> str:
    """Return what a trial said, on a line."""
    value = quantities.fine_milliseconds(seen.quantile_s)
    return (
        f"{probe.number:>3}  {probe.step.value:<12}  {_rate(probe.rate_per_s):>9}  "
        f"{probe.duration_s:g} s  {quantile} {value} ms  {_said(seen)}"
    )


def expectation(order: CapacityOrder, *, durations: Sequence[tuple[float, float]]) -> str:
    """Return how long a search is going to take, for some (capacity per second, seconds)."""
    cases = ", ".join(
        f"{quantities.duration(seconds)} for a capacity of {_rate(rate)}"
        for rate, seconds in durations
    )
    limit = (
        f"; it stops after {quantities.duration(order.budget_s)}, answer or not"
        if order.budget_s is not None
        else ""
    )
    return f"{_plan_of(order.goal)} Expected without noise: {cases}{limit}."


def _plan_of(goal: CapacityGoal) -> str:
    return (
        f"A trial has at least {goal.slo.least_requests} requests, one that confirms lasts at "
        f"least {goal.confirmation_s:g} s."
    )
