"""Programs by what a user calls them: a process's name, a unit of systemd, or a number.

Reads ``/proc`` only, and of it what every user may read; the file that a process runs is shown to
its own user and to root.
"""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePosixPath

from servelab.linux import procfs
from servelab.linux.procfs import ProcessStat

PROC = "/proc"
LONGEST_COMM = 15
"""Characters that the kernel keeps of a name; see proc_pid_comm(5)."""
NUMBER = re.compile(r"pid:([1-9]\d{0,9})")
UNIT = re.compile(r"(?P<stem>[^/@]+)(?P<instance>@[^/]*)?(?P<kind>\.(?:service|scope|slice))")
_REPLACED = " (deleted)"
"""Follows the path of a file that was removed, or replaced by a newer version, since."""
_KERNEL = 2
"""Number of the kernel's own thread, whose children are all others of its kind."""


def matching(
    name: str, *, stats: Mapping[int, ProcessStat], proc: str = PROC
) -> tuple[ProcessStat, ...]:
    """Return the processes that a name fits, and all below them; nothing where it fits none.

    ``pid:1234`` is that process. A name that ends as a unit's does is the unit with this control
    group, or each instance of it: Debian's ``postgresql.service`` is there for all of its
    ``postgresql@15-main.service``. Any other is what a process, its first argument or its file is
    called.
    """
    fits = _test_of(name, proc=proc)
    found = {stat.pid: stat for stat in stats.values() if not _is_kernel(stat) and fits(stat)}
    below = procfs.descendants(found, stats=stats)
    return (*found.values(), *below)


def names(stats: Collection[ProcessStat]) -> tuple[str, ...]:
    """Return what these processes are called, each once; threads of the kernel are left out."""
    return tuple(dict.fromkeys(stat.name for stat in stats if not _is_kernel(stat)))


def _test_of(name: str, *, proc: str) -> Callable[[ProcessStat], bool]:
    if number := NUMBER.fullmatch(name):
        pid = int(number[1])
        return lambda stat: stat.pid == pid
    if unit := UNIT.fullmatch(name):
        return lambda stat: _is_in_unit(stat.pid, unit=unit, proc=proc)
    return lambda stat: (
        stat.name == name[:LONGEST_COMM] or name in _names_of_files(stat.pid, proc=proc)
    )


def _is_kernel(stat: ProcessStat) -> bool:
    return _KERNEL in {stat.pid, stat.parent} and stat.rss_bytes == 0


def _names_of_files(pid: int, *, proc: str) -> frozenset[str]:
    first, _, _ = (procfs.read_bytes(f"{proc}/{pid}/cmdline") or b"").partition(b"\0")
    paths = (
        first.decode(errors="replace"),
        procfs.link(f"{proc}/{pid}/exe").removesuffix(_REPLACED),
    )
    return frozenset(PurePosixPath(path).name for path in paths if path)


def _is_in_unit(pid: int, *, unit: re.Match[str], proc: str) -> bool:
    text = (procfs.read_bytes(f"{proc}/{pid}/cgroup") or b"").decode(errors="replace")
    groups = (line.split(":", 2)[-1].split("/") for line in text.splitlines())
    return any(_is_unit(group, unit=unit) for path in groups for group in path)


def _is_unit(group: str, *, unit: re.Match[str]) -> bool:
    if group == unit[0]:
        return True
    is_instance = group.startswith(f"{unit['stem']}@") and group.endswith(unit["kind"])
    return unit["instance"] is None and is_instance
