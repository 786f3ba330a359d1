"""What the measured application itself counted."""

from msgspec import Struct


class WorkerCount(Struct, frozen=True, kw_only=True):
    """Requests that one worker process took up and answered, probes left out."""

    pid: int
    received: int
    answered: int
