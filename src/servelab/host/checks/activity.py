"""Checks of what the machine does just now, from a look of a second; pure but for `look`."""

import time
from collections.abc import Iterable

from msgspec import Struct

from servelab.explain import disturbance
from servelab.host.noise import SHORTEST_S, Watch
from servelab.model.finding import Finding, Verdict
from servelab.model.noise import Noise

LATE_WAKE_UP_S = 0.001
_NAP_S = 0.005
_MARGIN_S = 0.1
_RANK = 0.99


class Look(Struct, frozen=True, kw_only=True):
    """What was seen in a second."""

    noise: Noise
    wake_up_delay_p99_s: float
    """How much later than asked this process woke up, for all but one nap in a hundred."""


def look(*, duration_s: float = SHORTEST_S + _MARGIN_S) -> Look:
    """Watch the machine while doing next to nothing."""
    watch = Watch()
    delays_s: list[float] = []
    with watch, watch.loading():
        end_s = time.monotonic() + duration_s
        while (began_s := time.monotonic()) < end_s or not delays_s:
            time.sleep(_NAP_S)
            delays_s.append(time.monotonic() - began_s - _NAP_S)
    noise = watch.noise()
    assert noise is not None  # noqa: S101 - the block ended without an error
    delays_s.sort()
    return Look(noise=noise, wake_up_delay_p99_s=delays_s[int(_RANK * (len(delays_s) - 1))])


def findings(seen: Look) -> Iterable[Finding]:
    """Yield what was seen."""
    noise = seen.noise
    yield from _other_programs(noise)
    yield from _steal(noise)
    yield from _calibration(noise)
    yield from _wake_up(seen.wake_up_delay_p99_s)
    yield from _memory_stall(noise)
    yield from _other_runs(noise)


def _other_programs(noise: Noise) -> Iterable[Finding]:
    share = noise.foreign_cpu_share
    if share is None:
        return
    fact = f"other programs take {share:.1%} of the CPU time"
    if share <= disturbance.FOREIGN_NOTED:
        yield Finding(subject="other load", fact=fact)
        return
    names = [f"{each.name} (pid {each.pid})" for each in noise.foreign_processes]
    yield Finding(
        subject="other load",
        fact=f"{fact}{': ' if names else ''}{', '.join(names)}",
        verdict=Verdict.BAD if share > disturbance.FOREIGN_LIMIT else Verdict.NOTE,
        advice="stop them, or wait until they are done",
    )


def _steal(noise: Noise) -> Iterable[Finding]:
    share = noise.steal_share
    if share is None:
        return
    fact = f"the hypervisor gives {share:.1%} of the CPU time to other guests"
    if share <= disturbance.STEAL_NOTED:
        yield Finding(subject="steal", fact=fact)
        return
    yield Finding(
        subject="steal",
        fact=fact,
        verdict=Verdict.BAD if share > disturbance.STEAL_LIMIT else Verdict.NOTE,
        advice="measure on a machine with CPUs of its own, or at another hour",
    )


def _calibration(noise: Noise) -> Iterable[Finding]:
    found = [each for each in (noise.calibration_before, noise.calibration_after) if each]
    if not found:
        return
    worst = max(each.wall_per_cpu for each in found)
    if worst <= disturbance.WALL_PER_CPU_NOTED:
        yield Finding(subject="calibration", fact="a busy process keeps its core")
        return
    yield Finding(
        subject="calibration",
        fact=f"a busy process takes {worst - 1:.0%} longer than the CPU time that it uses",
        verdict=Verdict.NOTE,
        advice="find what else wants the cores; see other load and steal",
    )


def _wake_up(delay_p99_s: float) -> Iterable[Finding]:
    fact = f"99 of 100 wake-ups are at most {delay_p99_s * 1e3:.2f} ms late"
    if delay_p99_s <= LATE_WAKE_UP_S:
        yield Finding(subject="timer", fact=fact)
        return
    yield Finding(
        subject="timer",
        fact=f"{fact}: response times at a given rate contain as much",
        verdict=Verdict.NOTE,
        advice="quiet the machine, or give the generator a core of its own",
    )


def _memory_stall(noise: Noise) -> Iterable[Finding]:
    share = noise.memory_stall_share
    if share is not None and share > disturbance.MEMORY_STALL_NOTED:
        yield Finding(
            subject="memory pressure",
            fact=f"processes wait for memory in {share:.1%} of the time",
            verdict=Verdict.NOTE,
            advice="end what needs the most memory",
        )


def _other_runs(noise: Noise) -> Iterable[Finding]:
    if noise.other_runs:
        yield Finding(
            subject="servelab",
            fact="another one makes a trial just now",
            verdict=Verdict.BAD,
            advice="run one after the other",
        )
