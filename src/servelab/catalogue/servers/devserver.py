"""Flask's development server."""

from typing import Literal

from servelab.catalogue.server import LOOPBACK_DEPARTURE, LaunchRequest, Server
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand

_FOUND_WITHOUT_BEING_NAMED = "app:app"


class Settings(ServerSettings, frozen=True):
    """Whether each request gets a thread of its own."""

    threading: Literal["with", "without"] = "with"


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return `flask run`, which finds ``app:app`` by itself and others by a variable."""
    argv = ("flask", "run", "--no-reload", f"--{request.settings.threading}-threads")
    address = ("--host", request.address.host, "--port", str(request.address.port))
    is_found = request.application == _FOUND_WITHOUT_BEING_NAMED
    return LaunchCommand(
        argv=argv + address,
        variables=() if is_found else (("FLASK_APP", request.application),),
        departures=(LOOPBACK_DEPARTURE,),
    )


SERVER = Server(
    name="devserver",
    summary="Flask's development server (Werkzeug)",
    interfaces=frozenset({Interface.WSGI}),
    requirements=("flask", "werkzeug"),
    settings=Settings,
    heading=lambda settings: f"{settings.threading} threads",
    processes=lambda _: 1,
    command=command,
)
