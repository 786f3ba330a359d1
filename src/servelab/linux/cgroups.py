"""Control groups that limit the CPU time and the memory of a process tree; see cgroups(7).

Imports the standard library only: the supervisor uses it. Version 1 has a hierarchy for each
controller, version 2 one for all; a machine may have some controllers in each. A group is made
below the one that servelab is in, so that limits which hold already go on holding. In version 2 a
group with processes of its own can have no limited groups below it ("no internal processes"):
servelab then steps into a group beside the new one, if nobody else would have to move with it, and
else makes the new one further up.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

CGROUPS_FILE = Path("/proc/self/cgroup")
MOUNTS_FILE = Path("/proc/self/mountinfo")
PERIOD_US = 100_000
_OWN_LEAF = "servelab-itself"
_PROCESSES = "cgroup.procs"
_ENABLED = "cgroup.subtree_control"
_REMOVAL_S = 2.0
_PAUSE_S = 0.01


class CannotLimit(Exception):  # noqa: N818 - it is named for what happened
    """No limited group can be made; the text names the place and the fact."""


class Folder(NamedTuple):
    """One group of one hierarchy, as it is to be made."""

    path: str
    enable: str
    """What to write to the parent's ``cgroup.subtree_control``; empty: nothing."""
    limits: list[tuple[str, str]]
    """Files and what to write to them, in this order."""
    wishes: list[tuple[str, str]]
    """The same, where the kernel has such files: swap is no way around a limit of memory."""


class GroupFigures(NamedTuple):
    """What the kernel counted of a group since it was made."""

    periods: int = 0
    """Periods of the CPU quota in which the group had work."""
    throttled_periods: int = 0
    throttled_s: float = 0.0
    oom_kills: int = 0


# ---- planning


def plan(
    name: str,
    *,
    cpus: float | None,
    memory_bytes: int | None,
    cgroups_file: Path = CGROUPS_FILE,
    mounts_file: Path = MOUNTS_FILE,
) -> list[Folder]:
    """Return the folders of a group with these limits; CannotLimit where there can be none."""
    wanted = [
        *(["cpu"] if cpus is not None else []),
        *(["memory"] if memory_bytes is not None else []),
    ]
    own = _own_groups(cgroups_file)
    mounts = list(_mounts(mounts_file))
    in_v1 = {each: mount for each in wanted if (mount := _mount_v1(mounts, controller=each))}
    folders = []
    for controller, mount in in_v1.items():
        parent = _within(mount, own.get(controller, "/"))
        _require_writable(parent)
        limits, wishes = _limits_v1(controller, cpus=cpus, memory_bytes=memory_bytes)
        folders.append(Folder(str(parent / name), "", limits, wishes))
    if rest := [controller for controller in wanted if controller not in in_v1]:
        folders.append(
            _plan_v2(name, rest, own=own, mounts=mounts, cpus=cpus, memory_bytes=memory_bytes)
        )
    return folders


class _Mount(NamedTuple):
    root: PurePosixPath
    point: Path
    controllers: frozenset[str]
    """Of version 1; empty: version 2."""


def _mounts(file: Path) -> Iterator[_Mount]:
    for line in _lines(file):
        place, _, kind = line.partition(" - ")
        filesystem, _, options = kind.split(" ", 2)
        fields = place.split()
        if filesystem == "cgroup":
            controllers = frozenset(options.rpartition(" ")[2].split(","))
            yield _Mount(PurePosixPath(fields[3]), Path(fields[4]), controllers)
        elif filesystem == "cgroup2":
            yield _Mount(PurePosixPath(fields[3]), Path(fields[4]), frozenset())


def _mount_v1(mounts: Sequence[_Mount], *, controller: str) -> _Mount | None:
    return next((mount for mount in mounts if controller in mount.controllers), None)


def _own_groups(file: Path) -> dict[str, str]:
    """Return controller -> path; that of version 2 has an empty name."""
    found = {}
    for line in _lines(file):
        _, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _within(mount: _Mount, path: str) -> Path:
    below = PurePosixPath(path)
    # In a container the mount may show only a part of the hierarchy that the path names.
    relative = below.relative_to(mount.root) if below.is_relative_to(mount.root) else below
    return mount.point / str(relative).lstrip("/")


def _limits_v1(
    controller: str, *, cpus: float | None, memory_bytes: int | None
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    if controller == "cpu":
        assert cpus is not None  # noqa: S101 - it was wanted
        quota = str(round(cpus * PERIOD_US))
        return [("cpu.cfs_period_us", str(PERIOD_US)), ("cpu.cfs_quota_us", quota)], []
    limit = str(memory_bytes)
    return [("memory.limit_in_bytes", limit)], [("memory.memsw.limit_in_bytes", limit)]


def _plan_v2(
    name: str,
    controllers: list[str],
    *,
    own: Mapping[str, str],
    mounts: Sequence[_Mount],
    cpus: float | None,
    memory_bytes: int | None,
) -> Folder:
    mount = next((mount for mount in mounts if not mount.controllers), None)
    if mount is None:
        raise CannotLimit(f"this machine has no control groups for {' and '.join(controllers)}")
    parent = _parent_v2(_within(mount, own.get("", "/")), top=mount.point, controllers=controllers)
    enabled = _words(parent / _ENABLED)
    limits = []
    if "cpu" in controllers and cpus is not None:
        limits.append(("cpu.max", f"{round(cpus * PERIOD_US)} {PERIOD_US}"))
    if "memory" in controllers:
        limits.append(("memory.max", str(memory_bytes)))
    return Folder(
        path=str(parent / name),
        enable=" ".join(f"+{each}" for each in controllers if each not in enabled),
        limits=limits,
        wishes=[("memory.swap.max", "0")] if "memory" in controllers else [],
    )


def _parent_v2(own: Path, *, top: Path, controllers: Sequence[str]) -> Path:
    """Return the nearest group, from our own on upwards, that can have limited ones below it."""
    obstacle = f"{own} has no control groups for {' and '.join(controllers)}"
    for group in (own, *own.parents):
        if not group.is_relative_to(top):
            break
        if not set(controllers) <= set(_words(group / "cgroup.controllers")):
            continue
        if _has_strangers(group):
            obstacle = f"{group} has other processes in it"
            continue
        try:
            _require_writable(group)
        except CannotLimit as error:
            raise CannotLimit(str(error) if group == own else f"{obstacle}, and {error}") from None
        return group
    raise CannotLimit(obstacle)


def _has_strangers(group: Path) -> bool:
    """Tell whether a group has processes that stand in the way, and are not servelab's to move."""
    is_root = not (group / "cgroup.type").exists()
    return not is_root and not set(_processes(group)) <= _family()


def _family() -> frozenset[int]:
    """Return this process, those that it was started by, and those that it started."""
    from servelab.linux import procfs

    stats = procfs.all_stats()
    mine = os.getpid()
    found = {mine, *(stat.pid for stat in procfs.descendants((mine,), stats=stats))}
    while (stat := stats.get(mine)) is not None and stat.parent > 1:
        mine = stat.parent
        found.add(mine)
    return frozenset(found)


def _require_writable(group: Path) -> None:
    for place in (group, group / _PROCESSES):
        if not os.access(place, os.W_OK):
            raise CannotLimit(f"{place} is not writable")


# ---- doing


def step_aside(folders: Iterable[Folder]) -> None:
    """Leave the parents of these groups, into one beside them, where version 2 demands it."""
    for folder in folders:
        parent = Path(folder.path).parent
        is_version_2 = (parent / _ENABLED).exists()
        if not is_version_2 or not (parent / "cgroup.type").exists() or not _processes(parent):
            continue
        leaf = parent / _OWN_LEAF
        leaf.mkdir(exist_ok=True)
        for pid in _processes(parent):
            with suppress(ProcessLookupError):
                (leaf / _PROCESSES).write_text(str(pid), encoding="ascii")


def create(folders: Sequence[Folder]) -> None:
    """Make the groups and set their limits; OSError, and then there is none."""
    try:
        for folder in folders:
            path = Path(folder.path)
            if folder.enable:
                (path.parent / _ENABLED).write_text(folder.enable, encoding="ascii")
            path.mkdir()
            for file, text in folder.limits:
                (path / file).write_text(text, encoding="ascii")
            for file, text in folder.wishes:
                if (path / file).exists():
                    (path / file).write_text(text, encoding="ascii")
    except OSError:
        remove(folders)
        raise


def join(folders: Iterable[Folder]) -> None:
    """Put the calling process, and all that it will start, into the groups."""
    for folder in folders:
        (Path(folder.path) / _PROCESSES).write_text("0", encoding="ascii")


def remove(folders: Iterable[Folder]) -> bool:
    """Remove the groups, whose processes have ended; tell whether they are gone."""
    deadline = time.monotonic() + _REMOVAL_S
    left = [Path(folder.path) for folder in folders]
    while left:
        for path in list(left):
            with suppress(OSError):
                path.rmdir()
            if not path.exists():
                left.remove(path)
        if left and time.monotonic() > deadline:
            return False
        if left:  # the kernel takes a moment to forget those that were killed
            time.sleep(_PAUSE_S)
    return True


def figures(folders: Iterable[Folder]) -> GroupFigures | None:
    """Read what was counted; None where a group is gone."""
    found = GroupFigures()
    for folder in folders:
        path = Path(folder.path)
        cpu = _counts(path / "cpu.stat")
        memory = _counts(path / "memory.events") or _counts(path / "memory.oom_control")
        if not path.exists():  # looked for last: what is gone by now may have counted nothing
            return None
        found = GroupFigures(
            periods=found.periods + cpu.get("nr_periods", 0),
            throttled_periods=found.throttled_periods + cpu.get("nr_throttled", 0),
            throttled_s=found.throttled_s
            + cpu.get("throttled_usec", 0) / 1e6
            + cpu.get("throttled_time", 0) / 1e9,
            oom_kills=found.oom_kills + memory.get("oom_kill", 0),
        )
    return found


# ---- files


def _processes(group: Path) -> list[int]:
    return [int(word) for word in _words(group / _PROCESSES)]


def _counts(file: Path) -> dict[str, int]:
    pairs = [line.split() for line in _lines(file)]
    return {name: int(number) for name, number in pairs}


def _words(file: Path) -> list[str]:
    return [word for line in _lines(file) for word in line.split()]


def _lines(file: Path) -> list[str]:
    """Return the lines of a file; none of one that is not there, or closed to us."""
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
