"""How a generator fares on cores that it shares with a server: pinned or not, in real time or not.

``python benchmarks/shared_cores.py [--rounds 6] [--seconds 4]``; nothing else may run. Each round
makes every variant once, in a seeded random order, against a freshly started server whose four
worker processes compute for about a millisecond a call. Prints a table in Markdown: the median of
the rounds, with the least and the largest.
"""

import argparse
import dataclasses
import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec import Struct

from servelab import catalogue
from servelab.environment import interpreters
from servelab.measure import machinery
from servelab.measure.trial import TrialMeasurer
from servelab.model.load import ClosedLoop, Connections, Load, LoadResult, OpenLoop, Scheduling
from servelab.model.trial import TrialSpec
from servelab.store.folder import RunFolder

RATE_PER_S = 500
CALLERS = 16


class Variant(Struct, frozen=True):
    """One way to run the generator."""

    name: str
    load: Load
    scheduling: Scheduling
    is_pinned: bool


OPEN, CLOSED = OpenLoop(rate_per_s=RATE_PER_S), ClosedLoop(callers=CALLERS)
NORMAL, FIFO = Scheduling.NORMAL, Scheduling.FIFO
VARIANTS = (
    Variant("open loop, anywhere, normal", OPEN, NORMAL, is_pinned=False),
    Variant("open loop, pinned, normal", OPEN, NORMAL, is_pinned=True),
    Variant("open loop, anywhere, SCHED_FIFO", OPEN, FIFO, is_pinned=False),
    Variant("open loop, pinned, SCHED_FIFO", OPEN, FIFO, is_pinned=True),
    Variant("closed loop, anywhere", CLOSED, NORMAL, is_pinned=False),
    Variant("closed loop, pinned", CLOSED, NORMAL, is_pinned=True),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--num", default="10", help="work of one call")
    parser.add_argument("--only", default="", help="variants whose name has this in it")
    options = parser.parse_args(arguments)
    variants = tuple(each for each in VARIANTS if options.only in each.name)
    world = machinery.real()
    variant = VARIANTS[0]

    def generate(plan: Any, *, cpus: Any, **others: Any) -> LoadResult:
        asked = msgspec.structs.replace(plan, scheduling=variant.scheduling)
        where = ((max(world.cpus.allowed),),) if variant.is_pinned else cpus
        return world.generate(asked, cpus=where, **others)

    measurer = TrialMeasurer(dataclasses.replace(world, generate=generate))
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    order = random.Random(1)  # noqa: S311 - an order, no secret
    with TemporaryDirectory() as scratch:
        for number in range(options.rounds):
            for variant in order.sample(variants, len(variants)):
                folder = _folder(Path(scratch) / f"{number}-{variant.name}")
                spec = _spec(variant, num=options.num, seconds=options.seconds)
                trial = measurer.measure(spec, folder=folder, observe=lambda _: None)
                if trial.generator and trial.generator.scheduling is not variant.scheduling:
                    raise SystemExit("real-time scheduling is not permitted here")
                found[variant.name].append(_figures(trial))
    _print(found)


def _spec(variant: Variant, *, num: str, seconds: float) -> TrialSpec:
    (deployment,) = catalogue.find_deployments("sync-gunicorn-sync:processes=4")
    return TrialSpec(
        deployment=deployment,
        workload="cpu",
        parameters=(("num", num),),
        load=variant.load,
        duration_s=seconds,
        connections=Connections.FRESH,
        timeout_s=60.0,
        interpreter=interpreters.own_interpreter(),
    )


def _folder(path: Path) -> RunFolder:
    for part in ("records", "logs"):
        (path / part).mkdir(parents=True)
    return RunFolder(path)


def _figures(trial: Any) -> tuple[float, ...]:
    delays, times = trial.generator_delay_s, trial.response_time_s
    if delays is None or times is None:
        raise SystemExit(f"a trial without figures: {trial.reason}")
    return (
        trial.throughput_per_s,
        *(seconds * 1e3 for seconds in (delays.p50, delays.p99, times.p50, times.p99)),
        trial.usage.cpu_s / trial.window_s,
    )


def _print(found: dict[str, list[tuple[float, ...]]]) -> None:
    headings = ("answers/s", "delay p50, ms", "delay p99, ms", "response p50, ms")
    print("| generator |", " | ".join((*headings, "response p99, ms", "server's cores")), "|")
    print("| --- |" + " --: |" * 6)
    for name, figures in sorted(found.items()):
        columns = zip(*figures, strict=True)
        print(f"| {name} |", " | ".join(map(_cell, columns)), "|")


def _cell(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.4g} ({min(values):.3g}-{max(values):.3g})"


if __name__ == "__main__":
    main()
