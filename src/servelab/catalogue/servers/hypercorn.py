"""hypercorn.

Its manual, https://hypercorn.readthedocs.io/en/latest/how_to_guides/configuring.html, has the
settings. Worth knowing: when one worker dies, the master ends the others and itself; on SIGTERM
each has 3 s for what it is at.
"""

from typing import Annotated, Literal

from msgspec import Meta

from servelab.catalogue.axes import processes_axis
from servelab.catalogue.options import Option, as_arguments, as_toml
from servelab.catalogue.server import LaunchRequest, Naming, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import ConfigurationFile, LaunchCommand
from servelab.model.variant import Variant

_REQUIREMENTS = ("hypercorn==0.18.0", "uvloop")
_BACKLOG = 1024
_FILE = "hypercorn.toml"


class Settings(ServerSettings, frozen=True):
    """Processes, each with an event loop, and of which kind."""

    processes: Annotated[int, Meta(ge=1, le=512)] = 1
    worker_class: Literal["asyncio", "uvloop"] = "asyncio"


def heading(settings: Settings) -> str:
    """Return such as ``4 processes, uvloop``; asyncio is its default."""
    words = count(settings.processes, "process")
    return words if settings.worker_class == "asyncio" else f"{words}, {settings.worker_class}"


def variants(_interface: Interface, cpu_count: int) -> tuple[Variant, ...]:
    """Run it on either event loop, and search the number of processes."""
    axes = (processes_axis(cpu_count),)
    return (
        Variant(name="asyncio", fixed=(("worker_class", "asyncio"),), axes=axes),
        Variant(name="uvloop", fixed=(("worker_class", "uvloop"),), axes=axes),
    )


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return its own command line, with a backlog like the others'."""
    return LaunchCommand(
        argv=("hypercorn", *as_arguments(options(request)), target(request)),
        departures=departures(request),
    )


def configuration(request: LaunchRequest[Settings]) -> ConfigurationFile:
    """Return the same as the TOML that its manual advises."""
    return ConfigurationFile(
        name=_FILE,
        text=as_toml(options(request)),
        command=LaunchCommand(
            argv=("hypercorn", "--config", _FILE, target(request)),
            departures=departures(request),
        ),
    )


def options(request: LaunchRequest[Settings]) -> tuple[Option, ...]:
    """Return what hypercorn is told, but for the application."""
    return (
        Option("--workers", "workers", request.settings.processes),
        Option("--worker-class", "worker_class", request.settings.worker_class),
        Option("--bind", "bind", request.bind),
        Option("--backlog", "backlog", _backlog(request)),
    )


def target(request: LaunchRequest[Settings]) -> str:
    """Return the application as hypercorn is told of it, which evaluates what follows the colon.

    It takes for WSGI whatever is not plainly a coroutine function: of an application that nobody
    here wrote it is told.
    """
    return f"asgi:{request.expression}" if request.is_own else request.expression


def departures(request: LaunchRequest[Settings]) -> tuple[str, ...]:
    """Say where it is not started as it starts by default, and why."""
    said = f"--backlog {_backlog(request)}: its own backlog of 100 would make connections wait."
    return (*request.loopback_departure, said)


def installs(settings: Settings) -> tuple[str, ...]:
    """Return hypercorn, and its event loop where that is not Python's own."""
    return ("hypercorn",) if settings.worker_class == "asyncio" else ("hypercorn", "uvloop")


def requirements_for(settings: Settings) -> tuple[str, ...]:
    """Return the same in the catalogue's versions."""
    return _REQUIREMENTS[: len(installs(settings))]


def _backlog(request: LaunchRequest[Settings]) -> int:
    return min(_BACKLOG, request.listen_limit)


SERVER = Server(
    name="hypercorn",
    summary="hypercorn",
    interfaces=frozenset({Interface.ASGI}),
    requirements=_REQUIREMENTS,
    requirements_for=requirements_for,
    installs=installs,
    settings=Settings,
    heading=heading,
    processes=lambda settings: settings.processes,
    command=command,
    variants=variants,
    configuration=configuration,
    naming=Naming.FACTORY,
    takes_unix_sockets=True,
    on_sigterm="On SIGTERM hypercorn gives the calls at work 3 s (graceful_timeout).",
)
