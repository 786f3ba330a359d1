"""The load: what is asked of the generator, and what it says it did."""

from enum import Enum
from pathlib import Path
from typing import Any

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


class NoncePlace(Enum):
    """Where a request carries its nonce."""

    HEADER = "header"
    """As header, or metadata, ``x-servelab-nonce``."""
    MESSAGE = "message"
    """gRPC only: as field 1 (string) of the message, prepended by the generator."""


class Request(Struct, frozen=True, kw_only=True, tag="request"):
    """One request, the same each time but for its nonce.

    HTTP: ``path`` carries the query. gRPC: ``path`` is ``/package.Service/Method``; ``body`` is the
    encoded message, without its nonce where that goes into the message.
    """

    method: str = "GET"
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    nonce_in: NoncePlace | None = None
    """None: the message of gRPC, the header of HTTP."""


class Choice(Enum):
    """How each request of a mix is chosen."""

    ROUND_ROBIN = "round-robin"
    RANDOM = "random"


class RequestMix(Struct, frozen=True, kw_only=True, tag="mix"):
    """Several requests; which one is sent follows from the number of the request alone."""

    requests: tuple[Request, ...]
    choice: Choice = Choice.ROUND_ROBIN
    seed: int = 0


class Pacing(Enum):
    """How the generator waits for a moment."""

    TIMER = "timer"
    """It sleeps, and the kernel wakes it up."""
    SPIN = "spin"
    """It looks at the clock without rest, which takes a whole core."""


class Scheduling(Enum):
    """How the kernel gives the generator its turn."""

    NORMAL = "normal"
    FIFO = "fifo"
    """In real time, before every ordinary process."""


class Tls(Struct, frozen=True, kw_only=True):
    """How connections are encrypted."""

    server_name: str | None = None
    """The name that the certificate must bear; None: the target's address."""
    authorities: str | None = None
    """PEM file of the authorities to trust; None: those of the system."""
    verifies: bool = True
    """Whether a certificate that nobody vouches for, or of another name, is an error."""


class Expectation(Struct, frozen=True, kw_only=True):
    """What an answer must be; what is not declared is not asked about."""

    status: int | None = None
    """None: any of 2xx."""
    headers: tuple[tuple[str, str | None], ...] = ()
    """Names with the value that one header of that name must have; None: any."""
    body: bytes | None = None
    """The whole body."""
    contains: tuple[bytes, ...] = ()
    json_fields: tuple[tuple[str, Any], ...] = ()
    """Paths such as ``items.0.name`` with the value that must be there."""


class Asked(Struct, frozen=True, kw_only=True):
    """A request, with what its answer must be."""

    request: Request
    expectation: Expectation = Expectation()
    body_sha256: str | None = None
    """As stored: of an expected body that was too large for that; the expectation has none then."""


class LoadPlan(Struct, frozen=True, kw_only=True):
    """All that the generator needs to know."""

    target: Address
    protocol: Protocol
    request: Request | RequestMix
    check: str
    """``module:function`` which the generator's process imports; its contract is in ``load``."""
    check_parameters: str = "{}"
    """JSON object handed to the check's factory."""
    judged_statuses: tuple[int, ...] = ()
    """Statuses beyond 2xx about which the check decides, too; the others are failures."""
    authority: str | None = None
    """Host and port as the server is told them; None: those of the target."""
    load: Load
    requests: int | None = None
    duration_s: float | None = None
    warm_up_s: float = 0.0
    """Seconds of the same load before ``duration_s``; requests planned in them are recorded
    apart."""
    connections: Connections = Connections.FRESH
    channels: int = 1
    """gRPC only: number of HTTP/2 connections, shared evenly by the callers."""
    timeout_s: float = 60.0
    """Total time allowed to a request, from its planned start."""
    generators: int = 1
    """Processes that share callers, connections, requests and rate."""
    pacing: Pacing = Pacing.TIMER
    scheduling: Scheduling = Scheduling.NORMAL
    """What is asked of the kernel, which may refuse."""
    tls: Tls | None = None
    """None: plain TCP."""


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
    warm_up_records: Path | None = None
    """The same of the requests that were planned during the warm-up; None without one."""
    scheduled: int
    outcomes: dict[str, int]
    """Label of each outcome class that occurred -> count; they sum up to ``scheduled``."""
    begun_s: float
    """Monotonic clock at the moment from which the schedule counts."""
    started_s: float
    """Monotonic clock at the first planned start."""
    ended_s: float
    """Monotonic clock when the last request had ended."""
    connections_opened: int
    cpu_s: float
    """User and system time of all generator processes, from the first planned start until the
    records are on the disk."""
    cpu_s_by_process: tuple[float, ...] = ()
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
    pacing: Pacing = Pacing.TIMER
    scheduling: Scheduling = Scheduling.NORMAL
    """What the kernel granted to all processes."""
    busy_share: float | None = None
    """Of spinning generators: the share of rounds of the loop that found work, each weighted by its
    time; that of the busiest process."""
    conversion_cpu_s: float = 0.0
    """User and system time of turning the records into Parquet afterwards."""
