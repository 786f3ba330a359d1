"""uWSGI, from the wheel that the project itself publishes as pyuwsgi."""

from typing import Annotated, Literal

from msgspec import Meta

from servelab.catalogue.axes import processes_axis, switch_axis, threads_axis
from servelab.catalogue.frameworks import Framework
from servelab.catalogue.options import Option, Value, as_arguments, as_ini
from servelab.catalogue.server import LaunchRequest, Naming, Needs, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import ConfigurationFile, LaunchCommand
from servelab.model.variant import Axis, Variant

_BACKLOG = 1024
_ASYNC_CORES = Axis(setting="async_cores", values=(10, 100, 1000), start=1000)
_FILE = "uwsgi.ini"
_PYUWSGI, _GEVENT = "pyuwsgi==2.0.30.post1", "gevent"
_HEADERS_BYTES = 32 << 10
"""Of a request; from 4 KiB on, which cookies reach, uWSGI would reset the connection."""


class Settings(ServerSettings, frozen=True):
    """Processes, and how each takes several requests at once: threads, greenlets or not at all."""

    processes: Annotated[int, Meta(ge=1, le=512)] = 1
    threads: Annotated[int, Meta(ge=1, le=4096)] | None = None
    async_cores: Annotated[int, Meta(ge=1, le=65535)] | None = None
    lazy_apps: Literal["on"] | None = None
    """Each process imports the application itself, as those of other servers do."""


def heading(settings: Settings) -> str:
    """Return such as ``4 processes * 50 threads, lazy apps``."""
    words = count(settings.processes, "process")
    if settings.threads is not None:
        words += f" * {count(settings.threads, 'thread')}"
    if settings.async_cores is not None:
        words += f" * {count(settings.async_cores, 'async core')}"
    return words + (", lazy apps" if settings.lazy_apps else "")


def objection(settings: Settings, _framework: Framework) -> str | None:
    """Refuse threads together with greenlets."""
    if settings.threads is not None and settings.async_cores is not None:
        return "uwsgi takes threads or async_cores, not both"
    return None


def variants(_interface: Interface, cpu_count: int) -> tuple[Variant, ...]:
    """Return one request at a time, threads and greenlets.

    A search starts with an import in each process: what an application opens when it is imported,
    a thread or a connection, does not survive the fork that follows an import in the master.
    """
    axes = {"processes": (), "threads": (threads_axis(),), "gevent": (_ASYNC_CORES,)}
    common, lazy_apps = processes_axis(cpu_count), switch_axis("lazy_apps", start="on")
    return tuple(Variant(name=name, axes=(common, *own, lazy_apps)) for name, own in axes.items())


def options(request: LaunchRequest[Settings]) -> tuple[Option, ...]:
    """Return what the command line and the configuration file have in common.

    An application of the user's needs what its manual advises to everybody, and where greenlets
    run it has to be imported after the patching; ``gevent-monkey-patch`` would patch afterwards.
    """
    settings, is_own = request.settings, request.is_own
    has_greenlets = settings.async_cores is not None
    given: dict[str, Value] = {
        "master": True,
        "single-interpreter": is_own or has_greenlets,
        "need-app": is_own,
        "enable-threads": is_own,
        "buffer-size": _HEADERS_BYTES if is_own else None,
        "lazy-apps": settings.lazy_apps == "on",
        "workers": settings.processes,
        "threads": settings.threads,
        "gevent": settings.async_cores,
        "gevent-early-monkey-patch": is_own and has_greenlets,
        "protocol": "http",
        "socket": str(request.unix_socket or request.address),
        # It calls a factory, but cannot pass it anything.
        "module": None if request.arguments else request.expression,
        "eval": _program(request) if request.arguments else None,
        "die-on-term": True,
        "vacuum": request.unix_socket is not None,
        "listen": _backlog(request),
        "disable-logging": True,
        # It closes each connection after its answer, and does not say so by itself.
        "add-header": "Connection: close" if is_own else None,
    }
    return tuple(Option(f"--{name}", name, value) for name, value in given.items())


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return the seed's command, with what makes it stop and keep quiet."""
    return LaunchCommand(
        argv=("uwsgi", *as_arguments(options(request))),
        departures=(
            *request.loopback_departure,
            "--die-on-term: without it uWSGI answers SIGTERM by starting anew.",
            f"--listen {_backlog(request)}: its own backlog of 100 would make connections wait.",
            "--disable-logging: it would write a line for each request, which others do not.",
        ),
    )


def configuration(request: LaunchRequest[Settings]) -> ConfigurationFile:
    """Return the file with the command's options."""
    return ConfigurationFile(
        name=_FILE,
        text=as_ini(options(request), section="uwsgi"),
        command=LaunchCommand(argv=("uwsgi", "--ini", _FILE)),
    )


def _program(request: LaunchRequest[Settings]) -> str:
    module, _, factory = request.application.partition(":")
    called = f"{factory}({request.arguments})"
    name = factory.partition(".")[0]
    return f"from {module} import {name}; application = {called}"


def _backlog(request: LaunchRequest[Settings]) -> int:
    return min(_BACKLOG, request.listen_limit)


SERVER = Server(
    name="uwsgi",
    summary="uWSGI",
    interfaces=frozenset({Interface.WSGI}),
    requirements=(_PYUWSGI, _GEVENT),
    requirements_for=lambda settings: (_PYUWSGI, _GEVENT) if settings.async_cores else (_PYUWSGI,),
    settings=Settings,
    heading=heading,
    processes=lambda settings: settings.processes,
    command=command,
    objection=objection,
    needs=Needs(needs_gil=True),
    variants=variants,
    configuration=configuration,
    naming=Naming.CALL,
    takes_unix_sockets=True,
    forks_after_import=lambda settings: settings.lazy_apps is None,
    installs=lambda settings: ("pyuwsgi", *(("gevent",) if settings.async_cores else ())),
    on_sigterm=(
        "With die-on-term, as measured, uWSGI ends at once on SIGTERM and loses the calls at work; "
        "hook-master-start = unix_signal:15 gracefully_kill_them_all in its place lets them end."
    ),
)
