"""What the processes of a server took from the machine."""

from enum import Enum

from msgspec import Struct


class MemoryKind(Enum):
    """How the memory of several processes was added up."""

    PROPORTIONAL = "pss"
    """Shared pages divided among those who share them: the sum is what the tree takes."""
    RESIDENT = "rss"
    """Shared pages counted once for each process: the sum is an upper limit."""


class ProcessCpu(Struct, frozen=True):
    """CPU time of one process, without its children."""

    pid: int
    cpu_s: float


class Moment(Struct, frozen=True):
    """What a process tree held at one moment."""

    at_s: float
    """Since the sampling began."""
    memory_bytes: int
    """Without pages of files where shares are known: they shift when strangers start or end."""
    open_files: int
    """Of processes that can be looked into."""


class Growth(Struct, frozen=True, kw_only=True):
    """How fast something grew, with its 95 % interval."""

    per_minute: float
    low: float
    high: float


class Throttling(Struct, frozen=True, kw_only=True):
    """How often a CPU quota stopped a server under load."""

    periods: int
    """Of the quota, 100 ms each, in which the server had work."""
    throttled_periods: int
    throttled_s: float
    """Added up over its CPUs."""


class ProcessUsage(Struct, frozen=True, kw_only=True):
    """What a process tree used between two moments.

    CPU times include processes and threads that ended meanwhile, to 10 ms for each process.
    Context switches lack those of threads that came and went between two samples.
    """

    seconds: float
    user_s: float
    system_s: float
    peak_memory_bytes: int
    final_memory_bytes: int
    memory_kind: MemoryKind
    peak_threads: int
    peak_processes: int
    voluntary_switches: int
    involuntary_switches: int
    processes: tuple[ProcessCpu, ...]
    """Every process that was seen, the busiest first."""
    samples: int
    unwaited_cpu_s: float = 0.0
    """Part of the CPU time: of processes that ended and that no parent waited for."""
    course: tuple[Moment, ...] = ()
    """About once a second."""

    @property
    def cpu_s(self) -> float:
        """Return user and system time together."""
        return self.user_s + self.system_s
