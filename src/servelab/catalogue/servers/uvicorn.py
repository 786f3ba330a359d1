"""uvicorn."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from servelab.catalogue.axes import processes_axis
from servelab.catalogue.server import LaunchRequest, Naming, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand
from servelab.model.variant import Variant


class Settings(ServerSettings, frozen=True):
    """Processes, each with an event loop, and which loop and parser; by default it chooses."""

    processes: Annotated[int, Meta(ge=1, le=512)] = 1
    loop: Literal["uvloop", "asyncio"] | None = None
    http: Literal["httptools", "h11"] | None = None


def heading(settings: Settings) -> str:
    """Return such as ``4 processes, asyncio, h11``."""
    words = (count(settings.processes, "process"), settings.loop, settings.http)
    return ", ".join(word for word in words if word is not None)


def variants(_interface: Interface, cpu_count: int) -> tuple[Variant, ...]:
    """Return its own choice, which is uvloop and httptools, and what it is without the extras."""
    axes = (processes_axis(cpu_count),)
    plain = (("loop", "asyncio"), ("http", "h11"))
    return (Variant(axes=axes), Variant(name="plain", fixed=plain, axes=axes))


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return the seed's command; for an application of the user's, without a log of requests."""
    address, settings = request.address, request.settings
    argv = ["uvicorn"]
    if request.unix_socket is None:
        argv += ["--host", address.host, "--port", str(address.port)]
    else:
        argv += ["--uds", str(request.unix_socket)]
    argv += ["--workers", str(settings.processes)]
    if settings.loop is not None:
        argv += ["--loop", settings.loop]
    if settings.http is not None:
        argv += ["--http", settings.http]
    departures = [*request.loopback_departure]
    if request.is_own:
        argv.append("--no-access-log")
        departures.append("--no-access-log: it would write a line for each request.")
    if request.is_factory:
        argv.append("--factory")
    return LaunchCommand(argv=(*argv, request.application), departures=tuple(departures))


def _plain(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, loop="asyncio", http="h11")


SERVER = Server(
    name="uvicorn",
    summary="uvicorn on uvloop and httptools",
    interfaces=frozenset({Interface.ASGI}),
    requirements=("uvicorn[standard]",),
    requirements_for=lambda settings: (
        ("uvicorn",) if settings == _plain(settings) else ("uvicorn[standard]",)
    ),
    settings=Settings,
    heading=heading,
    processes=lambda settings: settings.processes,
    command=command,
    variants=variants,
    naming=Naming.FACTORY,
    takes_unix_sockets=True,
)
