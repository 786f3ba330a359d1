"""What several rounds say: the verdict in words, and the table with intervals; no rendering."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from math import inf

from msgspec import Struct

from servelab.explain.rounds import Contestant, Rounds, arrange
from servelab.model.figure import Figure
from servelab.model.plan import Plan
from servelab.model.trial import Trial
from servelab.model.verdict import (
    Better,
    CannotTell,
    Comparison,
    Direction,
    Doubt,
    Equivalent,
    Judging,
    RatioInterval,
    RoundsInterval,
    Undecided,
    Verdicts,
)
from servelab.report import quantities
from servelab.report.other_python import remarks
from servelab.report.view import (
    Column,
    Row,
    Table,
    ceilings_by_interpreter,
    why_in_short,
    without_empty_columns,
)
from servelab.stats.comparison import judge
from servelab.store.folder import StoredRun

_MOST_SENTENCES = 5
"""So many comparisons are told in words; the table has them all."""
_LEADER = "the best"
_PAIR = 2


class _Shown(Struct, frozen=True):
    figure: Figure
    column: Column
    text: Callable[[float], str]


_FIGURES = (
    _Shown(Figure.THROUGHPUT, Column("requests/s", is_essential=True), quantities.rate),
    _Shown(Figure.EFFICIENCY, Column("of ceiling", may_vanish=True), quantities.percent),
    _Shown(Figure.P50, Column("p50 ms", is_essential=True), quantities.milliseconds),
    _Shown(Figure.P90, Column("p90 ms"), quantities.milliseconds),
    _Shown(Figure.P99, Column("p99 ms"), quantities.milliseconds),
    _Shown(Figure.CPU, Column("CPU ms/call"), quantities.milliseconds),
    _Shown(Figure.MEMORY, Column("memory"), lambda value: quantities.megabytes(round(value))),
)
_WORDS = {
    Figure.THROUGHPUT: "rate",
    Figure.P50: "median response time",
    Figure.P90: "p90 of the response time",
    Figure.P99: "p99 of the response time",
    Figure.CPU: "CPU time per call",
    Figure.MEMORY: "memory",
    Figure.EFFICIENCY: "efficiency",
}
_ROUNDS = Column("rounds", is_essential=True)
_BESIDE = Column("beside the best", is_essential=True, is_text=True, may_vanish=True)
_WHY = Column("why", is_text=True)


def are_rounds(run: StoredRun) -> bool:
    """Tell whether a run measured its deployments more than once."""
    if run.plan is not None:
        return not run.plan.is_single
    return any(trial.round > 1 and trial.step is None for trial in run.trials)


def is_decided(run: StoredRun) -> bool:
    """Tell whether each comparison of a run has an answer."""
    found = verdicts(run.trials, plan=run.plan)
    return found is not None and bool(found.comparisons) and found.is_decided


def verdicts(trials: Sequence[Trial], *, plan: Plan | None) -> Verdicts | None:
    """Return how the deployments compare; None where nobody asked."""
    return _verdicts(arrange(trials), plan=plan)


def _verdicts(rounds: Rounds, *, plan: Plan | None) -> Verdicts | None:
    if plan is None or plan.judging is None:
        return None
    return judge(
        rounds.values(plan.figure),
        control=rounds.control,
        voided_rounds=len(rounds.voided),
        judging=plan.judging,
    )


def table(trials: Sequence[Trial], *, plan: Plan | None, workload: str) -> Table:
    """Return the table of one workload's rounds, best first where a ranking is supported."""
    rounds = arrange(trials)
    found = _verdicts(rounds, plan=plan)
    ranked = {each.name for each in rounds.ranked}
    return without_empty_columns(
        Table(
            workload=workload,
            verdict="\n".join(_sentences(rounds, found, plan=plan, workload=workload)),
            columns=(*(each.column for each in _FIGURES), _ROUNDS, _BESIDE, _WHY),
            is_tall=True,
            rows=tuple(
                _row(each, rounds=rounds, found=found, ranked=ranked)
                for each in _in_order(rounds, found, figure=_figure(plan))
            ),
            notes=(*_notes(rounds, found), *(() if plan is None else remarks(plan.options))),
        )
    )


def in_order(trials: Sequence[Trial], *, plan: Plan | None) -> tuple[Contestant, ...]:
    """Return the deployments of one workload's rounds as its table has them."""
    rounds = arrange(trials)
    return _in_order(rounds, _verdicts(rounds, plan=plan), figure=_figure(plan))


def is_ordered(trials: Sequence[Trial], *, plan: Plan | None) -> bool:
    """Tell whether the order of one workload's rounds says anything."""
    rounds = arrange(trials)
    found = _verdicts(rounds, plan=plan)
    has_figures = any(_mean(rounds, each, figure=_figure(plan)) > -inf for each in rounds.ranked)
    return has_figures and (found is None or found.doubt is None)


def _in_order(rounds: Rounds, found: Verdicts | None, *, figure: Figure) -> tuple[Contestant, ...]:
    """Return the best first, or as they came where nothing can be told."""
    if found is not None and found.doubt is not None:
        return rounds.contestants
    ranked = {each.name for each in rounds.ranked}
    return tuple(
        sorted(
            rounds.contestants,
            key=lambda each: (each.name not in ranked, -_mean(rounds, each, figure=figure)),
        )
    )


def _figure(plan: Plan | None) -> Figure:
    return plan.figure if plan else Figure.THROUGHPUT


def _mean(rounds: Rounds, contestant: Contestant, *, figure: Figure) -> float:
    """Return the mean of a figure, negative where less is better: more is always better."""
    interval = rounds.interval_of(contestant, figure=figure)
    if interval is None:
        return -inf
    return interval.estimate if figure.direction is Direction.HIGHER else -interval.estimate


# ---- the verdict in words


def _sentences(
    rounds: Rounds, found: Verdicts | None, *, plan: Plan | None, workload: str
) -> Iterable[str]:
    titles = {each.name: each.title for each in rounds.contestants}
    if not rounds.candidates:
        yield f"None of the deployments can be ranked on {workload}; each row says why."
        return
    if found is None:
        yield _highest(rounds, plan=plan, workload=workload)
        return
    if found.doubt is not None:
        yield _doubt_in_words(found.doubt, found, rounds=rounds)
        return
    if not found.comparisons:
        yield f"Nothing is left to compare on {workload}; the rows say why."
    for comparison in found.comparisons[:_MOST_SENTENCES]:
        yield _comparison_in_words(comparison, figure=_figure(plan), titles=titles)
    if (more := len(found.comparisons) - _MOST_SENTENCES) > 0:
        yield f"The table says how {quantities.counted(more, 'more', 'more')} compare."


def _highest(rounds: Rounds, *, plan: Plan | None, workload: str) -> str:
    best = max(rounds.candidates, key=lambda each: _mean(rounds, each, figure=Figure.THROUGHPUT))
    interval = rounds.interval_of(best, figure=Figure.THROUGHPUT)
    if interval is None:
        return _nothing_counts(rounds)
    limits = list(_limits(interval, text=quantities.rate))
    rate = quantities.rate(interval.estimate)
    count = quantities.counted(len(rounds.numbers), "round", "rounds")
    return (
        f"Highest rate on {workload} in {count}: {best.title}, "
        f"{rate} requests/s{f' ({limits[0]})' if limits else ''}."
        f"{_way_to_verdict(rounds, plan=plan)}"
    )


def _nothing_counts(rounds: Rounds) -> str:
    made = quantities.counted(len(rounds.numbers), "round", "rounds")
    return (
        f"Nothing can be said: {len(rounds.voided)} of {made} were voided by what went on beside "
        f"them. Quiet this machine, or ask: servelab doctor{_or_count_it(rounds)}."
    )


def _or_count_it(rounds: Rounds) -> str:
    return "" if rounds.advice is None else f"; {rounds.advice}"


def _way_to_verdict(rounds: Rounds, *, plan: Plan | None) -> str:
    """Return how to learn whether the first is the best; empty where nobody is beside it."""
    service = plan.options.service if plan else None
    if service is None:
        return " Whether it is better than the others is a matter for: servelab compare."
    least = Judging().least_rounds
    if len(rounds.candidates) < _PAIR or len(rounds.numbers) >= least:
        return ""
    return (
        " Whether it is better than the others takes more rounds: "
        f"servelab try {shlex.quote(service.name)} ... --rounds {least}."
    )


def _comparison_in_words(comparison: Comparison, *, figure: Figure, titles: dict[str, str]) -> str:
    leader, other = titles[comparison.leader], titles[comparison.other]
    ratio, verdict = comparison.ratio, comparison.verdict
    if ratio is None:
        return f"{leader} and {other}: no round has figures of both."
    certainty = f"({_certainty(ratio)}, {quantities.counted(ratio.rounds, 'round', 'rounds')})"
    match verdict:
        case Better():
            change = quantities.span(
                quantities.difference(ratio.low - 1), quantities.difference(ratio.high - 1)
            )
            if figure.direction is Direction.HIGHER:
                return f"{leader} beats {other} by {change}{_of(figure)} {certainty}."
            return f"{leader} beats {other}, whose {_WORDS[figure]} is {change} higher {certainty}."
        case Equivalent():
            return (
                f"{leader} and {other}: no difference{_of(figure)} shown above "
                f"{quantities.difference(verdict.largest_difference)} {certainty}."
            )
        case Undecided():
            change = f"{_change(ratio)} {certainty}"
            return f"{leader} and {other}: undecided{_of(figure)}, {change}{_need(verdict)}."
        case CannotTell():
            return f"{leader} and {other}: cannot be told today."


def _of(figure: Figure) -> str:
    return "" if figure is Figure.THROUGHPUT else f" of the {_WORDS[figure]}"


def _certainty(ratio: RatioInterval) -> str:
    digits = 1 if ratio.confidence > 0.99 else 0  # noqa: PLR2004
    return f"{ratio.confidence * 100:.{digits}f} %"


def _change(ratio: RatioInterval) -> str:
    return _from_to(ratio.low, ratio.high)


def _from_to(low: float, high: float) -> str:
    """Return two ratios as relative differences."""
    return quantities.span(
        quantities.difference(low - 1, sign="+"), quantities.difference(high - 1, sign="+")
    )


def _need(verdict: Undecided) -> str:
    if verdict.more_rounds is None:
        return "; no affordable number of rounds would tell"
    return (
        f"; about {quantities.counted(verdict.more_rounds, 'more round', 'more rounds')} would tell"
    )


def _doubt_in_words(doubt: CannotTell, found: Verdicts, *, rounds: Rounds) -> str:
    limit = (
        "cannot tell these deployments apart today"
        if doubt.smallest_difference is None
        else "cannot tell differences below "
        f"{quantities.difference(doubt.smallest_difference)} today"
    )
    if doubt.reason is Doubt.NOISE:
        return (
            f"This machine {limit}: {len(rounds.voided)} of {len(rounds.numbers)} rounds were "
            "voided by what went on beside them. Quiet it, or ask: servelab doctor"
            f"{_or_count_it(rounds)}."
        )
    ratio = found.control.ratio if found.control else None
    apart = f" ({_change(ratio)})" if ratio else ""
    return (
        f"This machine {limit}: the same deployment under two names differs from itself{apart}. "
        "Quiet it, or ask: servelab doctor."
    )


# ---- the table


def _row(
    contestant: Contestant, *, rounds: Rounds, found: Verdicts | None, ranked: set[str]
) -> Row:
    first = contestant.typical
    intervals = [rounds.interval_of(contestant, figure=shown.figure) for shown in _FIGURES]
    cells = [
        _cell(interval, text=shown.text)
        for shown, interval in zip(_FIGURES, intervals, strict=True)
    ]
    count = intervals[0].rounds if intervals[0] else 0
    return Row(
        stack=first.stack,
        heading=contestant.title.removeprefix(first.stack).strip(),
        is_ranked=contestant.name in ranked,
        cells=(
            *cells,
            f"{count} of {len(rounds.numbers)}",
            _beside(contestant, found=found, twin=rounds.twin),
            why_in_short(contestant.typical),
        ),
    )


def _cell(interval: RoundsInterval | None, *, text: Callable[[float], str]) -> str:
    """Return a figure, and below it its interval."""
    if interval is None:
        return quantities.MISSING
    return "\n".join([text(interval.estimate), *_limits(interval, text=text)])


def _limits(interval: RoundsInterval, *, text: Callable[[float], str]) -> Iterable[str]:
    if interval.low is not None and interval.high is not None:
        yield quantities.span(text(interval.low), text(interval.high))


def _beside(contestant: Contestant, *, found: Verdicts | None, twin: str | None) -> str:
    if found is None or found.doubt is not None:
        return quantities.MISSING
    if contestant.name == twin:
        ratio = found.control.ratio if found.control else None
        return "control" if ratio is None else f"control\n{_change(ratio)}"
    if contestant.name == found.leader:
        return _LEADER
    for each in found.comparisons:
        if each.other == contestant.name and each.ratio is not None:
            change = _from_to(1 / each.ratio.high, 1 / each.ratio.low)
            return f"{_verdict_in_short(each)}\n{change}"
    return quantities.MISSING


def _verdict_in_short(comparison: Comparison) -> str:
    match comparison.verdict:
        case Better():
            return "worse"
        case Equivalent():
            return "equivalent"
        case _:
            return "undecided"


def _notes(rounds: Rounds, found: Verdicts | None) -> Iterable[str]:
    yield (
        "Each figure is the geometric mean over rounds with its 95 % interval; a round is one "
        "trial of each deployment, freshly started, in an order of its own."
    )
    yield from ceilings_by_interpreter(
        [trial for each in rounds.contestants for trial in each.trials]
    )
    if found is not None and found.resolution is not None and found.doubt is None:
        # Better is what lies beyond delta as a whole: interval and delta must both be passed.
        telling = (1 + found.resolution) * (1 + found.delta) - 1
        yield (
            f"With this spread and {len(rounds.numbers)} rounds, one is called better where it is "
            f"about {quantities.difference(telling)} better, or more."
        )
    for voided in rounds.voided:
        yield f"Round {voided.number} is voided: {voided.reason}."
    if rounds.advice is not None:
        yield f"{rounds.advice[0].upper()}{rounds.advice[1:]}."
    unranked = [each for each in rounds.contestants if each.why_unranked is not None]
    if unranked:
        yield "Rows marked with * are not ranked: " + "; ".join(
            f"{each.title}: {each.why_unranked}" for each in unranked
        )
    yield from _warnings(rounds)


def _warnings(rounds: Rounds) -> Iterable[str]:
    """Yield each kind of warning once, with how many trials had it and one of them in words."""
    seen: dict[str, list[tuple[str, str]]] = {}
    trials = [(each.title, trial) for each in rounds.contestants for trial in each.trials]
    for title, trial in trials:
        for warning in trial.warnings:
            seen.setdefault(warning.kind, []).append((title, warning.text))
    for found in seen.values():
        title, text = found[0]
        yield f"In {len(found)} of {len(trials)} trials, such as one of {title}: {text}"
