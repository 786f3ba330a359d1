"""The faulty server as a deployment of the catalogue, and the real world around it.

Real but for two things that would only take time: the environment is the tests' own, and the
ceiling is not measured.
"""

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from servelab.catalogue import discovery, environments
from servelab.catalogue.server import LaunchRequest, Server
from servelab.launch.server import launched
from servelab.measure import machinery
from servelab.measure.machinery import Machinery
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.environment import Environment, EnvironmentSpec, Interpreter
from servelab.model.launch import LaunchCommand
from servelab.model.trial import Ceiling

PROGRAM = Path(__file__).parent / "faulty" / "program.py"
STACKS = Path(__file__).with_name("stacks")
STACK = "faulty-program"
WORK = "50"
"""How much of the workload `cpu` one call is."""
GRACE_S = 1.0


class Settings(ServerSettings, frozen=True):
    """What goes wrong, in how many processes."""

    fault: str = "healthy"
    workers: Annotated[int, Meta(ge=1, le=16)] = 1


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    settings = request.settings
    words = (settings.fault, str(request.address.port), str(settings.workers))
    return LaunchCommand(argv=("python", str(PROGRAM), *words))


SERVER = Server(
    name="faulty",
    summary="a server with one fault",
    interfaces=frozenset({Interface.WSGI}),
    requirements=(),
    settings=Settings,
    heading=lambda settings: settings.fault,
    processes=lambda settings: settings.workers,
    command=command,
)


def name_of(fault: str, *, workers: int = 1) -> str:
    """Return the text that selects the server with a fault."""
    return f"{STACK}:fault={fault},workers={workers}"


@contextmanager
def in_the_catalogue() -> Iterator[None]:
    """Have the faulty server in the catalogue while the block lasts."""
    before = discovery._registered_servers, discovery._stack_files

    def stack_files() -> Iterator[Path]:
        yield from before[1]()
        yield from STACKS.glob("*.toml")

    discovery._registered_servers = lambda: iter([SERVER])
    discovery._stack_files = stack_files
    _forget()
    try:
        yield
    finally:
        discovery._registered_servers, discovery._stack_files = before
        _forget()


def _forget() -> None:
    for cached in (discovery.servers, discovery.stacks, environments.locked_requirements):
        cached.cache_clear()


def own_environment(
    spec: EnvironmentSpec, *, interpreter: Interpreter, on_progress: Callable[[str], None]
) -> Environment:
    """Return the environment that the tests run in."""
    on_progress("ready")
    return Environment(
        name=spec.name, directory=Path(sys.prefix), interpreter=interpreter, packages=()
    )


def quick(*, real: Callable[[], Machinery] = machinery.real) -> Machinery:
    """Return the real world, in which nothing takes long."""
    return dataclasses.replace(
        real(),
        ensure_environment=own_environment,
        launch=functools.partial(launched, grace_s=GRACE_S),
    )


def known_ceiling(*_: object, **__: object) -> Ceiling:
    """Stand for the measurement of the bare work, which is no part of what is tested here."""
    return Ceiling(per_s=1e6, source="not measured", cpu_s_per_call=1.0)
