"""Rules for an application of the user's, whose work is not known by itself: none needs a ceiling.

What a trial shows without one: the CPU time of each process beside the cores that it could use, how
many calls were there at once (callers, or by Little's law throughput * response time; Operations
Research 9(3), 1961), what one call took of the CPU, and what stopped the server from outside.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from servelab import catalogue
from servelab.explain.cause import (
    LOSS,
    MANY_SWITCHES_PER_CALL,
    Cause,
    front_cores,
    of_beside,
    of_front,
)
from servelab.model.load import ClosedLoop, OpenLoop
from servelab.model.trial import Trial, TrialStatus
from servelab.model.usage import ProcessUsage

FULL = 0.85
"""Cores of one process from which on it runs without a rest, but for what others took from it."""
ONE_CORE = 1.15
"""Cores of one process beyond which its threads compute side by side."""
IDLE = 0.05
"""Share of the CPU time below which a process only looks after others."""
UNEVEN = 0.5
"""Of the busiest process's CPU time, below which another one had too little to do."""
KEPT_UP = 0.98
"""Share of the planned rate from which on a server keeps up with it."""
MUCH_THROTTLED = 0.1
"""Share of a limit's periods."""
MUCH_TAKEN = 0.1
"""Share of the CPU time, taken by others, from which on idle cores say nothing of the server; the
round is void from there on, too."""
WAITING = 3.0
"""Response time over CPU time of a call from which on a call mostly waits."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The figures that the rules speak of."""

    trial: Trial
    usage: ProcessUsage
    throughput_per_s: float
    cores: float
    cores_used: float
    generator_cores: float
    """What the generator took of the same cores."""
    beside_cores: float
    """What programs beside the server took of them; where the generator has cores of its own, as
    much as falls to the server's by their number."""
    busy: tuple[float, ...]
    """Cores that each working process used, the busiest first."""

    @property
    def used(self) -> str:
        """Return what it used of the cores, as sentences begin."""
        return f"it used {self.cores_used:.2f} of {self.cores:g} {_cores(self.cores)}"

    @property
    def taken(self) -> float:
        """Return the share of the CPU time that other programs and the hypervisor took."""
        noise = self.trial.noise
        return (noise.foreign_cpu_share or 0.0) + (noise.steal_share or 0.0) if noise else 0.0

    @property
    def share(self) -> float:
        """Return how much of the cores was at work for the server, or for what goes with it."""
        taken = self.cores_used + front_cores(self.trial) + self.generator_cores + self.beside_cores
        return taken / self.cores

    @property
    def full(self) -> int:
        """Return how many of its processes ran without a rest."""
        return sum(each >= FULL for each in self.busy)


def is_own(trial: Trial) -> bool:
    """Tell whether a trial is of an application of the user's."""
    return not trial.is_load_alone and trial.workload not in catalogue.workload_names()


def explain(trial: Trial) -> tuple[Cause, ...]:
    """Return the causes, the largest loss first; empty where the figures allow none."""
    shown = _shown(trial)
    if shown is None:
        return ()
    rules = _RULES if shown.taken < MUCH_TAKEN else _RULES_BESIDE_OTHERS
    found = [cause for rule in rules for cause in rule(shown)]
    return tuple(sorted(found, key=lambda cause: cause.factor))


def _shown(trial: Trial) -> Shown | None:
    usage, seconds = trial.usage, trial.load_s or trial.window_s
    if trial.status is not TrialStatus.OK or usage is None or trial.placement is None:
        return None
    if not trial.throughput_per_s or not seconds or trial.placement.server_cores <= 0:
        return None
    shares = [each.cpu_s for each in usage.processes if each.cpu_s >= IDLE * usage.cpu_s]
    is_shared = trial.placement.is_shared and trial.generator is not None
    return Shown(
        trial=trial,
        usage=usage,
        throughput_per_s=trial.throughput_per_s,
        cores=trial.placement.server_cores,
        cores_used=usage.cpu_s / seconds,
        generator_cores=trial.generator.cpu_s / seconds
        if is_shared and trial.generator is not None
        else 0.0,
        beside_cores=_beside_cores(trial),
        busy=tuple(sorted((cpu_s / seconds for cpu_s in shares), reverse=True)),
    )


def _beside_cores(trial: Trial) -> float:
    use, placement = trial.beside, trial.placement
    if use is None or placement is None:
        return 0.0
    if placement.is_shared or not use.cpus:
        return use.cores
    return use.cores * min(1.0, len(placement.server_cpus) / use.cpus)


def _failures(shown: Shown) -> Iterator[Cause]:
    """Count failures that are too few to make the trial one."""
    trial = shown.trial
    if trial.failures > 0:
        yield Cause(
            short=f"{trial.failures} of {trial.scheduled} failed",
            sentence=f"{trial.failures} of {trial.scheduled} calls got no right answer",
            factor=1 - trial.failure_share,
        )


def _throttled(shown: Shown) -> Iterator[Cause]:
    """Name a limit of CPU time that stopped it."""
    throttling, limits = shown.trial.throttling, shown.trial.limits
    if throttling is None or not throttling.periods or limits is None or limits.cpus is None:
        return
    share = throttling.throttled_periods / throttling.periods
    if share >= MUCH_THROTTLED:
        yield Cause(
            short=f"limit of {limits.cpus:g} {_cores(limits.cpus)}",
            sentence=(
                f"its limit of {limits.cpus:g} {_cores(limits.cpus)} stopped it in "
                f"{throttling.throttled_periods} of {throttling.periods} periods"
            ),
            factor=1 - share,
        )


def _taken_by_others(shown: Shown) -> Iterator[Cause]:
    """Name what other programs took: nobody knows what the server would have made of it."""
    yield Cause(
        short=f"others took {shown.taken:.0%} of the CPU",
        sentence=f"{shown.used}; others took {shown.taken:.0%} of the CPU time",
        factor=max(0.0, 1 - shown.taken),
    )


def _keeps_up(shown: Shown) -> Iterator[Cause]:
    """Say that nothing more was asked, where an open loop asks less than it gives."""
    load = shown.trial.load
    if _is_kept_up_with(shown) and isinstance(load, OpenLoop):
        yield Cause(
            short=f"keeps up: {_beside(shown)} cores",
            sentence=f"it answered all of the {load.rate_per_s:g} requests/s, and {shown.used}",
            factor=1.0,
        )


def _all_cores_busy(shown: Shown) -> Iterator[Cause]:
    """Say that no core was left idle: only cheaper calls would make it faster."""
    if shown.share < LOSS or _is_kept_up_with(shown):
        return
    cpu_s = shown.trial.cpu_s_per_call
    cost = "" if cpu_s is None else f": a call took {_milliseconds(cpu_s)} ms of CPU"
    generator = (
        f", the generator {shown.generator_cores:.2f} more" if shown.generator_cores >= IDLE else ""
    )
    use = shown.trial.beside
    beside = f", {use.names} {shown.beside_cores:.2f}" if use and shown.beside_cores >= IDLE else ""
    yield Cause(
        short="all cores busy"
        + ("" if cpu_s is None else f": {_milliseconds(cpu_s)} ms CPU per call"),
        sentence=f"{shown.used}{generator}{beside}{cost}",
        factor=shown.share if shown.share < 1 else 1.0,
    )


def _full_processes(shown: Shown) -> Iterator[Cause]:
    """Name processes that could do no more, while others had little to do or there were none."""
    if shown.share >= LOSS or not shown.full or _is_kept_up_with(shown):
        return
    threads = shown.usage.peak_threads
    if shown.busy[-1] < UNEVEN * shown.busy[0]:
        each = " / ".join(f"{cores:.2f}" for cores in shown.busy)
        yield Cause(
            short="uneven processes",
            sentence=f"{shown.used}, its processes {each}: work piled up in one of them",
            factor=shown.share,
        )
        return
    processes = "one process" if len(shown.busy) == 1 else f"{len(shown.busy)} processes"
    is_one_core_each = shown.busy[0] <= ONE_CORE
    yield Cause(
        short=f"{_beside(shown)} cores: {processes}",
        sentence=f"{shown.used}: {processes} did all the work, with {threads} threads in all"
        + (", and took no more than a core each" if is_one_core_each else ""),
        factor=shown.share,
    )


def _waits(shown: Shown) -> Iterator[Cause]:
    """Name calls that neither computed nor had a full process before them."""
    trial, times = shown.trial, shown.trial.response_time_s
    if shown.share >= LOSS or shown.full or times is None or _is_kept_up_with(shown):
        return
    load, cpu_s = trial.load, trial.cpu_s_per_call
    if isinstance(load, ClosedLoop) and load.think_time_s > times.mean:
        yield _pausing(shown, load=load)
        return
    if isinstance(load, ClosedLoop) and load.callers < shown.cores:
        yield Cause(
            short=_callers(load.callers),
            sentence=f"{shown.used}: {_callers(load.callers)} asked for no more at once",
            factor=shown.share,
        )
        return
    if cpu_s is None or times.mean < WAITING * cpu_s:
        return
    at_once = shown.throughput_per_s * times.mean
    yield Cause(
        short=f"waits: {_beside(shown)} cores",
        sentence=(
            f"{shown.used} while {at_once:.0f} calls were there at once: a call took "
            f"{_milliseconds(times.mean)} ms, {_milliseconds(cpu_s)} ms of it CPU; the rest is "
            f"waiting, for what the application asks or for one of {_threads(shown.usage)}"
        ),
        factor=shown.share,
    )


def _pausing(shown: Shown, *, load: ClosedLoop) -> Cause:
    return Cause(
        short="callers pause",
        sentence=(
            f"{shown.used}: {_callers(load.callers)} paused for {load.think_time_s:g} s between "
            "calls, longer than an answer took"
        ),
        factor=shown.share,
    )


def _front(shown: Shown) -> Iterator[Cause]:
    """Name what the front took of the same cores."""
    yield from of_front(shown.trial, cores=shown.cores)


def _beside_it(shown: Shown) -> Iterator[Cause]:
    """Name what the application's other programs took."""
    yield from of_beside(shown.trial)


def _switches(shown: Shown) -> Iterator[Cause]:
    """Count how often the threads of a busy process gave it up."""
    if shown.trial.work_share is not None:  # with it, their cost is known and told
        return
    switches = shown.trial.voluntary_switches_per_call
    threads, processes = shown.usage.peak_threads, shown.usage.peak_processes
    is_busy = shown.share >= LOSS or shown.full > 0
    if switches is None or switches < MANY_SWITCHES_PER_CALL or threads <= processes or not is_busy:
        return
    yield Cause(
        short=f"{switches:.0f} switches per call",
        sentence=(
            f"its {threads} threads gave the CPU away {switches:.0f} times in each call, as those "
            "do that wait for one another, or that ask others often"
        ),
        factor=1.0,
    )


def _is_kept_up_with(shown: Shown) -> bool:
    load = shown.trial.load
    return isinstance(load, OpenLoop) and shown.throughput_per_s >= KEPT_UP * load.rate_per_s


def _beside(shown: Shown) -> str:
    return f"{shown.cores_used:.1f} of {shown.cores:g}"


def _cores(count: float) -> str:
    return "core" if count == 1 else "cores"


def _callers(count: int) -> str:
    return "1 caller" if count == 1 else f"{count} callers"


def _threads(usage: ProcessUsage) -> str:
    processes = "1 process" if usage.peak_processes == 1 else f"{usage.peak_processes} processes"
    threads = "1 thread" if usage.peak_threads == 1 else f"{usage.peak_threads} threads"
    return f"{threads} in {processes}"


def _milliseconds(seconds: float) -> str:
    """Return milliseconds with three significant digits or more."""
    milliseconds = seconds * 1000
    decimals = 2 if milliseconds < 10 else 1 if milliseconds < 100 else 0  # noqa: PLR2004
    return f"{milliseconds:.{decimals}f}"


Rule = Callable[[Shown], Iterator[Cause]]
_RULES: tuple[Rule, ...] = (
    _throttled,
    _keeps_up,
    _all_cores_busy,
    _full_processes,
    _waits,
    _failures,
    _front,
    _beside_it,
    _switches,
)
_RULES_BESIDE_OTHERS: tuple[Rule, ...] = (
    _throttled,
    _taken_by_others,
    _beside_it,
    _failures,
)
