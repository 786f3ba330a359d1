"""What the machine did to a trial that neither server nor generator is to blame for."""

from msgspec import Struct


class Calibration(Struct, frozen=True, kw_only=True):
    """How a fixed piece of work went on an otherwise idle servelab."""

    wall_per_cpu: float
    """Time that passed / CPU time; above 1 something took the CPU away."""
    loops_per_cpu_s: float
    """Speed of the core; only comparable with others of the same interpreter and machine."""


class ForeignProcess(Struct, frozen=True, kw_only=True):
    """A program that ran beside the trial and is not of it."""

    name: str
    pid: int
    cpu_share: float
    """Of all CPU time that the trial could have had; its ended children included."""


class ForeignProgram(Struct, frozen=True, kw_only=True):
    """All processes of one name that ran beside the trial and are not of it."""

    name: str
    processes: int
    """Those that used the CPU at all."""
    cpu_share: float
    """Of all CPU time that the trial could have had."""


class Noise(Struct, frozen=True, kw_only=True):
    """Disturbances of one trial's load; None is what could not be told here.

    Shares are of the time that the CPUs which the trial may use could have given: seconds times
    CPUs.
    """

    seconds: float
    """How long was watched: the load, and the storing of its records."""
    cpus: int
    """CPUs that the trial may use."""
    steal_share: float | None = None
    """What the hypervisor gave to others."""
    foreign_cpu_share: float | None = None
    """What was used by neither servelab nor anything below it, nor by programs that the user named
    as parts of the application. None also where the time is too short for the kernel's clock
    ticks."""
    foreign_processes: tuple[ForeignProcess, ...] = ()
    """The busiest that can be seen; those of other containers cannot."""
    foreign_programs: tuple[ForeignProgram, ...] = ()
    """The same by name: a program of many processes that take little each is among them, too."""
    calibration_before: Calibration | None = None
    calibration_after: Calibration | None = None
    quota_periods: int | None = None
    """Periods of the CPU quota that servelab itself is under; None without a quota."""
    throttled_periods: int | None = None
    throttled_s: float | None = None
    memory_stall_share: float | None = None
    """Share of the time in which some process of the machine waited for memory."""
    swapped_in_bytes: int | None = None
    listen_overflows: int | None = None
    """Connections that found a listener's queue full; each tries again after 1, 3, 7 s."""
    clock_step_s: float | None = None
    """How far the wall clock moved against the clock since boot."""
    suspended_s: float | None = None
    """How long the machine slept."""
    other_runs: int | None = None
    """Other servelab that were making a trial at the same time."""
