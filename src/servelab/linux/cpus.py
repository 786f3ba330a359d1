"""Which CPUs this process may use, how much of them, and which of them are one core."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from servelab.model.placement import HostCpus, parse_cpu_list

_CGROUPS_FILE = Path("/proc/self/cgroup")
_MOUNTS_FILE = Path("/proc/self/mountinfo")
_TOPOLOGY = Path("/sys/devices/system/cpu")


class CpuAllowance(NamedTuple):
    """What affinity and cgroups leave to this process."""

    cpus: frozenset[int]
    """CPUs that the scheduler may place it on: affinity mask and cpuset."""
    quota_cores: float | None
    """Cores' worth of CPU time that its cgroups allow; None is no limit."""

    @property
    def cores(self) -> float:
        """Return how many cores' worth of work can run at once."""
        count = float(len(self.cpus))
        return count if self.quota_cores is None else min(count, self.quota_cores)


class _Mount(NamedTuple):
    root: PurePosixPath
    point: Path


def cpu_allowance() -> CpuAllowance:
    """Read affinity and CPU quota of this process."""
    return CpuAllowance(frozenset(os.sched_getaffinity(0)), quota_cores())


def host_cpus() -> HostCpus:
    """Read which CPUs there are, and which may be used."""
    allowance = cpu_allowance()
    return HostCpus(
        allowed=tuple(sorted(allowance.cpus)),
        online=_online(),
        quota_cores=allowance.quota_cores,
        siblings=siblings(allowance.cpus),
    )


def _online() -> tuple[int, ...]:
    try:
        return parse_cpu_list((_TOPOLOGY / "online").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return tuple(range(os.cpu_count() or 1))


def siblings(cpus: frozenset[int], *, root: Path = _TOPOLOGY) -> tuple[tuple[int, ...], ...]:
    """Read which of some CPUs are threads of one physical core; nothing where it is hidden."""
    found: set[tuple[int, ...]] = set()
    for cpu in cpus:
        try:
            text = (root / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text("ascii")
            group = tuple(each for each in parse_cpu_list(text) if each in cpus)
        except (OSError, ValueError):
            continue
        if len(group) > 1:
            found.add(group)
    return tuple(sorted(found))


def quota_cores(
    *, cgroups_file: Path = _CGROUPS_FILE, mounts_file: Path = _MOUNTS_FILE
) -> float | None:
    """Read the tightest CPU quota of this process's cgroups, version 1 or 2, in cores."""
    folders = own_cgroups("cpu", cgroups_file=cgroups_file, mounts_file=mounts_file)
    quotas = [quota for folder in folders if (quota := _read_quota(folder)) is not None]
    return min(quotas, default=None)


def own_cgroups(
    controller: str, *, cgroups_file: Path = _CGROUPS_FILE, mounts_file: Path = _MOUNTS_FILE
) -> tuple[Path, ...]:
    """Return the folders of the cgroups that rule this process, its own first.

    `controller` is one of version 1, such as ``cpu``; that of version 2 is always among them.
    """
    if not cgroups_file.exists():
        return ()
    mounts = mounts_file.read_text(encoding="utf-8").splitlines()
    return tuple(
        folder
        for line in cgroups_file.read_text(encoding="utf-8").splitlines()
        for folder in _folders(line, mounts=mounts, controller=controller)
    )


def _folders(line: str, *, mounts: list[str], controller: str) -> Iterator[Path]:
    """Yield the folder of a cgroup and those above it, as far up as they are mounted."""
    _, controllers, path = line.split(":", 2)
    if controllers and controller not in controllers.split(","):
        return
    mount = _find_mount(mounts, controller=controller if controllers else None)
    if mount is None:
        return
    below = PurePosixPath(path)
    # In a container the mount may show only a part of the hierarchy that the path names.
    relative = below.relative_to(mount.root) if below.is_relative_to(mount.root) else below
    folder = mount.point / str(relative).lstrip("/")
    yield folder
    for above in folder.parents:
        if not above.is_relative_to(mount.point):
            return
        yield above


def _find_mount(mounts: list[str], *, controller: str | None) -> _Mount | None:
    """Return where a controller of version 1 is mounted; None asks for version 2."""
    for line in mounts:
        place, _, kind = line.partition(" - ")
        filesystem, _, options = kind.split(" ", 2)
        if controller is not None:
            fits = filesystem == "cgroup" and controller in options.rpartition(" ")[2].split(",")
        else:
            fits = filesystem == "cgroup2"
        if fits:
            fields = place.split()
            return _Mount(PurePosixPath(fields[3]), Path(fields[4]))
    return None


def _read_quota(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    except OSError:
        return _read_quota_v1(folder)
    return None if quota == "max" else int(quota) / int(period)


def _read_quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except OSError:
        return None
    return None if quota < 0 else quota / period
