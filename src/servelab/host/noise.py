"""Watch what the machine does beside a trial.

What is ours is servelab and all that is below it: the supervisors, under which whatever a server
started stays, the generators, the slow API; and the programs beside it that the user named as parts
of the application. Whatever else the CPUs were busy with is foreign.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self, TypeVar

import msgspec

from servelab.host import pace
from servelab.host.beside import Member, members_of, use_of
from servelab.linux import cpus, netstat, presence, pressure, processors, procfs, throttling
from servelab.linux.processors import ProcessorTimes
from servelab.linux.procfs import Identity, ProcessStat
from servelab.linux.throttling import Throttling
from servelab.model.beside import BesideUse
from servelab.model.noise import Calibration, ForeignProcess, ForeignProgram, Noise

Number = TypeVar("Number", int, float)

SHORTEST_S = 1.0
"""Below it a clock tick, 10 ms, of each process and CPU is too much of the time."""
_COUNTED_SHARE = 0.5
"""Of the time that passed; a kernel that accounts for less counts nothing at all."""
_NAMED = 3
_NAMED_FROM = 0.01
_STABLE_TRIES = 3
_CLOCK_TRIES = 10
_ONE_MOMENT_S = 0.0005


class Reading(NamedTuple):
    """All that is counted, at one moment."""

    monotonic_s: float
    boot_s: float
    wall_s: float
    processors: ProcessorTimes | None
    processes: Mapping[Identity, ProcessStat]
    own: frozenset[Identity]
    throttling: Mapping[Path, Throttling]
    memory_stall_s: float | None
    swapped_in_bytes: int | None
    listen_overflows: int | None
    beside: Mapping[Identity, Member] = MappingProxyType({})
    """Processes of the programs that the user named."""


class Watch:
    """Watches one trial: calibrates before and after it, and reads all counters at its load.

    `named` are the programs beside the server that belong to the application.
    """

    def __init__(self, *, named: Sequence[str] = ()) -> None:
        self._named = tuple(named)
        self._cpus = cpus.cpu_allowance().cpus
        self._stack = ExitStack()
        self._presence: presence.Presence | None = None
        self._others: list[int] = []
        self._readings: list[Reading] = []
        self._before: Calibration | None = None
        self._after: Calibration | None = None

    def __enter__(self) -> Self:
        """Be seen by other runs, and calibrate: before the server starts, which would disturb."""
        self._presence = self._stack.enter_context(presence.announced())
        self._before = pace.calibrate()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Calibrate again, once the server is gone; whoever interrupts need not wait for it."""
        self._stack.close()
        if kind is None or issubclass(kind, Exception):
            self._after = pace.calibrate()

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Watch while the block lasts; the last block counts."""
        self._readings = [self._read()]
        yield
        self._readings.append(self._read())

    def noise(self, *, unwaited_cpu_s: float = 0.0) -> Noise | None:
        """Return what was seen; None without a load.

        `unwaited_cpu_s` is CPU time of our own processes that left no trace in the tree.
        """
        if len(self._readings) < 2:  # noqa: PLR2004 - before and after
            return None
        first, last = self._readings
        return msgspec.structs.replace(
            between(first, last, cpu_count=len(self._cpus), unwaited_cpu_s=unwaited_cpu_s),
            calibration_before=self._before,
            calibration_after=self._after,
            other_runs=max(self._others, default=None),
        )

    def beside(self) -> BesideUse | None:
        """Return what the named programs took; None without a load, or a name."""
        if len(self._readings) < 2 or not self._named:  # noqa: PLR2004 - before and after
            return None
        first, last = self._readings
        return use_of(
            self._named,
            members=_members(first, last),
            used_s=_used_s(first, last),
            seconds=last.monotonic_s - first.monotonic_s,
            cpus=len(self._cpus),
        )

    def _read(self) -> Reading:
        others = self._presence.others() if self._presence else None
        self._others += [] if others is None else [others]
        return read(self._cpus, named=self._named)


def read(allowed: frozenset[int], *, named: Sequence[str] = ()) -> Reading:
    """Read all counters, on these CPUs; takes about 30 µs for each process of the machine.

    `named` programs are looked for last, so that the search is not in the time at the end.
    """
    processes, own = _stable_processes()
    monotonic_s, boot_s, wall_s = _clocks()
    reading = Reading(
        monotonic_s=monotonic_s,
        boot_s=boot_s,
        wall_s=wall_s,
        processors=processors.read(allowed),
        processes=processes,
        own=own,
        throttling=throttling.read(),
        memory_stall_s=pressure.memory_stall_s(),
        swapped_in_bytes=pressure.swapped_in_bytes(),
        listen_overflows=netstat.listen_overflows(),
    )
    by_number = {stat.pid: stat for stat in processes.values()}
    return reading._replace(beside=members_of(named, stats=by_number, allowed=allowed))


def between(first: Reading, last: Reading, *, cpu_count: int, unwaited_cpu_s: float = 0.0) -> Noise:
    """Return what happened between two readings; pure."""
    seconds = last.monotonic_s - first.monotonic_s
    capacity_s = seconds * cpu_count
    steal_s, busy_s = _steal_and_busy_s(first, last, capacity_s=capacity_s)
    is_long_enough = seconds >= SHORTEST_S
    used_s = _used_s(first, last)
    beside = _members(first, last)
    beside_s = sum(each.share * used_s.get(identity, 0.0) for identity, each in beside.items())
    own_s = own_cpu_s(first, last) + unwaited_cpu_s + beside_s
    ours = last.own | beside.keys()
    foreign_s = {each: used_s[each] for each in used_s if is_long_enough and each not in ours}
    throttled = _throttled(first, last)
    stalled_s = _difference(first.memory_stall_s, last.memory_stall_s)
    return Noise(
        seconds=seconds,
        cpus=cpu_count,
        steal_share=None if steal_s is None else steal_s / capacity_s,
        foreign_cpu_share=(
            max(0.0, busy_s - own_s) / capacity_s if busy_s is not None and is_long_enough else None
        ),
        foreign_processes=_busiest(foreign_s, at=last, capacity_s=capacity_s),
        foreign_programs=_programs(foreign_s, at=last, capacity_s=capacity_s),
        quota_periods=throttled.periods if throttled else None,
        throttled_periods=throttled.throttled_periods if throttled else None,
        throttled_s=throttled.throttled_s if throttled else None,
        memory_stall_share=None if stalled_s is None else stalled_s / seconds,
        swapped_in_bytes=_difference(first.swapped_in_bytes, last.swapped_in_bytes),
        listen_overflows=_difference(first.listen_overflows, last.listen_overflows),
        clock_step_s=(last.wall_s - first.wall_s) - (last.boot_s - first.boot_s),
        suspended_s=max(0.0, (last.boot_s - first.boot_s) - seconds),
    )


def own_cpu_s(first: Reading, last: Reading) -> float:
    """Return the CPU time of servelab and its tree; that of processes which ended is inherited."""
    return _tree_cpu_s(last) - _tree_cpu_s(first)


def _tree_cpu_s(reading: Reading) -> float:
    return sum(reading.processes[each].cpu_with_ended_s for each in reading.own)


def _steal_and_busy_s(
    first: Reading, last: Reading, *, capacity_s: float
) -> tuple[float | None, float | None]:
    """Return stolen time, and time in which processes were on the CPUs.

    Busy is what was not idle: idle time is exact where the other times are sampled. Interrupts
    that the kernel times apart belong to nobody, so that they are nobody's disturbance.
    """
    before, after = first.processors, last.processors
    if before is None or after is None:
        return None, None
    if after.total_s - before.total_s < _COUNTED_SHARE * capacity_s:
        return None, None
    steal_s = after.steal_s - before.steal_s
    busy_s = capacity_s - (after.idle_s - before.idle_s) - steal_s
    if after.are_interrupts_apart:
        busy_s -= after.hard_interrupts_s - before.hard_interrupts_s
        busy_s -= after.soft_interrupts_s - before.soft_interrupts_s
    return steal_s, busy_s


def _members(first: Reading, last: Reading) -> Mapping[Identity, Member]:
    """Return the processes of the named programs, with how much of each is on the trial's CPUs."""
    return {**first.beside, **last.beside}


def _used_s(first: Reading, last: Reading) -> Mapping[Identity, float]:
    """Return what each process used that is there at the end, with its children that ended."""
    bequeathed_s = _bequeathed_s(first, last)
    found = {}
    for identity, now in last.processes.items():
        then = first.processes.get(identity)
        used_s = now.cpu_with_ended_s - (then.cpu_with_ended_s if then else 0.0)
        # What a parent inherits of a child that had begun before was in part used before.
        found[identity] = max(0.0, used_s - bequeathed_s.get(identity.pid, 0.0))
    return found


def _busiest(
    used_s: Mapping[Identity, float], *, at: Reading, capacity_s: float
) -> tuple[ForeignProcess, ...]:
    found = (
        ForeignProcess(
            name=at.processes[identity].name, pid=identity.pid, cpu_share=each_s / capacity_s
        )
        for identity, each_s in used_s.items()
    )
    by_share = sorted(found, key=lambda process: -process.cpu_share)
    return tuple(each for each in by_share[:_NAMED] if each.cpu_share >= _NAMED_FROM)


def _programs(
    used_s: Mapping[Identity, float], *, at: Reading, capacity_s: float
) -> tuple[ForeignProgram, ...]:
    """Return the busiest programs: all processes of one name, each of which may take little."""
    seconds: dict[str, float] = {}
    counts: dict[str, int] = {}
    for identity, each_s in used_s.items():
        if each_s > 0:
            name = at.processes[identity].name
            seconds[name] = seconds.get(name, 0.0) + each_s
            counts[name] = counts.get(name, 0) + 1
    found = (
        ForeignProgram(name=name, processes=counts[name], cpu_share=each_s / capacity_s)
        for name, each_s in seconds.items()
    )
    by_share = sorted(found, key=lambda program: -program.cpu_share)
    return tuple(each for each in by_share[:_NAMED] if each.cpu_share >= _NAMED_FROM)


def _bequeathed_s(first: Reading, last: Reading) -> Mapping[int, float]:
    """Return what processes that ended since had used before, by the nearest parent that lives."""
    parents = {each.pid: each.parent for each in first.processes.values()}
    living = {identity.pid for identity in last.processes}
    totals_s: dict[int, float] = {}
    for identity in first.processes.keys() - last.processes.keys():
        heir = parents[identity.pid]
        while heir in parents and heir not in living:
            heir = parents[heir]
        used_s = first.processes[identity].cpu_with_ended_s
        totals_s[heir] = totals_s.get(heir, 0.0) + used_s
    return totals_s


def _throttled(first: Reading, last: Reading) -> Throttling | None:
    """Return it for the cgroup that was stopped the longest; limits hold for all below them."""
    gained = [
        now.since(then)
        for folder, now in last.throttling.items()
        if (then := first.throttling.get(folder)) is not None
    ]
    return max(gained, key=lambda each: (each.throttled_s, each.periods), default=None)


def _difference(first: Number | None, last: Number | None) -> Number | None:
    return None if first is None or last is None else last - first


def _clocks() -> tuple[float, float, float]:
    """Read three clocks at one moment: the monotonic one, that with suspension, and the wall's.

    Who is taken off the CPU between two of them would see a step where there was none.
    """
    for _ in range(_CLOCK_TRIES):
        found = (time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME), time.time())
        if time.monotonic() - found[0] <= _ONE_MOMENT_S:
            break
    return found


def _stable_processes() -> tuple[Mapping[Identity, ProcessStat], frozenset[Identity]]:
    """Look twice with the same tree, so that no process was between tree and parent."""
    snapshot = _processes()
    for _ in range(_STABLE_TRIES):
        before, snapshot = snapshot, _processes()
        if snapshot[1] == before[1]:
            break
    return snapshot


def _processes() -> tuple[Mapping[Identity, ProcessStat], frozenset[Identity]]:
    stats = procfs.all_stats()
    root = os.getpid()
    own = [stat for stat in stats.values() if stat.pid == root]
    own += procfs.descendants((root,), stats=stats)
    by_identity = {stat.identity: stat for stat in stats.values()}
    return by_identity, frozenset(stat.identity for stat in own)
