"""waitress: one process, whose loop reads requests and whose pool of threads answers them.

Its manual, https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html, has the
settings. It handles no SIGTERM: what it is at is lost.
"""

from typing import Annotated

from msgspec import Meta

from servelab.catalogue.axes import threads_axis
from servelab.catalogue.server import LaunchRequest, Naming, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand
from servelab.model.variant import Variant

_CONNECTIONS = 1000
_DEFAULT_THREADS = 4
_SOCKET_DEPARTURE = (
    "--unix-socket-perms=660: by default only its own user may connect, and a front has another."
)
_LIMIT_DEPARTURE = (
    f"--connection-limit={_CONNECTIONS}: its own limit of 100 leaves the 99th kept connection "
    "unanswered while the others stay."
)


class Settings(ServerSettings, frozen=True):
    """Threads of the pool."""

    threads: Annotated[int, Meta(ge=1, le=4096)] = _DEFAULT_THREADS


def variants(_interface: Interface, _cpu_count: int) -> tuple[Variant, ...]:
    """Search the number of threads, from its default on."""
    return (Variant(axes=(threads_axis(start=_DEFAULT_THREADS),)),)


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return its own command line; its backlog is 1024 and it logs no requests by default."""
    listen: tuple[str, ...] = (f"--listen={request.address}",)
    if request.unix_socket is not None:
        listen = (f"--unix-socket={request.unix_socket}", "--unix-socket-perms=660")
    return LaunchCommand(
        argv=(
            *("waitress-serve", *listen, f"--threads={request.settings.threads}"),
            *(f"--connection-limit={_CONNECTIONS}", "--asyncore-use-poll"),
            *(("--call",) if request.is_factory else ()),
            request.application,
        ),
        departures=(
            *request.loopback_departure,
            *(() if request.unix_socket is None else (_SOCKET_DEPARTURE,)),
            _LIMIT_DEPARTURE,
            "--asyncore-use-poll: without it no file's number may be above 1023.",
        ),
    )


SERVER = Server(
    name="waitress",
    summary="waitress",
    interfaces=frozenset({Interface.WSGI}),
    requirements=("waitress==3.0.2",),
    settings=Settings,
    heading=lambda settings: count(settings.threads, "thread"),
    processes=lambda _: 1,
    command=command,
    variants=variants,
    naming=Naming.FACTORY,
    takes_unix_sockets=True,
    on_sigterm="waitress handles no SIGTERM: it ends at once and loses the calls at work.",
)
