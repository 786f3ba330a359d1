"""Processes as ``/proc`` shows them: states, trees, run tags, and signals to the right one.

Standard library only, because the supervisor imports it; psutil is not there, and its process
objects read more than a kill loop and a sampler need.
"""

import os
import signal
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_GONE_STATES = frozenset("ZXx")


class Identity(NamedTuple):
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    start_ticks: int
    """Clock ticks after boot at which it started."""


class ProcessStat(NamedTuple):
    """A line of ``/proc/PID/stat``; see proc_pid_stat(5)."""

    pid: int
    name: str
    state: str
    parent: int
    session: int
    user_s: float
    system_s: float
    children_user_s: float
    """Of the children that it waited for, and of theirs."""
    children_system_s: float
    threads: int
    start_ticks: int
    rss_bytes: int

    @property
    def identity(self) -> Identity:
        """Return what tells it from a later process with the same number."""
        return Identity(self.pid, self.start_ticks)

    @property
    def is_alive(self) -> bool:
        """Tell whether it still runs, rather than waits to be reaped."""
        return self.state not in _GONE_STATES

    @property
    def cpu_s(self) -> float:
        """Return its own CPU time, that of its ended threads included."""
        return self.user_s + self.system_s

    @property
    def cpu_with_ended_s(self) -> float:
        """Return its own CPU time and that of the children that it waited for."""
        return self.cpu_s + self.children_user_s + self.children_system_s


class ContextSwitches(NamedTuple):
    """How often a thread gave up its CPU, and how often it was taken from it."""

    voluntary: int
    involuntary: int


def read_bytes(path: str) -> bytes | None:
    """Read a file of ``/proc``; None where it is gone or closed to us."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        chunks = []
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def names_in(folder: str) -> list[str]:
    """List a folder of ``/proc``; nothing where it is gone or closed to us."""
    try:
        return os.listdir(folder)  # noqa: PTH208  # a Path for each process costs more than its stat
    except OSError:
        return []


def link(path: str) -> str:
    """Return where a link of ``/proc`` leads; empty where it is gone or closed to us."""
    try:
        return os.readlink(path)  # noqa: PTH115  # as above
    except OSError:
        return ""


def parse_stat(line: bytes) -> ProcessStat:
    """Parse the text of ``/proc/PID/stat``."""
    # The name stands in parentheses and may hold parentheses itself: the last one closes it.
    head, _, tail = line.rpartition(b")")
    pid, _, name = head.partition(b" (")
    fields = tail.split()
    return ProcessStat(
        pid=int(pid),
        name=name.decode(errors="replace"),
        state=fields[0].decode(),
        parent=int(fields[1]),
        session=int(fields[3]),
        user_s=int(fields[11]) / TICKS_PER_S,
        system_s=int(fields[12]) / TICKS_PER_S,
        children_user_s=int(fields[13]) / TICKS_PER_S,
        children_system_s=int(fields[14]) / TICKS_PER_S,
        threads=int(fields[17]),
        start_ticks=int(fields[19]),
        rss_bytes=int(fields[21]) * PAGE_BYTES,
    )


def read_stat(pid: int) -> ProcessStat | None:
    """Read the state of a process; None where there is none."""
    line = read_bytes(f"/proc/{pid}/stat")
    return parse_stat(line) if line else None


def own_identity() -> Identity:
    """Return this process, and no later one with its number."""
    stat = read_stat(os.getpid())
    return Identity(os.getpid(), stat.start_ticks if stat else 0)


def process_ids() -> tuple[int, ...]:
    """List the numbers of all processes that ``/proc`` shows."""
    return tuple(int(name) for name in names_in("/proc") if name.isdecimal())


def all_stats() -> Mapping[int, ProcessStat]:
    """Read the state of every process, by its number; takes about 15 µs a process."""
    stats = (read_stat(pid) for pid in process_ids())
    return {stat.pid: stat for stat in stats if stat is not None}


def descendants(
    roots: Collection[int], *, stats: Mapping[int, ProcessStat]
) -> tuple[ProcessStat, ...]:
    """Return the processes below the roots, parents first, the roots left out."""
    children: dict[int, list[ProcessStat]] = {}
    for stat in stats.values():
        children.setdefault(stat.parent, []).append(stat)
    found: dict[int, ProcessStat] = {}
    waiting = list(roots)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child.pid not in found and child.pid not in roots:
                found[child.pid] = child
                waiting.append(child.pid)
    return tuple(found.values())


def ancestry(pid: int, *, stats: Mapping[int, ProcessStat]) -> tuple[int, ...]:
    """Return a process, its parent, and so on up to the first of all."""
    line = [pid]
    while (stat := stats.get(line[-1])) is not None and stat.parent > 0:
        line.append(stat.parent)
    return tuple(line)


def tagged(variable: str, *, value: str) -> tuple[ProcessStat, ...]:
    """Return the living processes that were started with this environment variable.

    A process of another user, or one that wrote its title over its environment, is not found.
    """
    return tuple(
        stat
        for pid in process_ids()
        if carries(pid, variable=variable, value=value)
        and (stat := read_stat(pid)) is not None
        and stat.is_alive
    )


def carries(pid: int, *, variable: str, value: str) -> bool:
    """Tell whether a process was started with this environment variable."""
    environment = read_bytes(f"/proc/{pid}/environ")
    return f"{variable}={value}".encode() in (environment or b"").split(b"\0")


def send_signal(target: Identity, *, number: signal.Signals) -> bool:
    """Signal exactly this process; False where it is gone or belongs to somebody else."""
    try:
        descriptor = os.pidfd_open(target.pid)
    except ProcessLookupError:
        return False
    except OSError:  # a kernel or a sandbox without pidfd
        return _send_by_number(target, number=number)
    try:
        # The descriptor holds whatever process had the number; only now is the start time its own.
        if not is_same(target):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except (ProcessLookupError, PermissionError):
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _send_by_number(target: Identity, *, number: signal.Signals) -> bool:
    if not is_same(target):
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.kill(target.pid, number)
        return True
    return False


def is_same(target: Identity) -> bool:
    """Tell whether the process with this number is still the one that is meant, and alive."""
    stat = read_stat(target.pid)
    return stat is not None and stat.is_alive and stat.identity == target


class ProportionalMemory(NamedTuple):
    """What a process has in memory, pages divided among those who share them."""

    all_bytes: int
    of_files_bytes: int
    """Part of it: pages of programs, libraries and mapped files, which strangers may share too.

    It changes when one of those comes or goes. Zero where the kernel does not tell (before 5.4).
    """


def proportional_memory(pid: int) -> ProportionalMemory | None:
    """Read the proportional set size; None where kernel or permissions do not show it."""
    lines = (read_bytes(f"/proc/{pid}/smaps_rollup") or b"").splitlines()
    sizes = {
        name: int(rest.split()[0]) * 1024
        for name, _, rest in (line.partition(b":") for line in lines)
        if name in {b"Pss", b"Pss_File"}
    }
    if b"Pss" not in sizes:
        return None
    return ProportionalMemory(sizes[b"Pss"], sizes.get(b"Pss_File", 0))


def context_switches(pid: int) -> Mapping[int, ContextSwitches]:
    """Read the context switches of each living thread, by its number.

    ``/proc/PID/status`` counts the main thread only, hence the walk.
    """
    threads = names_in(f"/proc/{pid}/task")
    texts = ((int(name), read_bytes(f"/proc/{pid}/task/{name}/status")) for name in threads)
    return {thread: _parse_switches(text.splitlines()) for thread, text in texts if text}


def _parse_switches(lines: Iterable[bytes]) -> ContextSwitches:
    counts = {
        name: int(value)
        for name, _, value in (line.partition(b":") for line in lines)
        if name.endswith(b"ctxt_switches")
    }
    return ContextSwitches(
        counts.get(b"voluntary_ctxt_switches", 0), counts.get(b"nonvoluntary_ctxt_switches", 0)
    )


def ignores_child_signal(pid: int) -> bool:
    """Tell whether the kernel reaps its children unseen, so that their CPU time is lost to it."""
    text = read_bytes(f"/proc/{pid}/status") or b""
    for line in text.splitlines():
        if line.startswith(b"SigIgn:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGCHLD - 1) & 1)
    return False
