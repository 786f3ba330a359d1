"""What each CPU did since boot, from ``/proc/stat``; see proc_stat(5)."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from servelab.linux.procfs import TICKS_PER_S

STAT_FILE = Path("/proc/stat")
_COUNTED = 8
"""user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user and nice already."""


class ProcessorTimes(NamedTuple):
    """Seconds since boot, of one CPU or of several together.

    Idle time is exact to a tick where the kernel stops its tick on idle CPUs, as nearly all do; the
    others may be sampled, a tick at a time.
    """

    total_s: float
    """Everything that was counted."""
    idle_s: float
    """Waiting for disks included."""
    hard_interrupts_s: float
    soft_interrupts_s: float
    steal_s: float

    @property
    def are_interrupts_apart(self) -> bool:
        """Tell whether interrupts are timed apart from the processes that they interrupt.

        A kernel that only samples charges a process with the soft interrupts that it was in, and
        never sees a hard one, because its own tick is one (kernel/sched/cputime.c).
        """
        return self.hard_interrupts_s > 0


def read(cpus: Collection[int], *, stat_file: Path = STAT_FILE) -> ProcessorTimes | None:
    """Read the times of these CPUs together; None where one of them is not shown."""
    try:
        by_cpu = parse(stat_file.read_text(encoding="ascii"))
        chosen = [by_cpu[cpu] for cpu in cpus]
    except (OSError, ValueError, LookupError):
        return None
    return ProcessorTimes(*(sum(parts) for parts in zip(*chosen, strict=True))) if chosen else None


def parse(text: str) -> Mapping[int, ProcessorTimes]:
    """Parse ``/proc/stat``: CPU -> its times."""
    found = {}
    for line in text.splitlines():
        name, *fields = line.split() or [""]
        if name.startswith("cpu") and name[3:].isdecimal():
            ticks = [int(field) for field in fields[:_COUNTED]]
            found[int(name[3:])] = ProcessorTimes(
                total_s=sum(ticks) / TICKS_PER_S,
                idle_s=(ticks[3] + ticks[4]) / TICKS_PER_S,
                hard_interrupts_s=ticks[5] / TICKS_PER_S,
                soft_interrupts_s=ticks[6] / TICKS_PER_S,
                steal_s=ticks[7] / TICKS_PER_S,
            )
    return found
