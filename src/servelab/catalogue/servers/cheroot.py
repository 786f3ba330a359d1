"""cheroot, CherryPy's server: one process with a pool of threads.

Worth knowing of it: no more than 10 connections are kept (``keep_alive_conn_limit``, which its
command cannot set), the pool never grows by itself, and it handles no SIGTERM: what it is at is
lost. Its manual: https://cheroot.cherrypy.dev/en/latest/pkg/cheroot.server/.
"""

from typing import Annotated

from msgspec import Meta

from servelab.catalogue.axes import threads_axis
from servelab.catalogue.server import LaunchRequest, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand
from servelab.model.variant import Variant

_BACKLOG = 1024


class Settings(ServerSettings, frozen=True):
    """Threads of the pool."""

    threads: Annotated[int, Meta(ge=1, le=4096)] = 10


def variants(_interface: Interface, _cpu_count: int) -> tuple[Variant, ...]:
    """Search the number of threads; its default of 10 is no power of two."""
    return (Variant(axes=(threads_axis(start=8),)),)


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return its own command line, with a backlog like the others'."""
    backlog = min(_BACKLOG, request.listen_limit)
    # A path is told from a host by its leading slash.
    bind = request.address if request.unix_socket is None else request.unix_socket.absolute()
    return LaunchCommand(
        argv=(
            *("python", "-m", "cheroot", "--bind", str(bind)),
            *("--threads", str(request.settings.threads)),
            *("--request-queue-size", str(backlog), request.application),
        ),
        departures=(
            *request.loopback_departure,
            "python -m cheroot: `cheroot` does not find an application in the folder it starts in.",
            f"--request-queue-size {backlog}: its own backlog of 5 would make connections wait.",
        ),
    )


SERVER = Server(
    name="cheroot",
    summary="cheroot",
    interfaces=frozenset({Interface.WSGI}),
    requirements=("cheroot==11.1.2",),
    settings=Settings,
    heading=lambda settings: count(settings.threads, "thread"),
    processes=lambda _: 1,
    command=command,
    variants=variants,
    takes_unix_sockets=True,
    on_sigterm="cheroot's command handles no SIGTERM: it ends at once and loses the calls at work.",
)
