"""A trial: what is asked of it, and what came of it."""

import re
from enum import Enum

from msgspec import Struct

from servelab.model.beside import BesideUse
from servelab.model.deployment import Deployment
from servelab.model.environment import Interpreter
from servelab.model.front import FrontUse
from servelab.model.gil import Gil
from servelab.model.launch import GracefulStop, StopReport
from servelab.model.limits import Limits
from servelab.model.load import Connections, Load, Pacing, Scheduling
from servelab.model.noise import Noise
from servelab.model.placement import Placement, PlacementWish
from servelab.model.service import Service
from servelab.model.slo import FAILURE_LIMIT, Slo
from servelab.model.step import Step
from servelab.model.times import Times
from servelab.model.usage import Growth, ProcessUsage, Throttling
from servelab.model.warm_up import Steadiness, WarmUp
from servelab.model.worker import Workforce

FORMAT_VERSION = 1
CEILING_NOISE = 0.05
"""Efficiency may exceed 1 by this much: trial and ceiling are measured minutes apart."""
CLIENT_BOUND = "client-bound"
"""Kind of the warning that the generator was the limit."""
GENERATOR_HEAVY = "generator-heavy"
"""Kind of the warning that the generator took too much of the cores that it shared."""
_UNFIT_TO_RANK = frozenset({CLIENT_BOUND, GENERATOR_HEAVY})
PILOT_ROUND = 0
_UNFIT_FOR_FILES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_PART = 60
"""Of a file's name; there is one label in a run."""
LOAD_ALONE = "load"
"""Stands for the deployment where servelab loaded a server that it did not start."""


class TrialStatus(Enum):
    """Whether a trial says something about the deployment."""

    OK = "ok"
    FAILED = "failed"
    """The server was at fault."""
    INVALID = "invalid"
    """The generator or the host was at fault; nothing is said about the server."""


class Role(Enum):
    """What a trial is for."""

    CANDIDATE = "candidate"
    CONTROL = "control"
    """A candidate once more, under another name: the two must not be found to differ."""
    REHEARSAL = "rehearsal"
    """Not measured: only asked what it answers."""


class TrialSpec(Struct, frozen=True, kw_only=True):
    """One trial to be made: one deployment, one workload, one load."""

    deployment: Deployment
    workload: str
    """Of the catalogue; or the label of the service."""
    service: Service | None = None
    """The user's own application; None: what the catalogue serves."""
    parameters: tuple[tuple[str, str], ...] = ()
    """Of the workload, where they differ from its defaults."""
    load: Load
    requests: int | None = None
    duration_s: float | None = None
    warm_up_s: float = 0.0
    """Seconds of the same load before the duration, recorded apart."""
    connections: Connections
    channels: int = 1
    pacing: Pacing = Pacing.TIMER
    generators: int = 1
    placement: PlacementWish = PlacementWish()
    limits: Limits | None = None
    timeout_s: float
    port: int | None = None
    """None: the seed's port, or the next free one."""
    interpreter: Interpreter
    with_requirements: tuple[str, ...] = ()
    stops_under_load: bool = False
    """Whether it is also stopped under the same load, after what is measured."""
    slo: Slo | None = None
    """Whose goodput is measured, too."""
    beside: tuple[str, ...] = ()
    """Programs that belong to the application, though servelab does not start them."""
    round: int = 1
    """0: a pilot, which tells how long the warm-up must be. Of a search: the probe's number."""
    role: Role = Role.CANDIDATE
    step: Step | None = None
    """The step of a search for capacity that it belongs to."""

    @property
    def is_pilot(self) -> bool:
        """Tell whether it only tells how long the warm-up must be."""
        return self.round == PILOT_ROUND

    @property
    def ceiling_round(self) -> int:
        """Return the round whose ceiling it is held against.

        A pilot's rate tells nothing, a search asks about times, and races and tries have many short
        rounds: they need none of their own.
        """
        has_own = self.step is None and self.service is None
        return max(1, self.round) if has_own else 1

    @property
    def id(self) -> str:
        """Return a name that is a file name, too, and unique within its run."""
        readable = self.deployment.name.replace(":", "-").replace(",", "-").replace("=", "")
        readable = readable.replace("+", "-").replace("@", "-py")
        role = "" if self.role is Role.CANDIDATE else f"-{self.role.value}"
        asked = _UNFIT_FOR_FILES.sub("-", self.workload)[:_LONGEST_PART]
        return f"{readable}-{asked}{role}-{self.round}"


class Warning(Struct, frozen=True, kw_only=True):  # noqa: A001 - the word of the reports
    """Something a reader must know before believing a figure, with what to do about it."""

    kind: str
    text: str


class CallKind(Struct, frozen=True, kw_only=True):
    """The calls of one kind, of a workload whose calls are not all alike."""

    name: str
    calls: int
    """Those that were sent."""
    response_time_s: Times


class CorrectedQuantiles(Struct, frozen=True, kw_only=True):
    """Quantiles of one trial's response times in seconds, made to be averaged over rounds.

    They lack the bias that few, dependent requests give a quantile; none of them is a time that
    happened. None where the trial is too short for the correction.
    """

    p50: float | None
    p90: float | None
    p99: float | None


class Histogram(Struct, frozen=True, kw_only=True):
    """How many of one trial's requests took how long."""

    edges_s: tuple[float, ...]
    """One more than there are bins; a bin includes its lower edge."""
    counts: tuple[int, ...]


class Ceiling(Struct, frozen=True, kw_only=True):
    """How fast the work itself goes on this hardware, without any server."""

    per_s: float
    source: str
    """What was measured or reckoned, in words."""
    rate_by_processes: dict[int, float] = {}
    """Number of processes -> median calls per second of the bare work."""
    cpu_s_per_call: float | None = None
    """CPU seconds of one bare call, one process running alone."""
    beside_cpu_s_per_call: float | None = None
    """The same of the programs beside it, which the call made work; None where none was named."""


class GeneratorUsage(Struct, frozen=True, kw_only=True):
    """What producing the load cost."""

    cpu_s: float
    cpu_share: float
    """CPU time over wall time, of one core, per generator process."""
    share_of_all_cpu: float | None
    """Its part of the CPU time that the cores could give to generator and server; None where each
    has its own."""
    processes: int
    delay_p99_s: float | None
    connections_opened: int
    idle_closes: int = 0
    """Kept connections that the server closed while no request was on them."""
    cpu_us_per_request: float | None = None
    """CPU time / correct answers, in microseconds."""
    pacing: Pacing = Pacing.TIMER
    scheduling: Scheduling = Scheduling.NORMAL
    busy_share: float | None = None
    """Of spinning generators: the share of time in which the busiest of them had work."""
    cpu_s_by_process: tuple[float, ...] = ()
    offered_share: float | None = None
    """Open loop: requests taken up in time / requests planned."""
    null_rate_per_s: float | None = None
    """What the same generator reaches against a server that only echoes the nonce; None where it
    was too idle to ask."""

    @property
    def load_share(self) -> float:
        """Return how busy it was, in cores per process; spinning is no work."""
        return self.cpu_share if self.busy_share is None else self.busy_share


class WarmUpLoad(Struct, frozen=True, kw_only=True):
    """What came before the measured window: the same load, recorded apart."""

    seconds: float
    ledger: dict[str, int]
    records: str
    """File of its single requests, relative to the results folder."""


class Backlog(Struct, frozen=True, kw_only=True):
    """Whether a server kept up with an open loop, from a tenth of the schedule on to its end."""

    completed_share: float
    """Requests that ended in that time / requests that were planned in it."""
    completed_share_high: float
    """What it may be but for chance: three standard deviations more."""
    growth_per_s: float
    """Slope of the number in flight over time."""
    growth_low_per_s: float
    growth_high_per_s: float
    """Its 99 % interval."""


class Trial(Struct, frozen=True, kw_only=True):
    """One measured trial; every line of ``trials.jsonl`` is one.

    Fields ending in ``_s`` are seconds, in ``_per_s`` calls per second, in ``_bytes`` bytes.
    """

    format: int = FORMAT_VERSION
    id: str
    deployment: str
    """The text that selects it, ``STACK:key=value,...+FRONT@PYTHON``."""
    stack: str
    heading: str
    summary: str = ""
    workload: str
    parameters: dict[str, str] = {}
    round: int = 1
    """0: a pilot, which told how long the warm-up must be. Of a search: the probe's number."""
    role: Role = Role.CANDIDATE
    step: Step | None = None
    """The step of a search for capacity that it belongs to."""
    status: TrialStatus
    reason: str | None = None
    """Why it failed or is invalid."""
    whole_s: float | None = None
    """From its beginning, with its ceiling where that was measured first, until it was stored."""
    command: str
    departures: list[str] = []
    started_at: str
    """UTC, ISO 8601."""
    load: Load
    connections: Connections
    channels: int | None = None
    timeout_s: float
    port: int | None = None
    placement: Placement | None = None
    limits: Limits | None = None
    front: FrontUse | None = None
    """What took the connections before the server; all else that was used is the server's own."""
    beside: BesideUse | None = None
    """What programs took that belong to the application, such as its database; None where none was
    named."""
    ledger: dict[str, int]
    """Outcome class -> count, with ``scheduled`` and ``sent``."""
    load_s: float | None = None
    """From the first planned start until the last request had ended, the warm-up included."""
    window_s: float | None = None
    """What of it was measured: all, or the duration that was asked for after a warm-up."""
    warm_up: WarmUpLoad | None = None
    settling: WarmUp | None = None
    """Of a pilot: when its rate came to rest."""
    steadiness: Steadiness | None = None
    """Of the window after a warm-up."""
    throughput_per_s: float | None = None
    slo: Slo | None = None
    goodput_per_s: float | None = None
    """Correct answers per second that took no longer than the objective allows a quantile; None
    without an objective."""
    response_time_s: Times | None = None
    """From the planned start to the end; failures count as no less than they took."""
    kinds: list[CallKind] = []
    """The same of each kind of call by itself; empty where all calls are alike."""
    corrected_response_time_s: CorrectedQuantiles | None = None
    """Of the window after a warm-up."""
    generator_delay_s: Times | None = None
    connection_wait_s: Times | None = None
    round_trip_time_s: Times | None = None
    """Of the requests that were sent whole."""
    response_time_histogram: Histogram | None = None
    backlog: Backlog | None = None
    """Open loop only."""
    ceiling_per_s: float | None = None
    ceiling: Ceiling | None = None
    efficiency: float | None = None
    work_share: float | None = None
    cpu_s_per_call: float | None = None
    beside_cpu_s_per_call: float | None = None
    """Of the programs beside the server."""
    peak_memory_bytes: int | None = None
    voluntary_switches_per_call: float | None = None
    calls_per_worker: dict[str, int] = {}
    workforce: Workforce | None = None
    """Which processes took connections before and after the load; None where none was put."""
    usage: ProcessUsage | None = None
    memory_growth_bytes: Growth | None = None
    """In the second half of the load; None where that was too short to tell."""
    open_files_growth: Growth | None = None
    throttling: Throttling | None = None
    """By the limit of CPU time; None where there was none."""
    generator: GeneratorUsage | None = None
    noise: Noise | None = None
    """What the machine did meanwhile; None where no load was watched."""
    start_s: float | None = None
    """From the launch of the server until its first correct answer."""
    stop: StopReport | None = None
    graceful_stop: GracefulStop | None = None
    """How it took SIGTERM under load; None where it was not asked to."""
    interpreter: str
    """Its version, such as ``3.13.0``, or ``3.14.0t`` of a free-threaded build."""
    gil: Gil | None = None
    """Of a free-threaded interpreter: whether it ran with the GIL all the same."""
    packages: dict[str, str] = {}
    records: str | None = None
    """File of the single requests, relative to the results folder."""
    log: str | None = None
    samples: list[str] = []
    """A few failed requests in words."""
    warnings: list[Warning] = []
    audit_errors: list[str] = []
    """Contradictions between servelab's own figures; not empty means a bug in servelab."""

    @property
    def took_s(self) -> float:
        """Return how long it took; where that was not noted, how long its server was there."""
        if self.whole_s is not None:
            return self.whole_s
        stopping_s = self.stop.seconds if self.stop else 0.0
        return (self.start_s or 0.0) + (self.load_s or 0.0) + stopping_s

    @property
    def is_load_alone(self) -> bool:
        """Tell whether servelab loaded a server that it did not start."""
        return self.deployment == LOAD_ALONE

    @property
    def title(self) -> str:
        """Return stack and heading, as tables print them."""
        return f"{self.stack} {self.heading}" if self.heading else self.stack

    @property
    def is_rankable(self) -> bool:
        """Tell whether its figures may be held against those of other deployments."""
        kinds = {warning.kind for warning in self.warnings}
        return self.status is TrialStatus.OK and not kinds & _UNFIT_TO_RANK

    @property
    def why_unrankable(self) -> str | None:
        """Return the warning for which its figures may not be held against others; else None."""
        unfit = (each.text for each in self.warnings if each.kind in _UNFIT_TO_RANK)
        return next(unfit, None)

    @property
    def merely_exceeds_failure_limit(self) -> bool:
        """Tell whether it failed by the share of its failures alone, which objectives may allow."""
        server_died = self.stop is None or self.stop.exited_before_stop
        return self.failure_share > FAILURE_LIMIT and not server_died

    @property
    def whole_peak_memory_bytes(self) -> int | None:
        """Return the most memory that the server took, and its front beside it; None: not known.

        The two peaks need not have been at the same moment.
        """
        front = self.front.usage if self.front else None
        if self.peak_memory_bytes is None or front is None:
            return self.peak_memory_bytes
        return self.peak_memory_bytes + front.peak_memory_bytes

    @property
    def scheduled(self) -> int:
        """Return how many requests were to be made."""
        return self.ledger.get("scheduled", 0)

    @property
    def failures(self) -> int:
        """Return how many scheduled requests got no correct answer."""
        return self.scheduled - self.ledger.get("ok", 0)

    @property
    def failure_share(self) -> float:
        """Return failures over scheduled requests; 0 where nothing was scheduled."""
        return self.failures / self.scheduled if self.scheduled else 0.0
