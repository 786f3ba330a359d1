"""Rules on noise: what a reader must know of it, and what voids a round; pure.

Only signals from outside the trial may void, never its outcome: throwing away what came out badly
would leave what one wished for.
"""

import re
import shlex
from collections.abc import Iterable

from servelab.model.noise import ForeignProgram, Noise
from servelab.model.trial import Warning  # noqa: A004 - the word of the reports

STEAL_NOTED = 0.01
STEAL_LIMIT = 0.05
FOREIGN_NOTED = 0.03
FOREIGN_LIMIT = 0.10
WALL_PER_CPU_NOTED = 1.05
PACE_CHANGE_NOTED = 0.10
MEMORY_STALL_NOTED = 0.01
CLOCK_STEP_LIMIT_S = 0.1
CLOCK_STEP_LIMIT_SHARE = 0.001
"""Clocks that are kept in step by network are slewed by at most half of that."""
SUSPENSION_LIMIT_S = 0.1

STEAL = "steal"
FOREIGN_CPU = "foreign-cpu"
PREEMPTED = "pre-empted"
PACE_CHANGED = "pace-changed"
THROTTLED = "throttled"
MEMORY_PRESSURE = "memory-pressure"
CLOCK_JUMP = "clock-jump"
OTHER_RUN = "other-run"
LISTEN_OVERFLOW = "listen-overflow"
STOP_THEM = "stop them and measure again"
_UNNAMEABLE = frozenset("/:[]()")
"""Marks of names that threads of the kernel and containers have, and no program that one starts."""
_ANYTHING = re.compile(r"(python|pypy|node|java|ruby|perl|php|bash|dash|sh|zsh)[\d.]*t?")
"""Interpreters and shells: by such a name every program of theirs would be meant."""


def warnings(noise: Noise, *, remedy: str = STOP_THEM) -> Iterable[Warning]:
    """Yield what a reader must know, each with what to do about it.

    `remedy` is what helps against other programs.
    """
    yield from _other_runs(noise)
    yield from _clock(noise)
    yield from _steal(noise)
    yield from _foreign(noise, remedy=remedy)
    for rule in _OTHER_RULES:
        yield from rule(noise)


def reasons_to_void(noise: Noise) -> tuple[str, ...]:
    """Return why the round of this trial says nothing; empty where it may count.

    Memory pressure, throttling and overflowing listeners are left out: the server under test can
    cause them.
    """
    reasons = []
    if noise.steal_share is not None and noise.steal_share > STEAL_LIMIT:
        reasons.append(f"the hypervisor took {noise.steal_share:.1%} of the CPU time")
    if noise.foreign_cpu_share is not None and noise.foreign_cpu_share > FOREIGN_LIMIT:
        named = ", ".join(f"{each.name} {each.cpu_share:.0%}" for each in noise.foreign_programs)
        reasons.append(
            f"other programs took {noise.foreign_cpu_share:.1%} of the CPU time"
            f"{f' ({named})' if named else ''}"
        )
    if (slept := _suspension(noise)) is not None:
        reasons.append(slept)
    if (step := _clock_step(noise)) is not None:
        reasons.append(step)
    return tuple(reasons)


def advice_on_own(noises: Iterable[Noise]) -> str | None:
    """Return how to have what voided these loads counted as a part of the user's application.

    None where other programs voided none, or none of them can be seen.
    """
    shares: dict[str, float] = {}
    for noise in noises:
        if noise.foreign_cpu_share is None or noise.foreign_cpu_share <= FOREIGN_LIMIT:
            continue
        for each in filter(_can_be_named, noise.foreign_programs):
            shares[each.name] = shares.get(each.name, 0.0) + each.cpu_share
    if not shares:
        return None
    return _advice(max(shares, key=lambda name: shares[name]))


def remedy_of_own(noise: Noise) -> str:
    """Return what helps against other programs where the application is the user's."""
    name = next((each.name for each in filter(_can_be_named, noise.foreign_programs)), None)
    return STOP_THEM if name is None else f"{STOP_THEM}; {_advice(name)}"


def _advice(name: str) -> str:
    option = f"--beside {shlex.quote(name)}"
    return f"if {name} is part of the application (a database, a cache): {option}"


def _can_be_named(program: ForeignProgram) -> bool:
    return not _UNNAMEABLE & set(program.name) and _ANYTHING.fullmatch(program.name) is None


def notice_of_others(number: int) -> str | None:
    """Return what to say before a run while others measure; None where nobody does."""
    if not number:
        return None
    others = _others(number, one="is", several="are")
    return f"! {others} measuring on this machine: the results of all of them will be marked"


def _others(number: int, *, one: str, several: str) -> str:
    return f"another servelab {one}" if number == 1 else f"{number} other servelab {several}"


def _steal(noise: Noise) -> Iterable[Warning]:
    if noise.steal_share is not None and noise.steal_share > STEAL_NOTED:
        yield Warning(
            kind=STEAL,
            text=(
                f"the hypervisor took {noise.steal_share:.1%} of the CPU time for other guests; "
                "measure on a machine with CPUs of its own, or at another hour"
            ),
        )


def _foreign(noise: Noise, *, remedy: str) -> Iterable[Warning]:
    share = noise.foreign_cpu_share
    if share is None or share <= FOREIGN_NOTED:
        return
    named = ", ".join(_strangers(noise))
    yield Warning(
        kind=FOREIGN_CPU,
        text=(
            f"other programs took {share:.1%} of the CPU time that the trial could have had"
            f"{f', first of all {named}' if named else ''}; {remedy}"
        ),
    )


def _strangers(noise: Noise) -> Iterable[str]:
    """Yield the busiest programs, with the number of the process where there is but one."""
    several = [each for each in noise.foreign_programs if each.processes > 1]
    for program in several:
        yield f"{program.name} ({program.processes} processes, {program.cpu_share:.0%})"
    for each in noise.foreign_processes:
        if each.name not in {program.name for program in several}:
            yield f"{each.name} (pid {each.pid}, {each.cpu_share:.0%})"


def _preempted(noise: Noise) -> Iterable[Warning]:
    ratios = {
        word: found.wall_per_cpu
        for word, found in (
            ("before", noise.calibration_before),
            ("after", noise.calibration_after),
        )
        if found is not None and found.wall_per_cpu > WALL_PER_CPU_NOTED
    }
    if ratios:
        words = " and ".join(f"{ratio - 1:.0%} longer {word}" for word, ratio in ratios.items())
        yield Warning(
            kind=PREEMPTED,
            text=(
                f"a short calibration took {words} the trial than the CPU time it used: something "
                "else wanted the core; quiet the machine and measure again"
            ),
        )


def _pace(noise: Noise) -> Iterable[Warning]:
    before, after = noise.calibration_before, noise.calibration_after
    if before is None or after is None or any(_preempted(noise)):
        return  # a core that somebody else wants is not slow
    change = after.loops_per_cpu_s / before.loops_per_cpu_s - 1
    if abs(change) > PACE_CHANGE_NOTED:
        word = "faster" if change > 0 else "slower"
        yield Warning(
            kind=PACE_CHANGED,
            text=(
                f"the core was {abs(change):.0%} {word} after the trial than before it; fix its "
                "frequency (servelab doctor says how), or give it time to cool"
            ),
        )


def _throttled(noise: Noise) -> Iterable[Warning]:
    if noise.throttled_periods:
        yield Warning(
            kind=THROTTLED,
            text=(
                f"the CPU quota around servelab stopped it in {noise.throttled_periods} of "
                f"{noise.quota_periods} periods, for {noise.throttled_s or 0:.2f} s: generator and "
                "server stood still together; lift the quota, or load less"
            ),
        )


def _memory(noise: Noise) -> Iterable[Warning]:
    share, swapped_bytes = noise.memory_stall_share, noise.swapped_in_bytes
    found = []
    if share is not None and share > MEMORY_STALL_NOTED:
        found.append(f"processes waited for memory in {share:.1%} of the time")
    if swapped_bytes:
        found.append(f"{swapped_bytes / 1e6:.1f} MB came back from swap space")
    if found:
        yield Warning(
            kind=MEMORY_PRESSURE,
            text=f"memory was short: {' and '.join(found)}; free some, or measure less at once",
        )


def _clock(noise: Noise) -> Iterable[Warning]:
    for found in (_suspension(noise), _clock_step(noise)):
        if found is not None:
            yield Warning(kind=CLOCK_JUMP, text=f"{found}; measure again")


def _suspension(noise: Noise) -> str | None:
    slept_s = noise.suspended_s
    if slept_s is None or slept_s <= SUSPENSION_LIMIT_S:
        return None
    return f"the machine was suspended for {slept_s:.1f} s"


def _clock_step(noise: Noise) -> str | None:
    step_s = noise.clock_step_s
    limit_s = max(CLOCK_STEP_LIMIT_S, CLOCK_STEP_LIMIT_SHARE * noise.seconds)
    if step_s is None or abs(step_s) <= limit_s:
        return None
    return f"the wall clock was set {'forward' if step_s > 0 else 'back'} by {abs(step_s):.1f} s"


def _other_runs(noise: Noise) -> Iterable[Warning]:
    if noise.other_runs:
        others = _others(noise.other_runs, one="was", several="were")
        yield Warning(
            kind=OTHER_RUN,
            text=f"{others} measuring on this machine meanwhile; run one after the other",
        )


def _overflows(noise: Noise) -> Iterable[Warning]:
    if noise.listen_overflows:
        yield Warning(
            kind=LISTEN_OVERFLOW,
            text=(
                f"{noise.listen_overflows} connections found a listener's queue full and tried "
                "again after 1, 3, 7 s, which is in the response times; a longer backlog, or "
                "workers that accept sooner, would take them"
            ),
        )


_OTHER_RULES = (
    _preempted,
    _pace,
    _throttled,
    _memory,
    _overflows,
)
