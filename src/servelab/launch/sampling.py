"""Watch what a process tree uses while a trial runs, at little cost to it.

Processes and their CPU times are read from ``/proc/PID/stat`` five times a second, context switches
of threads, proportional memory and open files, which cost more, once a second; both less often
where they take so long that they would disturb the trial.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from servelab.linux import procfs
from servelab.linux.procfs import ContextSwitches, Identity, ProcessStat
from servelab.model.usage import MemoryKind, Moment, ProcessCpu, ProcessUsage

INTERVAL_S = 0.2
DEEP_INTERVAL_S = 1.0
SHARE = 0.02
"""Of a core, which the sampling of either kind may take."""
_STABLE_TRIES = 3


class CpuTimes(NamedTuple):
    """Seconds on a CPU."""

    user_s: float = 0.0
    system_s: float = 0.0

    def plus(self, other: "CpuTimes") -> "CpuTimes":
        """Add both parts."""
        return CpuTimes(self.user_s + other.user_s, self.system_s + other.system_s)

    def minus(self, other: "CpuTimes") -> "CpuTimes":
        """Subtract both parts."""
        return CpuTimes(self.user_s - other.user_s, self.system_s - other.system_s)


class Snapshot(NamedTuple):
    """The processes below a root at one moment, and the root itself."""

    root: ProcessStat | None
    tree: Mapping[Identity, ProcessStat]

    @property
    def cpu(self) -> CpuTimes:
        """Return the time of all processes of the tree, also of those that were waited for.

        A process's time moves to its parent when that waits for it, so the sum is conserved; the
        root contributes only what it inherited so.
        """
        total = inherited(self.root) if self.root else CpuTimes()
        for stat in self.tree.values():
            total = total.plus(own(stat)).plus(inherited(stat))
        return total


def own(stat: ProcessStat) -> CpuTimes:
    """Return the process's own CPU time."""
    return CpuTimes(stat.user_s, stat.system_s)


def inherited(stat: ProcessStat) -> CpuTimes:
    """Return the CPU time of the children that it waited for."""
    return CpuTimes(stat.children_user_s, stat.children_system_s)


def lost_with(vanished: ProcessStat, *, now: Snapshot) -> CpuTimes:
    """Return the time that no ancestor inherited, because the parent never waits for children."""
    parents = [each for each in now.tree.values() if each.pid == vanished.parent]
    if parents and procfs.ignores_child_signal(vanished.parent):
        return own(vanished).plus(inherited(vanished))
    return CpuTimes()


class Sampler:
    """Samples the tree below a process, the process itself left out."""

    def __init__(self, root: int, *, interval_s: float = INTERVAL_S) -> None:
        self._root = root
        self._interval_s = interval_s
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampling", daemon=True)
        self._first = Snapshot(None, {})
        self._last = self._first
        self._started_s = 0.0
        self._lost = CpuTimes()
        self._seen: dict[Identity, tuple[float, float]] = {}
        self._switches: dict[tuple[Identity, int], ContextSwitches] = {}
        self._switches_at_start: dict[tuple[Identity, int], ContextSwitches] = {}
        self._peak_rss = self._peak_pss = self._final_pss = 0
        self._memory_bytes = self._rss_at_deep_look = 0
        self._course: list[Moment] = []
        self._is_pss_known = True
        self._peak_threads = self._peak_processes = 0
        self._samples = 0
        self._usage: ProcessUsage | None = None

    def start(self) -> "Sampler":
        """Take the first sample, then sample in a thread."""
        self._first = self._last = self._look_stable()
        self._started_s = time.monotonic()
        self._note(self._first)
        self._look_deep(self._first)
        self._switches_at_start = dict(self._switches)
        self._thread.start()
        return self

    def stop(self) -> ProcessUsage:
        """Take the last sample and return what was used since the start."""
        if self._usage is None:
            self._is_stopping.set()
            self._thread.join()
            last = self._look_stable()
            seconds = time.monotonic() - self._started_s
            # A tree that is gone by now has its last word in the sample before.
            if last.tree:
                self._note(last)
                self._look_deep(last)
            self._usage = self._sum_up(seconds)
        return self._usage

    @property
    def usage(self) -> ProcessUsage:
        """Return what was used, once sampling has stopped."""
        return self.stop()

    @property
    def memory_bytes(self) -> int:
        """Return what the tree takes just now, at the last look."""
        return self._memory_bytes

    def _run(self) -> None:
        pause_s, next_deep_s = self._interval_s, time.monotonic() + DEEP_INTERVAL_S
        while not self._is_stopping.wait(pause_s):
            began_s = time.monotonic()
            snapshot = self._look()
            pause_s = _pause_s(self._interval_s, since_s=began_s)
            if not snapshot.tree:
                continue
            self._note(snapshot)
            if began_s >= next_deep_s:
                self._look_deep(snapshot)
                next_deep_s = time.monotonic() + _pause_s(DEEP_INTERVAL_S, since_s=began_s)

    def _look(self) -> Snapshot:
        stats = procfs.all_stats()
        below = procfs.descendants((self._root,), stats=stats)
        return Snapshot(stats.get(self._root), {stat.identity: stat for stat in below})

    def _look_stable(self) -> Snapshot:
        """Look twice with the same processes, so that none was between tree and parent."""
        snapshot = self._look()
        for _ in range(_STABLE_TRIES):
            before, snapshot = snapshot, self._look()
            if snapshot.tree.keys() == before.tree.keys():
                break
        return snapshot

    def _note(self, snapshot: Snapshot) -> None:
        for identity in self._last.tree.keys() - snapshot.tree.keys():
            gone = lost_with(self._last.tree[identity], now=snapshot)
            self._lost = self._lost.plus(gone)
        for identity, stat in snapshot.tree.items():
            first = self._first.tree.get(identity)
            at_start_s = first.cpu_s if first else 0.0
            self._seen[identity] = (at_start_s, stat.cpu_s)
        living = [stat for stat in snapshot.tree.values() if stat.is_alive]
        rss = _rss(snapshot)
        self._peak_rss = max(self._peak_rss, rss)
        if self._is_pss_known:
            # Memory that came since the last look at shared pages is hardly ever shared.
            self._memory_bytes = self._final_pss + rss - self._rss_at_deep_look
        else:
            self._memory_bytes = rss
        self._peak_threads = max(self._peak_threads, sum(stat.threads for stat in living))
        self._peak_processes = max(self._peak_processes, len(living))
        self._last = snapshot
        self._samples += 1

    def _look_deep(self, snapshot: Snapshot) -> None:
        total = of_files = files = 0
        for identity, stat in snapshot.tree.items():
            if not stat.is_alive:
                continue
            for thread, switches in procfs.context_switches(identity.pid).items():
                self._switches[identity, thread] = switches
            proportional = procfs.proportional_memory(identity.pid)
            # One that ended since the look has no memory; one that hides it spoils the sum.
            if proportional is None and procfs.is_same(identity):
                self._is_pss_known = False
            if proportional is not None:
                total += proportional.all_bytes
                of_files += proportional.of_files_bytes
            files += len(procfs.names_in(f"/proc/{identity.pid}/fd"))
        self._final_pss = total
        self._peak_pss = max(self._peak_pss, total)
        self._rss_at_deep_look = _rss(snapshot)
        memory_bytes = total if self._is_pss_known else self._rss_at_deep_look
        self._memory_bytes = memory_bytes
        kept_bytes = memory_bytes - (of_files if self._is_pss_known else 0)
        self._course.append(Moment(time.monotonic() - self._started_s, kept_bytes, files))

    def _sum_up(self, seconds: float) -> ProcessUsage:
        cpu = self._last.cpu.minus(self._first.cpu).plus(self._lost)
        before = self._switches_at_start
        gained = [
            (now.voluntary - then.voluntary, now.involuntary - then.involuntary)
            for thread, now in self._switches.items()
            for then in [before.get(thread, ContextSwitches(0, 0))]
        ]
        kind = MemoryKind.PROPORTIONAL if self._is_pss_known else MemoryKind.RESIDENT
        by_time = sorted(
            (ProcessCpu(each.pid, last - first) for each, (first, last) in self._seen.items()),
            key=lambda process: -process.cpu_s,
        )
        return ProcessUsage(
            seconds=seconds,
            user_s=max(0.0, cpu.user_s),
            system_s=max(0.0, cpu.system_s),
            peak_memory_bytes=self._peak_pss if self._is_pss_known else self._peak_rss,
            final_memory_bytes=self._final_pss if self._is_pss_known else _rss(self._last),
            memory_kind=kind,
            peak_threads=self._peak_threads,
            peak_processes=self._peak_processes,
            voluntary_switches=sum(voluntary for voluntary, _ in gained),
            involuntary_switches=sum(involuntary for _, involuntary in gained),
            processes=tuple(by_time),
            samples=self._samples,
            unwaited_cpu_s=self._lost.user_s + self._lost.system_s,
            course=tuple(self._course),
        )


def _pause_s(interval_s: float, *, since_s: float) -> float:
    return max(interval_s, (time.monotonic() - since_s) / SHARE)


def _rss(snapshot: Snapshot) -> int:
    return sum(stat.rss_bytes for stat in snapshot.tree.values())


@contextmanager
def sampled(root: int, *, interval_s: float = INTERVAL_S) -> Iterator[Sampler]:
    """Sample the tree below a process while the block lasts; then read its ``usage``."""
    sampler = Sampler(root, interval_s=interval_s).start()
    try:
        yield sampler
    finally:
        sampler.stop()
