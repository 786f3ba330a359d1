"""gunicorn, with each of its workers."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from servelab.catalogue.axes import processes_axis, switch_axis, threads_axis
from servelab.catalogue.frameworks import Framework
from servelab.catalogue.options import Option, as_arguments, as_python
from servelab.catalogue.server import LaunchRequest, Naming, Needs, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import ConfigurationFile, LaunchCommand
from servelab.model.variant import Variant

_VERSION = "==27.0.1"
_UVICORN = ("uvicorn-worker==0.4.0", "uvicorn[standard]")
_UVICORN_WORKER = "uvicorn_worker.UvicornWorker"
_ASGI_WORKERS = frozenset({"asgi", _UVICORN_WORKER})
_WITHOUT_CONNECTIONS = frozenset({"sync", _UVICORN_WORKER})
_DEFAULT_TIMEOUT_S = 30
_FIRST_WITH_CONTROL_SOCKET = (25, 1)
_FILE = "gunicorn.conf.py"


class Settings(ServerSettings, frozen=True):
    """Processes, the class of their worker, and what some of these workers can be told."""

    processes: Annotated[int, Meta(ge=1, le=512)] = 1
    threads: Annotated[int, Meta(ge=1, le=4096)] | None = None
    worker_class: (
        Literal["sync", "gthread", "gevent", "asgi", "uvicorn_worker.UvicornWorker"] | None
    ) = None
    worker_connections: Annotated[int, Meta(ge=1, le=65535)] | None = None
    preload: Literal["on"] | None = None
    reuse_port: Literal["on"] | None = None


def heading(settings: Settings) -> str:
    """Return such as ``4 processes * 50 threads, preload``."""
    words = count(settings.processes, "process")
    if settings.threads is not None:
        words += f" * {count(settings.threads, 'thread')}"
    if settings.worker_connections is not None:
        words += f", {count(settings.worker_connections, 'connection')} each"
    words += ", preload" if settings.preload else ""
    return words + (", reuse port" if settings.reuse_port else "")


def objection(settings: Settings, framework: Framework) -> str | None:
    """Refuse workers of another interface, and what gunicorn would ignore or do too late."""
    worker = settings.worker_class
    interface = Interface.ASGI if worker in _ASGI_WORKERS else Interface.WSGI
    if interface is not framework.interface:
        return f"worker_class={worker or 'gthread'} cannot serve {framework.summary}"
    if settings.threads is not None and worker not in {None, "gthread"}:
        return f"worker_class={worker} has no threads; use gthread or leave threads out"
    if settings.worker_connections is not None and worker in _WITHOUT_CONNECTIONS:
        return f"worker_class={worker} has no worker_connections; leave them out"
    if settings.preload and worker == "gevent":
        return "worker_class=gevent patches after preload has imported; leave preload out"
    return None


def variants(interface: Interface, cpu_count: int) -> tuple[Variant, ...]:
    """Return each worker; gevent is not preloaded, as the worker patches before it imports."""
    processes, preload = processes_axis(cpu_count), switch_axis("preload")
    if interface is Interface.ASGI:
        return tuple(
            Variant(name=name, fixed=(("worker_class", worker),), axes=(processes, preload))
            for name, worker in (("asgi", "asgi"), ("uvicorn", _UVICORN_WORKER))
        )
    axes = {
        "sync": (processes, preload),
        # Its workers take connections that they have no thread for, unless each has its own queue.
        "gthread": (processes, threads_axis(), preload, switch_axis("reuse_port")),
        "gevent": (processes,),
    }
    return tuple(
        Variant(name=worker, fixed=(("worker_class", worker),), axes=each)
        for worker, each in axes.items()
    )


def options(request: LaunchRequest[Settings]) -> tuple[Option, ...]:
    """Return what the command line and the configuration file have in common."""
    settings = request.settings
    given = (
        ("--worker-class", "worker_class", settings.worker_class),
        ("--workers", "workers", settings.processes),
        ("--threads", "threads", settings.threads),
        ("--worker-connections", "worker_connections", settings.worker_connections),
        ("--preload", "preload_app", settings.preload == "on"),
        ("--reuse-port", "reuse_port", _reuses_port(request)),
        ("--bind", "bind", request.bind),
        ("--timeout", "timeout", _timeout_s(request)),
        ("--no-control-socket", "control_socket_disable", _has_control_socket(request)),
    )
    return tuple(Option(*each) for each in given)


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return the seed's command; the worker's time-out exceeds the longest drain."""
    departures = [
        *request.loopback_departure,
        f"--timeout {_timeout_s(request)}: by default a worker that is busy for 30 s is killed.",
    ]
    if _has_control_socket(request):
        departures.append("--no-control-socket: it would leave a socket in the home directory.")
    if request.settings.worker_class == _UVICORN_WORKER:
        departures.append("uvicorn_worker.UvicornWorker: uvicorn.workers has moved there.")
    config: tuple[str, ...] = ()
    if request.is_own:
        config = ("--config", "/dev/null")
        departures.append(
            f"--config /dev/null: it would take settings from a {_FILE} that it finds."
        )
    argv = ("gunicorn", *config, *as_arguments(options(request)), request.expression)
    return LaunchCommand(argv=argv, departures=tuple(departures))


def configuration(request: LaunchRequest[Settings]) -> ConfigurationFile:
    """Return the file with the command's options and the application."""
    wsgi_app = Option(flag="", name="wsgi_app", value=request.expression)
    remarks = tuple(_remarks(request))
    comments = "".join(f"# {each}\n" for each in remarks)
    return ConfigurationFile(
        name=_FILE,
        text=comments + as_python((wsgi_app, *options(request))),
        command=LaunchCommand(argv=("gunicorn", "--config", _FILE)),
        remarks=remarks,
    )


def installs(settings: Settings) -> tuple[str, ...]:
    """Return gunicorn, and what its worker is made of."""
    if settings.worker_class == "gevent":
        return ("gunicorn[gevent]", "gevent")
    if settings.worker_class == _UVICORN_WORKER:
        return ("gunicorn", "uvicorn-worker", "uvicorn[standard]", "uvloop", "httptools")
    return ("gunicorn",)


def _remarks(request: LaunchRequest[Settings]) -> Iterator[str]:
    yield (
        f"It was measured without any {_FILE} of yours, and without its hooks; what you need of "
        "one belongs into this one."
    )
    if (timeout_s := _timeout_s(request)) > _DEFAULT_TIMEOUT_S:
        yield (
            f"timeout = {timeout_s}: a worker that hangs is killed only then, as when it was "
            "measured; it is twice servelab's --timeout and 1 s more, at least gunicorn's own "
            f"{_DEFAULT_TIMEOUT_S}. Set another here, or measure with another --timeout."
        )


def _timeout_s(request: LaunchRequest[Settings]) -> int:
    return max(_DEFAULT_TIMEOUT_S, math.ceil(request.longest_drain_s) + 1)


def _has_control_socket(request: LaunchRequest[Settings]) -> bool:
    first = _FIRST_WITH_CONTROL_SOCKET
    return (request.version("gunicorn") or first) >= first


def _reuses_port(request: LaunchRequest[Settings]) -> bool:
    # Of a unix socket, each worker would remove that of the worker before it.
    return request.settings.reuse_port == "on" and request.unix_socket is None


def requirements_for(settings: Settings) -> tuple[str, ...]:
    """Return what a worker needs: gevent, uvicorn, or nothing."""
    if settings.worker_class == "gevent":
        return (f"gunicorn[gevent]{_VERSION}",)
    if settings.worker_class == _UVICORN_WORKER:
        return (f"gunicorn{_VERSION}", *_UVICORN)
    return (f"gunicorn{_VERSION}",)


SERVER = Server(
    name="gunicorn",
    summary="gunicorn",
    interfaces=frozenset({Interface.WSGI, Interface.ASGI}),
    requirements=(f"gunicorn[gevent]{_VERSION}", *_UVICORN),
    requirements_for=requirements_for,
    settings=Settings,
    heading=heading,
    processes=lambda settings: settings.processes,
    command=command,
    objection=objection,
    needs=Needs(needs_gil=True),
    needs_gil_beside=lambda settings: settings.worker_class == "gevent",
    variants=variants,
    configuration=configuration,
    naming=Naming.CALL,
    takes_unix_sockets=True,
    installs=installs,
    forks_after_import=lambda settings: settings.preload == "on",
    on_sigterm=(
        "On SIGTERM gunicorn gives the calls at work 30 s (graceful_timeout) to be answered; the "
        "sync worker loses the connections that wait in its queue."
    ),
)
