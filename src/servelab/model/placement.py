"""Where server and generator run: what was asked, what there is, what was chosen."""

from collections.abc import Iterable
from itertools import groupby

from msgspec import Struct

_MOST_DIGITS = 5
"""Of a CPU's number; no kernel has so many."""


class PlacementWish(Struct, frozen=True, kw_only=True):
    """CPUs as they were asked for; None leaves the choice to servelab."""

    server_cpus: tuple[int, ...] | None = None
    load_cpus: tuple[int, ...] | None = None


class HostCpus(Struct, frozen=True, kw_only=True):
    """The CPUs of a machine, and what of them may be used here."""

    allowed: tuple[int, ...]
    """By affinity and cpuset."""
    online: tuple[int, ...]
    quota_cores: float | None = None
    """Cores' worth of CPU time that the cgroups allow; None is no limit."""
    siblings: tuple[tuple[int, ...], ...] = ()
    """Allowed CPUs which share a physical core; those not named have a core to themselves."""

    @property
    def cores(self) -> float:
        """Return how many cores' worth of work can run at once."""
        count = float(len(self.allowed))
        return count if self.quota_cores is None else min(count, self.quota_cores)


class Placement(Struct, frozen=True, kw_only=True):
    """Where the processes of a trial run."""

    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    is_shared: bool
    """Whether server and generator take CPU time from each other."""
    shared_cores: float | None = None
    """Cores' worth of work that the two can do together; None where they are apart."""
    generator_cpus: tuple[tuple[int, ...], ...]
    """Where each generator process runs, in turn."""
    back_end_cpus: tuple[int, ...] = ()
    """Where the slow API runs."""
    server_cores: float
    """Cores' worth of work that the server can do at once."""
    note: str
    """In words, with the reason."""

    @property
    def generator_is_apart(self) -> bool:
        """Tell whether no CPU of the generator is the server's, too."""
        return not set(self.server_cpus) & {cpu for cpus in self.generator_cpus for cpu in cpus}

    @property
    def server_core_count(self) -> int:
        """Return the whole cores of the server, at least one: what "2 x cores" refers to."""
        return max(1, int(self.server_cores))


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Return the CPUs of a list such as ``0-3,6``, as the kernel writes it too; ValueError."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        ends = (first, last if dash else first)
        if not all(end.isdecimal() and len(end) <= _MOST_DIGITS for end in ends):
            raise ValueError(f"{text!r} is no list of CPUs")
        lowest, highest = map(int, ends)
        if highest < lowest:
            raise ValueError(f"{text!r} is no list of CPUs")
        found.update(range(lowest, highest + 1))
    return tuple(sorted(found))


def cpu_list(cpus: Iterable[int]) -> str:
    """Return CPUs as ``0-3,6``."""
    runs = [
        [cpu for _, cpu in run]
        for _, run in groupby(enumerate(sorted(cpus)), key=lambda pair: pair[1] - pair[0])
    ]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def in_words(cpus: Iterable[int]) -> str:
    """Return ``CPU 3`` or ``CPUs 0-2``."""
    listed = tuple(cpus)
    return f"CPU{'s' if len(listed) > 1 else ''} {cpu_list(listed)}"
