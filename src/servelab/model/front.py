"""What a front did in a trial: the program that took the connections before the server."""

from msgspec import Struct

from servelab.model.usage import ProcessUsage


class FrontUse(Struct, frozen=True, kw_only=True):
    """A front, how it was run, and what it took."""

    name: str
    command: str
    """In the folder where its configuration file lies."""
    configuration: str
    """That file, relative to the results folder."""
    upstream: str
    """Where the server listened: ``unix:PATH`` or ``HOST:PORT``."""
    departures: list[str] = []
    """Where, and why, its configuration differs from what its manual has."""
    log: str
    usage: ProcessUsage | None = None
    """Under load; None where none was put."""

    @property
    def is_on_unix_socket(self) -> bool:
        """Tell whether it reached the server without TCP."""
        return self.upstream.startswith("unix:")
