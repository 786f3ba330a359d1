"""How often the CPU quota of this process's cgroups stopped it."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from servelab.linux import cpus

CGROUPS_FILE = Path("/proc/self/cgroup")
MOUNTS_FILE = Path("/proc/self/mountinfo")


class Throttling(NamedTuple):
    """Of one cgroup, since it was made."""

    periods: int
    throttled_periods: int
    throttled_s: float

    def since(self, earlier: "Throttling") -> "Throttling":
        """Subtract an earlier reading of the same cgroup."""
        return Throttling(
            self.periods - earlier.periods,
            self.throttled_periods - earlier.throttled_periods,
            self.throttled_s - earlier.throttled_s,
        )


def read(
    *, cgroups_file: Path = CGROUPS_FILE, mounts_file: Path = MOUNTS_FILE
) -> Mapping[Path, Throttling]:
    """Read it of each cgroup from this process's own up, versions 1 and 2; by their folders."""
    try:
        folders = cpus.own_cgroups("cpu", cgroups_file=cgroups_file, mounts_file=mounts_file)
    except (OSError, ValueError, LookupError):
        return {}
    readings = ((folder, _of(folder)) for folder in folders)
    return {folder: found for folder, found in readings if found is not None}


def _of(folder: Path) -> Throttling | None:
    try:
        text = (folder / "cpu.stat").read_text(encoding="ascii")
        values = dict(line.split() for line in text.splitlines())
        if "throttled_usec" in values:
            throttled_s = int(values["throttled_usec"]) / 1e6
        else:  # version 1
            throttled_s = int(values["throttled_time"]) / 1e9
        return Throttling(int(values["nr_periods"]), int(values["nr_throttled"]), throttled_s)
    except (OSError, ValueError, LookupError):
        return None
