"""A plan: which trials are to be made; pure."""

from collections.abc import Sequence

from msgspec import Struct

from servelab.model.deployment import Deployment, Interface
from servelab.model.environment import Interpreter
from servelab.model.limits import Limits
from servelab.model.load import ClosedLoop, Connections, Load, Pacing
from servelab.model.placement import PlacementWish
from servelab.model.trial import TrialSpec

DEFAULT_TIMEOUT_S = 60.0
OPEN_LOOP_CHANNELS = 100
_TIMEOUT_MARGIN = 1.5


class RunOptions(Struct, frozen=True, kw_only=True):
    """What the user asked for, the same for all trials of a run."""

    workload: str
    parameters: tuple[tuple[str, str], ...] = ()
    load: Load = ClosedLoop(callers=100)
    pacing: Pacing = Pacing.TIMER
    generators: int = 1
    placement: PlacementWish = PlacementWish()
    limits: Limits | None = None
    requests: int | None = 300
    duration_s: float | None = None
    connections: Connections | None = None
    """None: fresh for HTTP and kept for gRPC, as the seed."""
    timeout_s: float
    port: int | None = None
    interpreter: Interpreter
    with_requirements: tuple[str, ...] = ()


def trials(deployments: Sequence[Deployment], *, options: RunOptions) -> tuple[TrialSpec, ...]:
    """Return one trial for each deployment, in the order given."""
    return tuple(_trial(deployment, options=options) for deployment in deployments)


def _trial(deployment: Deployment, *, options: RunOptions) -> TrialSpec:
    is_grpc = deployment.interface is Interface.GRPC
    return TrialSpec(
        deployment=deployment,
        workload=options.workload,
        parameters=options.parameters,
        load=options.load,
        pacing=options.pacing,
        generators=options.generators,
        placement=options.placement,
        limits=options.limits,
        requests=options.requests,
        duration_s=options.duration_s,
        connections=options.connections or (Connections.KEPT if is_grpc else Connections.FRESH),
        channels=_channels(deployment, load=options.load) if is_grpc else 1,
        timeout_s=options.timeout_s,
        port=options.port,
        interpreter=options.interpreter,
        with_requirements=options.with_requirements,
    )


def _channels(deployment: Deployment, *, load: Load) -> int:
    """Return the number of gRPC channels: one as in the seed, one a caller for several processes.

    The kernel gives a whole connection to one process, so one channel would load only one. An open
    loop has no callers; it gets as many channels as the default load has.
    """
    if deployment.processes == 1:
        return 1
    return load.callers if isinstance(load, ClosedLoop) else OPEN_LOOP_CHANNELS


def default_timeout_s(load: Load, *, waiting_s: float) -> float:
    """Return how long a request may take: 60 s, or more where waiting in line takes longer.

    A server that works off the requests of all callers one after another, `waiting_s` each, is
    slow but not broken; a shorter limit would report its queue as failures. An open loop's queue
    has no such bound.
    """
    callers = load.callers if isinstance(load, ClosedLoop) else 1
    return max(DEFAULT_TIMEOUT_S, _TIMEOUT_MARGIN * callers * waiting_s)
