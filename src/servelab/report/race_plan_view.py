"""A race in words, before anything of it is measured."""

from collections.abc import Iterable

from servelab import catalogue
from servelab.model.tuning import RaceExpectation, StackVariant, TuningOrder
from servelab.model.variant import Axis, Value
from servelab.report import quantities, view


def text(order: TuningOrder, *, expected: RaceExpectation) -> str:
    """Return what is raced, from where each search begins, and how long it takes."""
    return "\n".join(_lines(order, expected=expected)) + "\n"


def expectation(order: TuningOrder, *, expected: RaceExpectation) -> str:
    """Return how long a round takes, and how many trials the budget has room for."""
    sentence = (
        f"{quantities.counted(expected.entrants, 'trial', 'trials')} in the first round, about "
        f"{quantities.duration(expected.round_s)}"
    )
    if expected.trials is None or order.tuning.most_s is None:
        return f"{sentence}."
    sentence += (
        f"; the budget of {quantities.duration(order.tuning.most_s)} has room for about "
        f"{quantities.counted(expected.trials, 'trial', 'trials')}"
    )
    if expected.trials < expected.least_trials:
        return (
            f"{sentence}, and a verdict takes {expected.least_trials} at the least: raise "
            "--budget, shorten --duration, or name fewer servers with --only."
        )
    return f"{sentence}."


def _lines(order: TuningOrder, *, expected: RaceExpectation) -> Iterable[str]:
    options, tuning = order.options, order.tuning
    ways = quantities.counted(len(tuning.space), "way", "ways")
    yield (
        f"{options.workload}: a race of {ways} to serve it, seed {tuning.seed}, each trial "
        f"{order.warm_up_s:g} s of warm-up, then {options.duration_s:g} s of "
        f"{view.arrivals_in_words(options.load)}."
    )
    objective = "" if tuning.slo is None else f" within {tuning.slo}"
    limit = tuning.memory_limit_bytes
    within = "" if limit is None else f", in {quantities.megabytes(limit)} at most"
    yield f"Who has the most answers{objective} wins{within}."
    yield expectation(order, expected=expected)
    yield ""
    yield "Where each begins, and what may become of it:"
    for way in tuning.space:
        yield f"  {_way(way)}"
    for benchmark in tuning.benchmarks:
        rule = catalogue.rule_of(benchmark, cpu_count=order.cpu_count)
        what = "a benchmark" if rule is None else f"folklore, {rule}"
        yield f"  {benchmark.name}: {what}, raced beside them"


def _way(way: StackVariant) -> str:
    axes = "; ".join(map(_axis, way.variant.axes))
    return f"{way.name}: {axes}" if axes else f"{way.name}: nothing to search"


def _axis(axis: Axis) -> str:
    others = ", ".join(_value(each) for each in axis.values)
    return f"{axis.setting}={_value(axis.start)} of {others}"


def _value(value: Value) -> str:
    return "its default" if value is None else str(value)
