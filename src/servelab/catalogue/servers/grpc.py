"""gRPC's own server, which the application starts itself."""

from typing import Annotated

from msgspec import Meta

from servelab.catalogue.frameworks import Framework
from servelab.catalogue.server import LOOPBACK_DEPARTURE, LaunchRequest, Needs, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand

_THREADED = "grpc"


class Settings(ServerSettings, frozen=True):
    """Processes which share the port, and the threads of the synchronous server's pool."""

    processes: Annotated[int, Meta(ge=1, le=512)] = 1
    threads: Annotated[int, Meta(ge=1, le=4096)] | None = None


def heading(settings: Settings) -> str:
    """Return such as ``4 processes * 50 threads``."""
    words = count(settings.processes, "process")
    if settings.threads is not None:
        return f"{words} * {count(settings.threads, 'thread')}"
    return words


def objection(settings: Settings, framework: Framework) -> str | None:
    """Demand threads of the server that has them, and of no other."""
    if framework.name == _THREADED and settings.threads is None:
        return "gRPC on a thread pool needs threads"
    if framework.name != _THREADED and settings.threads is not None:
        return f"{framework.summary} has no threads; leave threads out"
    return None


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return `python app.py` with what it must be told."""
    settings = request.settings
    program = f"{request.application.partition(':')[0]}.py"
    argv = ["python", program, "--bind", str(request.address)]
    argv += ["--processes", str(settings.processes)]
    if settings.threads is not None:
        argv += ["--threads", str(settings.threads)]
    told = "--bind, --processes" if settings.threads is None else "--bind, --processes, --threads"
    return LaunchCommand(
        argv=tuple(argv),
        departures=(
            LOOPBACK_DEPARTURE,
            f"{told}: the seed's application has these values, which are settings here, inside.",
        ),
    )


SERVER = Server(
    name="grpc",
    summary="gRPC's own server (python app.py)",
    interfaces=frozenset({Interface.GRPC}),
    requirements=("grpcio",),
    settings=Settings,
    heading=heading,
    processes=lambda settings: settings.processes,
    command=command,
    objection=objection,
    needs=Needs(needs_gil=True),
)
