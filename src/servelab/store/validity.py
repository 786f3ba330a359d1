"""Whether what was read can be: files are written by strangers, too; pure.

The types are checked where a file is decoded. Here is what types do not say, and what those who
read results rely on.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path, PurePosixPath

from msgspec import Struct

from servelab.model.load import ClosedLoop, OpenLoop
from servelab.model.placement import Placement
from servelab.model.plan import Plan, RunOptions
from servelab.model.service import OwnCommand
from servelab.model.trial import Histogram, Trial
from servelab.model.tuning import TuningOrder
from servelab.model.verdict import Judging

LARGEST_NUMBER = 1e15
"""A petabyte, a million years in seconds: what is larger was never measured."""
_LARGEST_INTEGER = 2**64
"""What random numbers start from may be as large as an integer can be stored."""
_NEEDED = ("scheduled", "sent", "ok")
_ID = re.compile(r"[^/\x00-\x1f\x7f.][^/\x00-\x1f\x7f]{0,999}")
_DEEPEST = 50
_LEAST_CONFIDENCE = 0.5
_MOST_ROUNDS = 100_000
_MOST_CPUS = 65_536
_MOST_WAYS = 1_000


def objection(value: object) -> str | None:
    """Say which number in a value cannot be one; None where all can."""
    return next(_impossible(value, name="it", depth=0), None)


def _impossible(value: object, *, name: str, depth: int) -> Iterator[str]:
    if isinstance(value, int | float):
        if not _is_possible(value):
            yield f"{name} is {value:.3g}" if isinstance(value, float) else f"{name} is too large"
    elif isinstance(value, str | Path) or value is None:
        return
    elif depth > _DEEPEST:
        yield f"{name} is nested too deeply"
    else:
        for inner_name, inner in _parts(value, name=name):
            yield from _impossible(inner, name=inner_name, depth=depth + 1)


def _is_possible(number: float) -> bool:
    if isinstance(number, int):
        return abs(number) < _LARGEST_INTEGER
    return isfinite(number) and abs(number) <= LARGEST_NUMBER


def _parts(value: object, *, name: str) -> Iterable[tuple[str, object]]:
    if isinstance(value, Struct):
        return ((field, getattr(value, field)) for field in value.__struct_fields__)
    if isinstance(value, Mapping):
        return ((name, each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple):
        return ((name, each) for each in value)
    return ()


def objection_to_plan(plan: Plan) -> str | None:
    """Say why a plan cannot have been asked for; None where it can."""
    return objection(plan) or next(_nonsense(plan), None)


def _nonsense(plan: Plan) -> Iterator[str]:
    judging = plan.judging
    if not plan.deployments:
        yield "it names no deployment"
    if plan.rounds is not None and not 1 <= plan.rounds <= LARGEST_NUMBER:
        yield "it asks for none"
    yield from _no_options(plan.options)
    times_s = (plan.warm_up_s, plan.budget.time_s)
    if any(time_s is not None and time_s < 0 for time_s in times_s):
        yield "it has no time"
    if judging is not None and not _can_judge(judging):
        yield "nothing can be judged so"


def _no_options(options: RunOptions) -> Iterator[str]:
    counts = (options.requests, options.generators)
    if any(count is not None and not 1 <= count <= LARGEST_NUMBER for count in counts):
        yield "it asks for none"
    if isinstance(options.load, ClosedLoop) and options.load.callers < 1:
        yield "nobody calls"
    if isinstance(options.load, OpenLoop) and options.load.rate_per_s <= 0:
        yield "nothing arrives"
    times_s = (options.timeout_s, options.duration_s)
    if any(time_s is not None and time_s < 0 for time_s in times_s):
        yield "it has no time"
    if options.service is not None and not options.service.asked:
        yield "it asks its application for nothing"
    commands = () if options.service is None else options.service.commands
    if not all(_can_vary(each) for each in commands):
        yield "nothing can be varied so"


def _can_vary(command: OwnCommand) -> bool:
    names = [axis.setting for axis in command.axes]
    return len({*names}) == len(names) and all(
        axis.setting.isidentifier()
        and not axis.setting.startswith("_")
        and axis.start in axis.values
        and all(isinstance(value, str) for value in axis.values)
        for axis in command.axes
    )


def objection_to_race(order: TuningOrder) -> str | None:
    """Say why a race cannot have been asked for; None where it can."""
    return objection(order) or next(_no_race(order), None)


def _no_race(order: TuningOrder) -> Iterator[str]:
    yield from _no_options(order.options)
    if order.options.service is None:
        yield "it names no application"
    if not 1 <= order.cpu_count <= _MOST_CPUS:
        yield "nothing has so many CPUs"
    if order.warm_up_s < 0:
        yield "it has no time"
    if not _can_judge(order.tuning.judging):
        yield "nothing can be judged so"
    ways = order.tuning.space
    if not ways or len(ways) + len(order.tuning.benchmarks) > _MOST_WAYS:
        yield "there is nothing to choose from, or too much"
    axes = [axis for way in ways for axis in way.variant.axes]
    if any(axis.start not in axis.values or len(axis.values) > _MOST_WAYS for axis in axes):
        yield "a search begins where no value is"


def _can_judge(judging: Judging) -> bool:
    return (
        0 < judging.delta < 1
        and 0 < judging.target < 1
        and _LEAST_CONFIDENCE <= judging.confidence < 1
        and 1 <= judging.least_rounds <= _MOST_ROUNDS
        and 0 <= judging.most_voided <= 1
    )


def objection_to_trial(trial: Trial) -> str | None:
    """Say why a trial cannot have been measured; None where it can."""
    return objection(trial) or next(_contradictions(trial), None)


def _contradictions(trial: Trial) -> Iterator[str]:
    if not _ID.fullmatch(trial.id):
        yield "its id is no name of a file"
    if any(count < 0 for count in trial.ledger.values()) or not _has_all(trial.ledger):
        yield "its ledger is none"
    for file in (trial.records, trial.log, trial.warm_up and trial.warm_up.records):
        if file and not _is_inside(file):
            yield "it names a file outside of its folder"
    if trial.round < 0:
        yield "its round has no number"
    if trial.response_time_histogram is not None and not _adds_up(trial.response_time_histogram):
        yield "its histogram is none"
    if trial.placement is not None and not _has_room(trial.placement):
        yield "its server had no CPU"
    if any(figure is not None and figure < 0 for figure in _figures(trial)):
        yield "one of its figures is negative"


def _has_all(ledger: Mapping[str, int]) -> bool:
    return all(name in ledger for name in _NEEDED)


def _is_inside(file: str) -> bool:
    path = PurePosixPath(file)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in file


def _adds_up(histogram: Histogram) -> bool:
    counts, edges_s = histogram.counts, histogram.edges_s
    return len(edges_s) == len(counts) + 1 and bool(counts) and min(counts) >= 0 and max(counts) > 0


def _has_room(placement: Placement) -> bool:
    shared = placement.shared_cores
    return placement.server_cores > 0 and (shared is None or shared > 0)


def _figures(trial: Trial) -> Iterator[float | None]:
    yield from (trial.load_s, trial.window_s, trial.throughput_per_s, trial.ceiling_per_s)
    yield from (trial.goodput_per_s, trial.whole_s)
    yield from (trial.cpu_s_per_call, trial.peak_memory_bytes, trial.work_share)
    yield from trial.calls_per_worker.values()
    if trial.ceiling is not None:
        yield from (trial.ceiling.per_s, *trial.ceiling.rate_by_processes)
    if trial.usage is not None:
        yield from (trial.usage.user_s, trial.usage.system_s)
    if trial.beside is not None:
        yield from (each.cpu_s for each in trial.beside.programs)
        yield from (each.shared_cpu_s for each in trial.beside.programs)
    if trial.generator is not None:
        yield trial.generator.cpu_s
