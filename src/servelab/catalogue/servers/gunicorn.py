"""gunicorn, with each of its workers."""

import math
from typing import Annotated, Literal

from msgspec import Meta

from servelab.catalogue.frameworks import Framework
from servelab.catalogue.server import LOOPBACK_DEPARTURE, LaunchRequest, Needs, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand

_ASGI_WORKERS = frozenset({"asgi", "uvicorn_worker.UvicornWorker"})
_DEFAULT_TIMEOUT_S = 30
_FIRST_WITH_CONTROL_SOCKET = (25, 1)


class Settings(ServerSettings, frozen=True):
    """Processes, the class of their worker, and the threads of a gthread worker."""

    processes: Annotated[int, Meta(ge=1, le=512)] = 1
    threads: Annotated[int, Meta(ge=1, le=4096)] | None = None
    worker_class: (
        Literal["sync", "gthread", "gevent", "asgi", "uvicorn_worker.UvicornWorker"] | None
    ) = None


def heading(settings: Settings) -> str:
    """Return such as ``4 processes * 50 threads``."""
    words = count(settings.processes, "process")
    if settings.threads is not None:
        return f"{words} * {count(settings.threads, 'thread')}"
    return words


def objection(settings: Settings, framework: Framework) -> str | None:
    """Refuse workers of another interface, and threads where gunicorn would ignore them."""
    worker = settings.worker_class
    interface = Interface.ASGI if worker in _ASGI_WORKERS else Interface.WSGI
    if interface is not framework.interface:
        return f"worker_class={worker or 'gthread'} cannot serve {framework.summary}"
    if settings.threads is not None and worker not in {None, "gthread"}:
        return f"worker_class={worker} has no threads; use gthread or leave threads out"
    return None


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return the seed's command; the worker's time-out exceeds the longest drain."""
    settings = request.settings
    timeout_s = max(_DEFAULT_TIMEOUT_S, math.ceil(request.longest_drain_s) + 1)
    departures = [
        LOOPBACK_DEPARTURE,
        f"--timeout {timeout_s}: by default a worker that is busy for 30 s is killed.",
    ]
    argv = ["gunicorn"]
    if settings.worker_class is not None:
        argv += ["--worker-class", settings.worker_class]
    argv += ["--workers", str(settings.processes)]
    if settings.threads is not None:
        argv += ["--threads", str(settings.threads)]
    argv += ["--bind", str(request.address), "--timeout", str(timeout_s)]
    if (request.version("gunicorn") or _FIRST_WITH_CONTROL_SOCKET) >= _FIRST_WITH_CONTROL_SOCKET:
        argv.append("--no-control-socket")
        departures.append("--no-control-socket: it would leave a socket in the home directory.")
    if settings.worker_class == "uvicorn_worker.UvicornWorker":
        departures.append("uvicorn_worker.UvicornWorker: uvicorn.workers has moved there.")
    return LaunchCommand(argv=(*argv, request.application), departures=tuple(departures))


SERVER = Server(
    name="gunicorn",
    summary="gunicorn",
    interfaces=frozenset({Interface.WSGI, Interface.ASGI}),
    requirements=(
        "gunicorn[gevent]==27.0.1",
        "uvicorn-worker==0.4.0",
        "uvicorn[standard]",
    ),
    settings=Settings,
    heading=heading,
    processes=lambda settings: settings.processes,
    command=command,
    objection=objection,
    needs=Needs(needs_gil=True),
)
