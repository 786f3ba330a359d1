"""Flask's development server."""

from typing import Literal

from servelab.catalogue.frameworks import Framework
from servelab.catalogue.server import LOOPBACK_DEPARTURE, LaunchRequest, Naming, Server
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand

_FOUND_WITHOUT_BEING_NAMED = "app:app"
_FLASK = "flask"


class Settings(ServerSettings, frozen=True):
    """Whether each request gets a thread of its own."""

    threading: Literal["with", "without"] = "with"


def objection(_settings: Settings, framework: Framework) -> str | None:
    """Refuse what is no application of Flask's, as `flask run` does."""
    if framework.name == _FLASK:
        return None
    found = framework.summary or "an application of no framework that is known"
    return f"`flask run` serves applications of Flask only, and this is {found}"


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return `flask run`, which finds ``app:app`` by itself and others by a variable."""
    argv = ("flask", "run", "--no-reload", f"--{request.settings.threading}-threads")
    address = ("--host", request.address.host, "--port", str(request.address.port))
    # In a folder that is not ours it might find another application first.
    is_found = request.application == _FOUND_WITHOUT_BEING_NAMED and not request.is_own
    return LaunchCommand(
        argv=argv + address,
        variables=() if is_found else (("FLASK_APP", request.expression),),
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
    objection=objection,
    naming=Naming.CALL,
    is_for_development=True,
    on_sigterm="On SIGTERM the development server ends at once and loses the calls at work.",
)
