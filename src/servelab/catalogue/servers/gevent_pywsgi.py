"""gevent's own WSGI server, a library that a small script starts."""

from servelab.catalogue.frameworks import served_path
from servelab.catalogue.server import LaunchRequest, Naming, Needs, Server
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import ConfigurationFile, LaunchCommand

_SCRIPT = "serve_pywsgi.py"


class Settings(ServerSettings, frozen=True):
    """One process, whose greenlets are not limited: nothing to set."""


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return the script `serve_pywsgi`, as the seed has no command for this server.

    The folder of the script is on the path of the catalogue's applications, and of no other.
    """
    script = (str(served_path() / _SCRIPT),) if request.is_own else ("-m", "serve_pywsgi")
    return LaunchCommand(argv=_argv(request, script), departures=request.loopback_departure)


def configuration(request: LaunchRequest[Settings]) -> ConfigurationFile:
    """Return the script, which needs nothing but gevent."""
    return ConfigurationFile(
        name=_SCRIPT,
        text=(served_path() / _SCRIPT).read_text(encoding="utf-8"),
        command=LaunchCommand(argv=_argv(request, (_SCRIPT,))),
    )


def _argv(request: LaunchRequest[Settings], script: tuple[str, ...]) -> tuple[str, ...]:
    factory = ("--factory",) if request.is_factory else ()
    return ("python", *script, "--bind", request.bind, *factory, request.application)


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
    configuration=configuration,
    naming=Naming.FACTORY,
    takes_unix_sockets=True,
)
