"""granian: a Rust runtime does the network, Python threads or an event loop call the application.

Its manual, https://github.com/emmett-framework/granian#workers-and-threads: on ASGI each worker
has one event loop and blocking threads mean nothing; on WSGI they are the most calls at once in a
worker, and are better left to granian, which takes half of the connections that a worker accepts.
On free-threaded Python its workers are threads of one process.
"""

from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from servelab.catalogue.axes import processes_axis, threads_axis
from servelab.catalogue.frameworks import Framework
from servelab.catalogue.server import LaunchRequest, Naming, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand
from servelab.model.variant import Axis, Variant

_MOST_RUNTIME_THREADS = 4


class Settings(ServerSettings, frozen=True):
    """Processes, threads that call the application, threads that do the network, and how."""

    processes: Annotated[int, Meta(ge=1, le=512)] = 1
    blocking_threads: Annotated[int, Meta(ge=1, le=4096)] | None = None
    """None leaves it to granian: 512 in one process, 128 in each of four."""
    runtime_threads: Annotated[int, Meta(ge=1, le=512)] | None = None
    runtime_mode: Literal["st", "mt"] | None = None


def heading(settings: Settings) -> str:
    """Return such as ``4 processes * 50 blocking threads``."""
    words = count(settings.processes, "process")
    if settings.blocking_threads is not None:
        words += f" * {count(settings.blocking_threads, 'blocking thread')}"
    if settings.runtime_threads is not None:
        words += f" * {count(settings.runtime_threads, 'runtime thread')}"
    return words if settings.runtime_mode is None else f"{words}, {settings.runtime_mode}"


def objection(settings: Settings, framework: Framework) -> str | None:
    """Refuse blocking threads on ASGI, where granian does."""
    if framework.interface is Interface.ASGI and settings.blocking_threads is not None:
        return "granian has one event loop in each process on ASGI; leave blocking_threads out"
    return None


def variants(interface: Interface, cpu_count: int) -> tuple[Variant, ...]:
    """Search the threads that count on the interface; its own choice is one of the values."""
    if interface is Interface.WSGI:
        threads = threads_axis("blocking_threads")
        threads = replace(threads, values=(*threads.values, None), start=None)
    else:
        most = min(cpu_count, _MOST_RUNTIME_THREADS)
        numbers = tuple(number for number in (1, 2, 4) if number <= most)
        threads = Axis(setting="runtime_threads", values=numbers, start=1)
    return (Variant(axes=(processes_axis(cpu_count), threads)),)


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return its own command line; its backlog is 1024 and it logs no requests by default."""
    settings, address = request.settings, request.address
    listen: tuple[str, ...] = ("--host", address.host, "--port", str(address.port))
    if request.unix_socket is not None:
        listen = ("--uds", str(request.unix_socket))
    options = (
        ("--workers", settings.processes),
        ("--blocking-threads", settings.blocking_threads),
        ("--runtime-threads", settings.runtime_threads),
        ("--runtime-mode", settings.runtime_mode),
    )
    given = [(name, str(value)) for name, value in options if value is not None]
    return LaunchCommand(
        argv=(
            *("granian", "--interface", request.framework.interface.value, *listen),
            *(word for option in given for word in option),
            *(("--factory",) if request.is_factory else ()),
            request.application,
        ),
        departures=request.loopback_departure,
    )


SERVER = Server(
    name="granian",
    summary="granian",
    interfaces=frozenset({Interface.WSGI, Interface.ASGI}),
    requirements=("granian==2.8.7", "uvloop"),
    settings=Settings,
    heading=heading,
    processes=lambda settings: settings.processes,
    command=command,
    objection=objection,
    variants=variants,
    naming=Naming.FACTORY,
    takes_unix_sockets=True,
    on_sigterm=(
        "On SIGTERM granian waits for its workers for as long as they take, and one whose threads "
        "are busy may not notice at all; --workers-kill-timeout 30 ends it then."
    ),
)
