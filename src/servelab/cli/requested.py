"""What was typed, as typed values; every mistake becomes one sentence."""

import difflib
import platform
from collections.abc import Sequence

from servelab import catalogue
from servelab.cli import loads
from servelab.environment import interpreters
from servelab.errors import CannotRunHere, UnknownName, UsageError
from servelab.experiment.plan import default_timeout_s
from servelab.linux import ports
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment
from servelab.model.limits import Limits
from servelab.model.load import Load, Pacing
from servelab.model.placement import PlacementWish
from servelab.model.plan import RunOptions

ALL = "all"
DEFAULT_REQUESTS = 300
DEFAULT_CALLERS = 100
DEFAULT_DURATION_S = 10.0


def parse(
    targets: Sequence[str],
    *,
    load: Load,
    pacing: Pacing,
    generators: int,
    placement: PlacementWish,
    limits: Limits | None,
    requests: int | None,
    duration_s: float | None,
    timeout_s: float | None,
    connections: str | None,
    parameters: Sequence[str],
    port: int | None,
    python: str | None,
    with_requirements: Sequence[str],
    stops_under_load: bool = False,
) -> tuple[tuple[Deployment, ...], RunOptions]:
    """Return the deployments and the options of a run; raise UsageError or CannotRunHere."""
    _check_platform()
    if requests is not None and duration_s is not None:
        raise UsageError("--requests and --duration exclude each other; give one of them")
    names, workload = _split(targets)
    deployments = _deployments(names)
    _check_requirements(deployments, with_requirements)
    if port is not None:
        ports.refuse_if_busy(Address(LOOPBACK, port))
    pairs = tuple(_pair(text) for text in parameters)
    waiting_s = catalogue.waiting_s(workload, dict(pairs))
    options = RunOptions(
        workload=workload,
        parameters=pairs,
        load=load,
        pacing=pacing,
        generators=generators,
        placement=placement,
        limits=limits,
        requests=None if duration_s is not None else requests or DEFAULT_REQUESTS,
        duration_s=duration_s,
        connections=None if connections is None else loads.connections_of(connections),
        timeout_s=timeout_s or default_timeout_s(load, waiting_s=waiting_s),
        port=port,
        interpreter=interpreters.find_interpreter(python)
        if python
        else interpreters.own_interpreter(),
        with_requirements=tuple(with_requirements),
        stops_under_load=stops_under_load,
    )
    return deployments, options


def _check_platform() -> None:
    if platform.system() != "Linux":
        raise CannotRunHere(
            f"measuring needs Linux, and this is {platform.system()}; results measured elsewhere "
            "can be read with: servelab show FOLDER"
        )


def _split(targets: Sequence[str]) -> tuple[Sequence[str], str]:
    """Return the deployments' names and the workload, which comes last."""
    *names, workload = targets
    known = catalogue.workload_names()
    if workload not in known:
        nearest = difflib.get_close_matches(workload, known, n=1)
        guess = f"did you mean {nearest[0]}?" if nearest else "what comes last names the workload."
        raise UnknownName(f"unknown workload {workload!r}; {guess} There are: {', '.join(known)}")
    if not names:
        raise UsageError(
            f"no deployment before the workload {workload!r}; name one, or 'all': servelab list"
        )
    return names, workload


def _deployments(names: Sequence[str]) -> tuple[Deployment, ...]:
    """Return the deployments in the order named, each once."""
    expanded = [
        stack.name if name == ALL else name
        for name in names
        for stack in (catalogue.stacks() if name == ALL else catalogue.stacks()[:1])
    ]
    found = [item for name in expanded for item in catalogue.find_deployments(name)]
    return tuple({deployment.name: deployment for deployment in found}.values())


def _check_requirements(
    deployments: Sequence[Deployment], with_requirements: Sequence[str]
) -> None:
    """Raise UsageError for what is no requirement, before anything is built."""
    for server in {deployment.server for deployment in deployments}:
        catalogue.environment_spec(server, with_requirements=tuple(with_requirements))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--param {text!r}: write it as NAME=VALUE, such as num=10")
    return name, value
