"""What was typed, as typed values; every mistake becomes one sentence."""

import difflib
import platform
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from servelab import catalogue
from servelab.cli import loads
from servelab.cli.typed_pythons import on_interpreters
from servelab.errors import CannotRunHere, UnknownName, UsageError
from servelab.experiment.plan import default_timeout_s
from servelab.linux import ports
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment
from servelab.model.environment import Interpreter
from servelab.model.load import Pacing
from servelab.model.plan import RunOptions

ALL = "all"
DEFAULT_REQUESTS = 300
DEFAULT_CALLERS = 100
DEFAULT_DURATION_S = 10.0


class Typed(Struct, frozen=True, kw_only=True):
    """What several commands are told in the same way, as it was typed."""

    concurrency: int | None = None
    rate_per_s: float | None = None
    arrivals: str | None = None
    seed: int | None = None
    think_time_s: float | None = None
    pacing: str = Pacing.TIMER.value
    generators: str = "1"
    server_cpus: str = loads.AUTO
    load_cpus: str = loads.AUTO
    cpus: float | None = None
    memory: str | None = None
    requests: int | None = None
    duration_s: float | None = None
    timeout_s: float | None = None
    connections: str | None = None
    port: int | None = None
    pythons: Sequence[str] = ()
    with_requirements: Sequence[str] = ()
    stops_under_load: bool = False
    front: str | None = None
    beside: Sequence[str] = ()


def parse(
    targets: Sequence[str],
    *,
    parameters: Sequence[str],
    typed: Typed,
) -> tuple[tuple[Deployment, ...], RunOptions]:
    """Return the deployments and the options of a run; raise UsageError or CannotRunHere."""
    check_platform()
    names, workload = _split(targets)
    chosen = catalogue.behind(_deployments(names), name=typed.front)
    found = on_interpreters(_each_once(chosen), pythons=typed.pythons)
    _check_requirements(found.deployments, typed.with_requirements)
    pairs = tuple(_pair(text) for text in parameters)
    options = options_of(
        typed,
        workload=workload,
        interpreter=found.interpreter,
        waiting_s=catalogue.waiting_s(workload, dict(pairs)),
    )
    return found.deployments, msgspec.structs.replace(
        options, parameters=pairs, interpreters=found.interpreters
    )


def options_of(
    typed: Typed,
    *,
    workload: str,
    interpreter: Interpreter,
    waiting_s: float,
    default_callers: int = DEFAULT_CALLERS,
) -> RunOptions:
    """Return how a workload, or what a label stands for, is measured; raise UsageError.

    One call waits `waiting_s` for others at the least.
    """
    if typed.requests is not None and typed.duration_s is not None:
        raise UsageError("--requests and --duration exclude each other; give one of them")
    if typed.port is not None:
        ports.refuse_if_busy(Address(LOOPBACK, typed.port))
    load = loads.load_of(
        concurrency=typed.concurrency,
        default_callers=default_callers,
        rate_per_s=typed.rate_per_s,
        arrivals=typed.arrivals,
        seed=typed.seed,
        think_time_s=typed.think_time_s,
    )
    placement = loads.placement_of(server_cpus=typed.server_cpus, load_cpus=typed.load_cpus)
    is_timed = typed.duration_s is not None
    return RunOptions(
        workload=workload,
        load=load,
        pacing=loads.pacing_of(typed.pacing),
        generators=loads.generators_of(typed.generators, load_cpus=placement.load_cpus),
        placement=placement,
        limits=loads.limits_of(cpus=typed.cpus, memory=typed.memory),
        requests=None if is_timed else typed.requests or DEFAULT_REQUESTS,
        duration_s=typed.duration_s,
        connections=None if typed.connections is None else loads.connections_of(typed.connections),
        timeout_s=typed.timeout_s or default_timeout_s(load, waiting_s=waiting_s),
        port=typed.port,
        interpreter=interpreter,
        with_requirements=tuple(typed.with_requirements),
        stops_under_load=typed.stops_under_load,
        beside=tuple(dict.fromkeys(typed.beside)),
    )


def check_platform() -> None:
    """Raise CannotRunHere where nothing can be measured."""
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
    return _each_once(deployment for name in names for deployment in _selected(name))


def _each_once(deployments: Iterable[Deployment]) -> tuple[Deployment, ...]:
    return tuple({deployment.name: deployment for deployment in deployments}.values())


def _selected(name: str) -> Iterable[Deployment]:
    selected, python = catalogue.split_python(name)
    selected, front = catalogue.split_front(selected)
    if selected != ALL:
        return catalogue.find_deployments(name)
    every = [deployment for stack in catalogue.stacks() for deployment in stack.deployments]
    return catalogue.on_python(catalogue.behind(every, name=front), python=python)


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
