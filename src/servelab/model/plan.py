"""A plan: what is to be measured, as it is stored; which trials follow from it is reckoned."""

from msgspec import Struct

from servelab.model.environment import Interpreter
from servelab.model.figure import Figure
from servelab.model.limits import Limits
from servelab.model.load import ClosedLoop, Connections, Load, Pacing
from servelab.model.placement import PlacementWish
from servelab.model.service import Service
from servelab.model.slo import Slo
from servelab.model.verdict import Budget, Judging

PLAN_FORMAT = 1


class RunOptions(Struct, frozen=True, kw_only=True):
    """What the user asked for, the same for all trials of a run."""

    workload: str
    """Of the catalogue; or the label of the service."""
    service: Service | None = None
    """The user's own application; None: what the catalogue serves."""
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
    """Of the deployments that name none."""
    interpreters: tuple[Interpreter, ...] = ()
    """Those that deployments name by their version; of one version there is one."""
    with_requirements: tuple[str, ...] = ()
    stops_under_load: bool = False
    """Whether each server is also stopped under load, after what is measured of it."""
    slo: Slo | None = None
    """Whose goodput is measured, too."""
    beside: tuple[str, ...] = ()
    """Programs that belong to the application, though servelab does not start them."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be measured."""

    format: int = PLAN_FORMAT
    deployments: tuple[str, ...]
    """The texts that select exactly one each."""
    options: RunOptions
    rounds: int | None = 1
    """How often each deployment is measured; None: until the comparison is decided or its budget
    is spent."""
    seed: int = 0
    """Of the order within each round."""
    warm_up_s: float | None = 0.0
    """The same for all trials; None: as long as pilots show that it must be."""
    judging: Judging | None = None
    """How the deployments are compared; None: they are not."""
    figure: Figure = Figure.THROUGHPUT
    """By which they are compared."""
    budget: Budget = Budget()
    """Of the comparison: no round begins that would not end within it."""

    @property
    def is_single(self) -> bool:
        """Tell whether each deployment is measured once, as the seed did."""
        return self.rounds == 1 and self.judging is None
