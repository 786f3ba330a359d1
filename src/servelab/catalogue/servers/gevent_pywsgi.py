"""gevent's own WSGI server, a library that a small script starts."""

from servelab.catalogue.server import LOOPBACK_DEPARTURE, LaunchRequest, Needs, Server
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand


class Settings(ServerSettings, frozen=True):
    """One process, whose greenlets are not limited: nothing to set."""


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return the script `serve_pywsgi`, as the seed has no command for this server."""
    return LaunchCommand(
        argv=(
            *("python", "-m", "serve_pywsgi"),
            *("--bind", str(request.address), request.application),
        ),
        departures=(LOOPBACK_DEPARTURE,),
    )


SERVER = Server(
    name="gevent_pywsgi",
    summary="gevent's pywsgi",
    interfaces=frozenset({Interface.WSGI}),
    requirements=("gevent",),
    settings=Settings,
    heading=lambda _: "",
    processes=lambda _: 1,
    command=command,
    needs=Needs(needs_gil=True),
)
