"""The files in which a machine describes itself; written ones stand in for it in tests."""

from pathlib import Path

from msgspec import Struct

from servelab.linux import cpus


class Machine(Struct, frozen=True, kw_only=True):
    """A machine, as ``proc`` and ``sys`` below a folder show it."""

    root: Path = Path("/")

    def text(self, path: str) -> str | None:
        """Read a file without surrounding space; None where it is missing, closed or empty."""
        try:
            return (self.root / path).read_text(errors="replace").strip() or None
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """Read a file that holds one whole number; None where it does not."""
        try:
            return int(self.text(path) or "")
        except ValueError:
            return None

    def field(self, path: str, *, name: str) -> str | None:
        """Read what follows ``NAME:`` in a file of such lines; None where no line has it."""
        for line in (self.text(path) or "").splitlines():
            found, _, value = line.partition(":")
            if found.strip() == name:
                return value.strip()
        return None

    @property
    def cpus(self) -> tuple[int, ...]:
        """Return the CPUs that this process may run on: affinity and cpuset."""
        return parse_list(self.field("proc/self/status", name="Cpus_allowed_list") or "")

    @property
    def online_cpus(self) -> tuple[int, ...]:
        """Return the CPUs that there are."""
        return parse_list(self.text("sys/devices/system/cpu/online") or "")

    @property
    def quota_cores(self) -> float | None:
        """Return the tightest CPU quota around this process; None is no limit."""
        return cpus.quota_cores(
            cgroups_file=self.root / "proc/self/cgroup",
            mounts_file=self.root / "proc/self/mountinfo",
        )

    @property
    def cores(self) -> float:
        """Return how many cores' worth of work can run at once; 0 where nothing tells."""
        quota = self.quota_cores
        return len(self.cpus) if quota is None else min(float(len(self.cpus)), quota)


LONGEST_LIST = 65536
"""More CPUs than Linux can have: a list that names more is none."""


def parse_list(text: str) -> tuple[int, ...]:
    """Parse a list such as ``0-3,8``; raise ValueError where it is none."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if high - low > LONGEST_LIST:
            raise ValueError(f"{part!r} is no range of CPUs")
        found.update(range(low, high + 1))
    return tuple(sorted(found))
