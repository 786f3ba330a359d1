"""Rules: what was measured in a trial -> what held it back, with the numbers that show it.

Work that computes: throughput = cores used / CPU time of a served call, so that

    efficiency = (cores used / cores) * work share * (cores / (bare CPU time * ceiling))

The last factor is the machine's own and the same for all. The rules speak of the first two, the
larger loss first.

Work that waits: by Little's law (Operations Research 9(3), 1961) throughput * waiting time is how
many calls waited at once; with all callers among them, the ceiling would be reached.

Of an application of the user's the work is not known: `own_causes` has the rules for it, which hold
with a ceiling and without.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from servelab import catalogue
from servelab.errors import ServelabError
from servelab.explain import own_causes
from servelab.explain.cause import LOSS, MANY_SWITCHES_PER_CALL, Cause, front_cores, of_front
from servelab.model.load import ClosedLoop
from servelab.model.trial import CEILING_NOISE, Trial, TrialStatus

NEAR_CEILING = 0.9
"""Efficiency from which on there is nothing to explain."""
WORK_LOSS = 0.8
"""Work share below which it is: bare and served calls are timed minutes apart, moods vary."""
UNEVEN = 1.25
"""The busiest worker's calls over the mean from which on the work counts as uneven."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The figures that the rules speak of."""

    trial: Trial
    efficiency: float
    throughput_per_s: float
    cores: float
    cores_used: float
    waiting_s: float


def explain(trial: Trial) -> tuple[Cause, ...]:
    """Return the causes, the largest loss first; empty where the figures allow none."""
    evidence = _evidence(trial)
    if evidence is None:
        return own_causes.explain(trial) if own_causes.is_own(trial) else ()
    if evidence.efficiency > 1 + CEILING_NOISE:
        return (_above_the_ceiling(evidence),)
    if evidence.efficiency >= NEAR_CEILING:
        return (_near_the_ceiling(evidence),)
    found = [cause for rule in _rules(evidence) for cause in rule(evidence)]
    if own_causes.is_own(trial):
        found += own_causes.explain(trial)
    return tuple(sorted(found, key=lambda cause: cause.factor)) or (_small_losses(evidence),)


def _evidence(trial: Trial) -> Evidence | None:
    usage, ceiling = trial.usage, trial.ceiling
    if trial.status is not TrialStatus.OK or usage is None or ceiling is None:
        return None
    seconds = trial.load_s or trial.window_s
    if not trial.efficiency or not trial.throughput_per_s or not seconds:
        return None
    return Evidence(
        trial=trial,
        efficiency=trial.efficiency,
        throughput_per_s=trial.throughput_per_s,
        cores=_cores(trial, measured=max([1, *ceiling.rate_by_processes])),
        cores_used=usage.cpu_s / seconds,
        waiting_s=_waiting_s(trial),
    )


def _cores(trial: Trial, *, measured: int) -> float:
    """Return the cores that the server could use; of older trials, those of its ceiling."""
    return measured if trial.placement is None else min(measured, trial.placement.server_cores)


def _waiting_s(trial: Trial) -> float:
    """Return how long a call waits; 0 where today's catalogue does not know the workload."""
    if trial.workload not in catalogue.workload_names():
        return 0.0
    try:
        return catalogue.waiting_s(trial.workload, trial.parameters)
    except ServelabError:
        return 0.0


def _near_the_ceiling(evidence: Evidence) -> Cause:
    return Cause(
        short="near the ceiling",
        sentence=f"it reaches {evidence.efficiency:.0%} of what the hardware does",
        factor=evidence.efficiency,
    )


def _above_the_ceiling(evidence: Evidence) -> Cause:
    return Cause(
        short="faster than its ceiling",
        sentence=(
            f"it reaches {evidence.efficiency:.0%} of the ceiling: the machine was slower when "
            "that was measured"
        ),
        factor=evidence.efficiency,
    )


def _small_losses(evidence: Evidence) -> Cause:
    used = f"it used {evidence.cores_used:.2f} of {evidence.cores:g} cores"
    share = evidence.trial.work_share
    work = "" if share is None else f", and {share:.0%} of its CPU time was the bare work"
    return Cause(
        short="small losses",
        sentence=f"no single loss stands out: {used}{work}",
        factor=evidence.efficiency,
    )


def _unused_cores(evidence: Evidence) -> Iterator[Cause]:
    """Cores that did nothing: too few processes, work that piled up, or waiting."""
    factor = (evidence.cores_used + front_cores(evidence.trial)) / evidence.cores
    if factor >= LOSS:
        return
    used = f"it used {evidence.cores_used:.2f} of {evidence.cores:g} cores"
    workers = list(evidence.trial.calls_per_worker.values())
    mean = sum(workers) / len(workers) if workers else 0.0
    if len(workers) <= 1:
        yield Cause(
            short=f"{evidence.cores_used:.1f} of {evidence.cores:g} cores",
            sentence=f"{used}: one process did all the work",
            factor=factor,
        )
    elif max(workers) > UNEVEN * mean:
        shares = " / ".join(map(str, sorted(workers)))
        yield Cause(
            short="uneven workers",
            sentence=f"{used}: calls piled up in one worker while others ran dry ({shares})",
            factor=factor,
        )
    else:
        yield Cause(
            short=f"{evidence.cores_used:.1f} of {evidence.cores:g} cores",
            sentence=f"{used}, although {len(workers)} workers shared the work evenly",
            factor=factor,
        )


def _cost_of_serving(evidence: Evidence) -> Iterator[Cause]:
    """CPU time that went into serving instead of the work."""
    trial = evidence.trial
    bare_s = trial.ceiling.cpu_s_per_call if trial.ceiling else None
    if trial.work_share is None or trial.work_share >= WORK_LOSS or bare_s is None:
        return
    served_s, switches = trial.cpu_s_per_call or 0.0, trial.voluntary_switches_per_call or 0.0
    cost = f"a call took {_milliseconds(served_s)} of CPU where the bare work takes "
    cost += _milliseconds(bare_s)
    if switches >= MANY_SWITCHES_PER_CALL:
        threads = trial.usage.peak_threads if trial.usage else 0
        yield Cause(
            short="threads contend",
            sentence=(
                f"{cost}: {threads} threads woke one another {switches:.0f} times in each call"
            ),
            factor=trial.work_share,
        )
    else:
        yield Cause(
            short="CPU spent on serving",
            sentence=f"{cost}: the rest went into serving, or the machine was slower by then",
            factor=trial.work_share,
        )


def _front(evidence: Evidence) -> Iterator[Cause]:
    """CPU time that went into the front instead of the server."""
    yield from of_front(evidence.trial, cores=evidence.cores)


def _milliseconds(seconds: float) -> str:
    """Return a time with one decimal, or of less than a millisecond with two digits that count."""
    milliseconds = seconds * 1000
    return f"{milliseconds:.1f} ms" if milliseconds >= 1 else f"{milliseconds:.2g} ms"


def _few_calls_at_once(evidence: Evidence) -> Iterator[Cause]:
    """Callers who queued in the server instead of waiting for what the work waits for."""
    load = evidence.trial.load
    if not isinstance(load, ClosedLoop):
        return
    at_once = evidence.throughput_per_s * evidence.waiting_s
    yield Cause(
        short=f"{at_once:.0f} of {load.callers} at once",
        sentence=(
            f"on average {at_once:.1f} of {load.callers} calls waited {_for_whom(evidence)}at once;"
            f" the others queued in the server, which used {evidence.cores_used:.1f} cores"
        ),
        factor=evidence.efficiency,
    )


def _for_whom(evidence: Evidence) -> str:
    return "for the back end " if catalogue.slow_api_calls(evidence.trial.workload) else ""


Rule = Callable[[Evidence], Iterator[Cause]]
_WORKING_RULES: tuple[Rule, ...] = (_unused_cores, _cost_of_serving, _front)
_WAITING_RULES: tuple[Rule, ...] = (_few_calls_at_once, _front)
_OWN_RULES: tuple[Rule, ...] = (_cost_of_serving,)


def _rules(evidence: Evidence) -> tuple[Rule, ...]:
    if own_causes.is_own(evidence.trial):
        return _OWN_RULES
    return _WAITING_RULES if evidence.waiting_s else _WORKING_RULES
