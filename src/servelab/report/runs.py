"""A stored run as reports see it: judged by the gates of today, under one ceiling."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from servelab.measure import figures, gates
from servelab.model.load import ClosedLoop
from servelab.model.trial import GENERATOR_HEAVY, GeneratorUsage, Trial, Warning  # noqa: A004
from servelab.store import folder as stored
from servelab.store.folder import StoredRun

_JUDGED_ANEW = frozenset({gates.ABOVE_CEILING, GENERATOR_HEAVY, gates.INCLUDES_GENERATOR})


def read(folder: Path) -> StoredRun:
    """Read a stored run as reports see it; raise StoreError."""
    run = stored.read(folder)
    return msgspec.structs.replace(
        run, trials=judged(run.trials, cores=run.facts.host.cpus_allowed)
    )


def judged(trials: Sequence[Trial], *, cores: float) -> tuple[Trial, ...]:
    """Return the trials under the highest ceiling that was found for their work in their round.

    A trial is stored the moment it is measured, with the highest ceiling that was known by then.
    """
    known: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for trial in trials:
        known[_work(trial)] += [trial.ceiling_per_s] if trial.ceiling_per_s else []
    return tuple(
        _judged(trial, ceiling_per_s=max(known[_work(trial)], default=None), cores=cores)
        for trial in trials
    )


def _work(trial: Trial) -> tuple[object, ...]:
    # What an open loop asks changes nothing in what the hardware could give.
    callers = trial.load if isinstance(trial.load, ClosedLoop) else None
    return (
        *(trial.workload, tuple(trial.parameters.items()), trial.interpreter, callers),
        trial.round if trial.step is None else None,
    )


def _judged(trial: Trial, *, ceiling_per_s: float | None, cores: float) -> Trial:
    efficiency = figures.efficiency(trial.throughput_per_s, ceiling_per_s=ceiling_per_s)
    generator = _generator(trial, cores=cores)
    return msgspec.structs.replace(
        trial,
        ceiling_per_s=ceiling_per_s,
        efficiency=efficiency,
        generator=generator,
        warnings=[
            *(each for each in trial.warnings if each.kind not in _JUDGED_ANEW),
            *_warnings(generator, efficiency=efficiency),
        ],
    )


def _generator(trial: Trial, *, cores: float) -> GeneratorUsage | None:
    seconds = trial.load_s or trial.window_s
    if trial.generator is None or trial.usage is None or seconds is None:
        return trial.generator
    share = figures.share_of_cores(
        trial.generator.cpu_s,
        server_cpu_s=trial.usage.cpu_s,
        window_s=seconds,
        cores=_shared_cores(trial, host_cores=cores),
    )
    return msgspec.structs.replace(trial.generator, share_of_all_cpu=share)


def _shared_cores(trial: Trial, *, host_cores: float) -> float | None:
    """Return the cores that generator and server shared; older trials shared the whole host."""
    return max(1, int(host_cores)) if trial.placement is None else trial.placement.shared_cores


def _warnings(generator: GeneratorUsage | None, *, efficiency: float | None) -> Iterable[Warning]:
    if generator is not None:
        yield from gates.warnings_on_shared_cores(generator)
    yield from gates.warnings_on_efficiency(efficiency)
