"""The server's worker processes: what each counted, and whether they came up and stayed."""

from msgspec import Struct


class WorkerCount(Struct, frozen=True, kw_only=True):
    """Requests that one worker process took up and answered, probes left out."""

    pid: int
    received: int
    answered: int
    has_gil: bool | None = None
    """Whether its interpreter had the GIL at its first call; None where it does not say."""


class Workforce(Struct, frozen=True, kw_only=True):
    """The processes that took connections, before and after a load."""

    asked: int | None
    """How many the deployment is to have; None where nobody knows."""
    at_start: tuple[int, ...]
    """Process numbers, once the server was ready."""
    at_end: tuple[int, ...]
    """The same when the load had ended; empty where the server had ended, too."""

    @property
    def came_up(self) -> int:
        """Return how many were there at once: a server answers before its last worker is up."""
        return max(len(self.at_start), len(self.at_end))

    @property
    def missing(self) -> int:
        """Return how many never came up; 0 where nobody knows how many are to."""
        return 0 if self.asked is None else max(0, self.asked - self.came_up)

    @property
    def lost(self) -> tuple[int, ...]:
        """Return those which ended under load."""
        return tuple(pid for pid in self.at_start if pid not in self.at_end)

    @property
    def replacements(self) -> tuple[int, ...]:
        """Return those which came in the place of lost ones, the latest first."""
        new = sorted((pid for pid in self.at_end if pid not in self.at_start), reverse=True)
        return tuple(new[: len(self.lost)])
