"""The load: what is asked of the generator, and what it says it did."""

from enum import Enum
from pathlib import Path

from msgspec import Struct

from servelab.model.address import Address


class Protocol(Enum):
    """What the generator speaks."""

    HTTP = "http"
    GRPC = "grpc"


class Connections(Enum):
    """Whether a request gets a connection of its own."""

    FRESH = "fresh"
    KEPT = "kept"


class ClosedLoop(Struct, frozen=True, kw_only=True, tag="closed"):
    """Callers who send their next request only after an answer."""

    callers: int
    think_time_s: float = 0.0


class OpenLoop(Struct, frozen=True, kw_only=True, tag="open"):
    """Arrivals that do not depend on completions."""

    rate_per_s: float
    arrivals: str = "poisson"
    """``poisson`` or ``constant``."""
    seed: int = 0
    in_flight_limit: int = 10_000
    """An arrival beyond it is not sent, which is an outcome (``unsent``)."""
    connection_limit: int | None = None
    """HTTP: requests beyond it queue for a connection; None: one for each request in flight."""


Load = ClosedLoop | OpenLoop


class Request(Struct, frozen=True, kw_only=True):
    """One request, the same each time but for its nonce.

    HTTP: ``path`` carries the query; the nonce goes as header ``x-servelab-nonce``.
    gRPC: ``path`` is ``/package.Service/Method``; ``body`` is the encoded message without its
    nonce, which the generator prepends as protobuf field 1 (string).
    """

    method: str = "GET"
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class LoadPlan(Struct, frozen=True, kw_only=True):
    """All that the generator needs to know."""

    target: Address
    protocol: Protocol
    request: Request
    check: str
    """``module:function`` which the generator's process imports; its contract is in ``load``."""
    check_parameters: str = "{}"
    """JSON object handed to the check's factory."""
    load: Load
    requests: int | None = None
    duration_s: float | None = None
    connections: Connections = Connections.FRESH
    channels: int = 1
    """gRPC only: number of HTTP/2 connections, shared evenly by the callers."""
    timeout_s: float = 60.0
    """Total time allowed to a request, from its planned start."""


class LoadProgress(Struct, frozen=True, kw_only=True):
    """What the generator has done so far."""

    elapsed_s: float
    finished: int
    failed: int
    in_flight: int


class LoadResult(Struct, frozen=True, kw_only=True):
    """What the generator did; the single requests are in the records file."""

    records: Path
    """Parquet, one row a request; columns in docs/result-format.md."""
    scheduled: int
    outcomes: dict[str, int]
    """Label of each outcome class that occurred -> count; they sum up to ``scheduled``."""
    started_s: float
    """Monotonic clock at the first planned start."""
    ended_s: float
    """Monotonic clock when the last request had ended."""
    connections_opened: int
    cpu_s: float
    """User and system time of all generator processes from the first to the last request."""
    generator_processes: int
    in_flight_area_s: float
    """Integral over time of the independently counted requests in flight, in request-seconds."""
    response_time_sum_s: float
    """Sum of the times from planned start to end of the same requests: equals the area (Little)."""
    samples: tuple[str, ...] = ()
    """Up to ten failures in words, such as the start of a wrong answer."""
    was_interrupted: bool = False
    idle_closes: int = 0
    """Kept connections that the server closed while no request was on them."""
