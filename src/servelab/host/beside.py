"""Programs beside the server that belong to the user's application, such as its database.

Their CPU time is counted as that of servelab's own tree: what a process used, with what it
inherited of children that ended. One that fits at either end of the load counts for all of it.
"""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from servelab.errors import UsageError
from servelab.linux import procfs, programs
from servelab.linux.procfs import Identity, ProcessStat
from servelab.model.beside import BesideProgram, BesideUse


class Member(NamedTuple):
    """A process of one of them."""

    name: str
    """Of the program, as the user named it."""
    share: float
    """Of the CPUs that it may use, how many are the trial's, too: elsewhere it takes nothing."""


def require(names: Sequence[str]) -> None:
    """Raise UsageError where one of them is not there now."""
    if not names:
        return
    others = _others(procfs.all_stats())
    for name in names:
        if not programs.matching(name, stats=others):
            raise UsageError(f"--beside {name}: {_nothing(name, stats=others)}")


def members_of(
    names: Sequence[str], *, stats: Mapping[int, ProcessStat], allowed: frozenset[int]
) -> Mapping[Identity, Member]:
    """Return the processes of these programs; servelab's own belong to none.

    `allowed` are the CPUs of the trial.
    """
    if not names:
        return {}
    others = _others(stats)
    found: dict[Identity, Member] = {}
    for name in names:
        for stat in programs.matching(name, stats=others):
            if stat.identity not in found:
                found[stat.identity] = Member(name, _share(stat.pid, allowed=allowed))
    return found


def use_of(
    names: Sequence[str],
    *,
    members: Mapping[Identity, Member],
    used_s: Mapping[Identity, float],
    seconds: float,
    cpus: int,
) -> BesideUse:
    """Return what each of them took, of what each process used that was there at the end; pure."""
    return BesideUse(
        seconds=seconds,
        cpus=cpus,
        programs=tuple(_program(name, members=members, used_s=used_s) for name in names),
    )


def _program(
    name: str, *, members: Mapping[Identity, Member], used_s: Mapping[Identity, float]
) -> BesideProgram:
    own = [each for each in members if each in used_s and members[each].name == name]
    return BesideProgram(
        name=name,
        cpu_s=sum(used_s[each] for each in own),
        shared_cpu_s=sum(members[each].share * used_s[each] for each in own),
        processes=len(own),
    )


def _others(stats: Mapping[int, ProcessStat]) -> Mapping[int, ProcessStat]:
    own = {os.getpid(), *(each.pid for each in procfs.descendants((os.getpid(),), stats=stats))}
    return {pid: stat for pid, stat in stats.items() if pid not in own}


def _share(pid: int, *, allowed: frozenset[int]) -> float:
    try:
        cpus = os.sched_getaffinity(pid)
    except OSError:  # it has just ended
        return 1.0
    return len(cpus & allowed) / len(cpus) if cpus else 1.0


def _nothing(name: str, *, stats: Mapping[int, ProcessStat]) -> str:
    if programs.NUMBER.fullmatch(name):
        return "no other process has this number; see: ps -e"
    if programs.UNIT.fullmatch(name):
        return (
            f"no unit of this name runs a process here; start it, or see: systemctl status {name}"
        )
    return f"no other program of this name runs here; {_guess(name, stats=stats)}"


def _guess(name: str, *, stats: Mapping[int, ProcessStat]) -> str:
    near = next(_near(name, names=programs.names(list(stats.values()))), None)
    return f"did you mean {near}?" if near else "start it, or see what runs with: ps -e"


def _near(name: str, *, names: Sequence[str]) -> Iterator[str]:
    """Yield those that begin like it, then those that are spelled like it."""
    yield from (each for each in names if each.startswith(name) or name.startswith(each))
    yield from difflib.get_close_matches(name, names, n=1)
