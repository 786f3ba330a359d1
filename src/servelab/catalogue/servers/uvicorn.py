"""uvicorn."""

from typing import Annotated

from msgspec import Meta

from servelab.catalogue.server import LOOPBACK_DEPARTURE, LaunchRequest, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand


class Settings(ServerSettings, frozen=True):
    """Processes, each with an event loop."""

    processes: Annotated[int, Meta(ge=1, le=512)] = 1


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return the seed's command."""
    address, processes = request.address, str(request.settings.processes)
    return LaunchCommand(
        argv=(
            *("uvicorn", "--host", address.host, "--port", str(address.port)),
            *("--workers", processes, request.application),
        ),
        departures=(LOOPBACK_DEPARTURE,),
    )


SERVER = Server(
    name="uvicorn",
    summary="uvicorn on uvloop and httptools",
    interfaces=frozenset({Interface.ASGI}),
    requirements=("uvicorn[standard]",),
    settings=Settings,
    heading=lambda settings: count(settings.processes, "process"),
    processes=lambda settings: settings.processes,
    command=command,
)
