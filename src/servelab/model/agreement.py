"""What servers were found to answer alike."""

from msgspec import Struct

from servelab.model.load import Asked


class Agreement(Struct, frozen=True, kw_only=True):
    """What servers agree on."""

    asked: tuple[Asked, ...]
    """The requests, with what their answers must be from now on."""
    agreeing: tuple[str, ...]
    """Names of the deployments that gave these answers."""
    excluded: tuple[tuple[str, str], ...] = ()
    """Names of the others, with the reason."""
    beside_load_s: float | None = None
    """What it took to start and to stop one of those that agree, on average; None: unknown."""
    changing: tuple[int, ...] = ()
    """Numbers of the requests, from 0, whose body is another each time, on every server."""
