"""The answer of a race in words, and what is to be known of it."""

from collections.abc import Callable, Iterable, Sequence

from servelab import catalogue
from servelab.explain.losers import slower
from servelab.model.load import ClosedLoop
from servelab.model.slo import Slo
from servelab.model.tuning import Candidate, Closest, RaceEnding, Tuned, TuningOrder
from servelab.model.verdict import Better, CannotTell, Doubt, Equivalent, Undecided
from servelab.report import no_winner, quantities, race_result
from servelab.report.other_python import remarks

_NAMED = 3
"""Of several; their rows name the others."""
_TWICE, _TENFOLD = 2, 10
"""Beyond twice a time its multiple is easier to read than a percentage."""
_ENDINGS = {
    RaceEnding.SPENT: "The budget is spent before all that are left could be judged: raise "
    "--budget, or keep to fewer ways with --only, beside --resume too.",
    RaceEnding.NOISE: "Too many rounds were disturbed by what went on beside them: ask "
    "servelab doctor.",
    RaceEnding.ALONE: "All others have left the race; their rows say why.",
}


def answer(found: Tuned, *, order: TuningOrder, title: Callable[[Candidate], str]) -> Iterable[str]:
    """Yield what to serve with, by how much, and how sure that is."""
    label = order.options.workload
    if found.winner is None:
        yield no_winner.sentence(
            found,
            label=label,
            memory_limit_bytes=order.tuning.memory_limit_bytes,
            title=title,
        )
        return
    figure = "answers/s" if order.tuning.slo is None else f"answers/s within {order.tuning.slo}"
    told = f"{quantities.rate(found.rate_per_s)} {figure}"
    if found.peak_memory_bytes is not None:
        told += f", {quantities.megabytes(found.peak_memory_bytes)}"
    ahead = f"{title(found.winner)}, {told}."
    if not found.meets_slo and order.tuning.slo is not None:
        yield f"No deployment of {label} meets {order.tuning.slo} under this load."
        if found.closest is not None:
            yield _closest(found.closest, slo=order.tuning.slo, title=title)
    if found.ending is None:
        yield f"The race for {label} is not over. Ahead so far: {ahead}"
        return
    if found.verdicts is not None and found.verdicts.doubt is not None:
        yield _doubt(found.verdicts.doubt)
        yield f"Ahead when it ended: {ahead}"
        return
    if race_result.is_early(found, order=order):
        yield (
            f"Ahead for {label} when the budget was spent: {ahead} A verdict takes "
            f"{order.tuning.judging.least_rounds} rounds, and there was time for {found.rounds}: "
            "raise --budget, or keep to fewer ways with --only, beside --resume too."
        )
        return
    yield f"{_ahead(found, order=order)} {title(found.winner)}: {told}."
    yield from _how_sure(found, order=order, title=title)


def _how_sure(
    found: Tuned, *, order: TuningOrder, title: Callable[[Candidate], str]
) -> Iterable[str]:
    if found.has_goodput:
        yield from _beaten(found, title=title)
        yield from _peers(found, delta=order.tuning.judging.delta, title=title)
    if found.ending is RaceEnding.ALONE and not found.losses:
        yield "There was nothing else to choose from."
    elif found.ending in _ENDINGS:
        yield _ENDINGS[found.ending]
    if found.meets_slo and found.met < found.measured:
        yield f"It met {order.tuning.slo} in {found.met} of {found.measured} trials."


def _ahead(found: Tuned, *, order: TuningOrder) -> str:
    """Return what the one is that is named first."""
    service = order.options.service
    if found.meets_slo:
        # Programs that listen by themselves are what serves, and are served with nothing.
        label = f" {order.options.workload}" if service and service.application else ""
        return f"Serve{label} with"
    return "Most answers in time:" if found.has_goodput else "No answer came in time; ahead:"


def _closest(found: Closest, *, slo: Slo, title: Callable[[Candidate], str]) -> str:
    """Return who comes closest to an objective, and by how much it misses it."""
    if found.value_s is None:
        # Anybody with a time would have been closer.
        return (
            f"No trial had the {slo.least_requests} requests that a {slo.quantile} takes: raise "
            "--duration."
        )
    rounds = quantities.counted(found.rounds, "round", "rounds")
    who = f"Closest: {title(found.candidate)},"
    target = quantities.milliseconds(slo.target_s)
    time = f"{who} {slo.quantile} {quantities.milliseconds(found.value_s)} ms"
    in_time = found.value_s < slo.target_s
    time += (
        f" of the {target} ms allowed"
        if in_time
        else f" beside {target} ms, {_above(found.value_s / slo.target_s)}"
    )
    if found.failure_share > slo.failure_limit:
        failed, may = (f"{100 * each:.3g} %" for each in (found.failure_share, slo.failure_limit))
        time += f", {'but' if in_time else 'and'} {failed} of its requests failed, where {may} may"
    elif in_time:
        time += ", but not in half of its trials"
    return f"{time} (median of {rounds})."


def _above(ratio: float) -> str:
    """Return how far a time exceeds its target."""
    if ratio < _TWICE:
        return f"{quantities.difference(ratio - 1)} too long"
    return f"{ratio:.{0 if ratio >= _TENFOLD else 1}f} times as long"


def _doubt(doubt: CannotTell) -> str:
    if doubt.reason is Doubt.NOISE:
        return (
            "This machine cannot tell today: too many rounds were disturbed by what went on "
            "beside them. Quiet it, or ask: servelab doctor."
        )
    return (
        "This machine cannot tell today: the same deployment under two names differs from itself. "
        "Quiet it, or ask: servelab doctor."
    )


def _beaten(found: Tuned, *, title: Callable[[Candidate], str]) -> Iterable[str]:
    """Yield by how much the winner beats the next best of the finalists."""
    if found.verdicts is None:
        return
    names = {each.candidate.name: each.candidate for each in found.losses}
    for comparison in found.verdicts.comparisons:
        if isinstance(comparison.verdict, Better) and comparison.ratio is not None:
            other = names.get(comparison.other)
            change = quantities.span(
                quantities.difference(comparison.ratio.low - 1),
                quantities.difference(comparison.ratio.high - 1),
            )
            yield (
                f"It beats {title(other) if other else comparison.other} by {change} "
                f"({comparison.ratio.confidence:.0%}, {comparison.ratio.rounds} rounds)."
            )
            return


def _peers(found: Tuned, *, delta: float, title: Callable[[Candidate], str]) -> Iterable[str]:
    """Yield who was not found to be worse than the winner."""
    equal, unsure = (
        [each.candidate for each in found.runners_up if isinstance(each.comparison.verdict, kind)]
        for kind in (Equivalent, Undecided)
    )
    if equal:
        yield (
            f"As good, within {quantities.difference(delta)}: {_some(equal, title=title)}"
            f"{_lightest(found, title=title)}."
        )
    if unsure:
        yield (
            f"Undecided beside it: {_some(unsure, title=title)}; the rows say by how much they may "
            "differ."
        )


def _some(candidates: Sequence[Candidate], *, title: Callable[[Candidate], str]) -> str:
    named, others = candidates[:_NAMED], len(candidates[_NAMED:])
    return ", ".join(map(title, named)) + (f" and {others} more" if others else "")


def _lightest(found: Tuned, *, title: Callable[[Candidate], str]) -> str:
    lightest = race_result.lightest(found)
    if lightest is None or lightest.memory_ratio is None:
        return ""
    less = quantities.difference(1 - lightest.memory_ratio.estimate)
    return f"; {title(lightest.candidate)} takes {less} less memory"


def notes(found: Tuned, *, order: TuningOrder, title: Callable[[Candidate], str]) -> Iterable[str]:
    """Yield how it was measured, and what the benchmarks did."""
    yield (
        f"{quantities.counted(found.trials, 'trial', 'trials')} in "
        f"{quantities.counted(found.rounds, 'round', 'rounds')}; each round had those that were "
        "still in the race, freshly started, in an order of its own."
    )
    yield (
        "Each row averages the rounds in which it ran; only what stands beside the winner compares "
        "the same rounds."
    )
    if order.tuning.slo is not None and isinstance(order.options.load, ClosedLoop):
        callers = quantities.counted(order.options.load.callers, "caller", "callers")
        yield (
            f"The response times are those of a closed loop ({callers}, each of whom waits for an "
            "answer before the next request); for those at a given rate: --rate."
        )
    if found.held_back:
        yield (
            f"The generator held back {', '.join(map(title, found.held_back))}: what they do is at "
            "least what is told. Give it a core of its own, or ask more work of each call."
        )
    if fronts := dict.fromkeys(way.front for way in order.tuning.space if way.front):
        yield f"The memory of what is behind {' or '.join(fronts)} is that of both together."
    yield from remarks(order.options)
    for benchmark in order.tuning.benchmarks:
        rule = catalogue.rule_of(benchmark, cpu_count=order.cpu_count)
        what = "The benchmark" if rule is None else f"The folklore setting, {rule}"
        yield _beside_benchmark(
            f"{what} ({title(benchmark)}),", benchmark, found=found, title=title
        )
    for name, reason in order.excluded.items():
        yield f"Left out before the race: {name}: {reason}"


def _beside_benchmark(
    what: str, benchmark: Candidate, *, found: Tuned, title: Callable[[Candidate], str]
) -> str:
    """Return how a benchmark, called by `what`, stands to the winner."""
    if benchmark == found.winner:
        return f"{what} is the winner here."
    for loss in found.losses:
        if loss.candidate == benchmark:
            if loss.ratio is not None:
                other = "the winner" if loss.beside in (None, found.winner) else title(loss.beside)
                return f"{what} is {slower(loss.ratio)} {other}."
            return f"{what} lost: {loss.cause.value}."
    if any(each.candidate == benchmark for each in found.runners_up):
        return f"{what} was not found to be worse."
    return f"{what} was not measured."
