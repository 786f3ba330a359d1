"""The settings that servers have in common, as a search may change them."""

from servelab.catalogue.folklore import MOST_PROCESSES, folklore_processes
from servelab.model.variant import Axis

_TIMES_CPUS = 4
_THREADS = (1, 2, 4, 8, 16, 32, 64)
_ORDINARY_THREADS = 8


def processes_axis(cpu_count: int) -> Axis:
    """Return the powers of two up to four times the CPUs, with n, 2 n, 4 n and folklore's.

    A search starts with one process for each CPU.
    """
    most = min(_TIMES_CPUS * cpu_count, MOST_PROCESSES)
    powers = (2**exponent for exponent in range(most.bit_length()))
    sensible = {*powers, cpu_count, 2 * cpu_count, folklore_processes(cpu_count), most}
    values = tuple(sorted(value for value in sensible if value <= most))
    return Axis(setting="processes", values=values, start=min(cpu_count, MOST_PROCESSES))


def threads_axis(setting: str = "threads", *, start: int = _ORDINARY_THREADS) -> Axis:
    """Return the powers of two up to 64; `start` must be one of them.

    A few threads for each process are enough where calls wait little; a search finds where more
    are needed.
    """
    return Axis(setting=setting, values=_THREADS, start=start)


def switch_axis(setting: str, *, start: str | None = None) -> Axis:
    """Return a setting that is ``on`` or left out."""
    return Axis(setting=setting, values=(None, "on"), start=start)
