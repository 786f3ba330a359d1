"""Programs that belong to an application of the user's, though servelab did not start them."""

from msgspec import Struct


class BesideProgram(Struct, frozen=True, kw_only=True):
    """What one of them took while a load was on."""

    name: str
    """As the user named it."""
    cpu_s: float
    """Of all its processes; of those that ended, what their parents inherited."""
    shared_cpu_s: float
    """Part of it: what fell to the CPUs that the trial may use, by how many of those CPUs that a
    process may use are among them."""
    processes: int
    """How many there were at the end of the load; 0: it ran no more."""


class BesideUse(Struct, frozen=True, kw_only=True):
    """What all of them took; a process that two names fit counts for the first."""

    seconds: float
    """How long was watched."""
    cpus: int
    """CPUs that the trial may use."""
    programs: tuple[BesideProgram, ...]

    @property
    def names(self) -> str:
        """Return the names of those that did anything, as a sentence lists them."""
        busy = [each.name for each in self.programs if each.cpu_s > 0]
        return " and ".join((", ".join(busy[:-1]), busy[-1]) if busy[1:] else busy)

    @property
    def cpu_s(self) -> float:
        """Return the CPU time of all of them."""
        return sum(each.cpu_s for each in self.programs)

    @property
    def shared_cpu_s(self) -> float:
        """Return the part of it that the trial could have had."""
        return sum(each.shared_cpu_s for each in self.programs)

    @property
    def cores(self) -> float:
        """Return how many of the trial's CPUs they kept busy."""
        return self.shared_cpu_s / self.seconds if self.seconds > 0 else 0.0
