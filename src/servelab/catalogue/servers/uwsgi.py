"""uWSGI, from the wheel that the project itself publishes as pyuwsgi."""

from typing import Annotated

from msgspec import Meta

from servelab.catalogue.frameworks import Framework
from servelab.catalogue.server import LOOPBACK_DEPARTURE, LaunchRequest, Needs, Server, count
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand

_BACKLOG = 1024


class Settings(ServerSettings, frozen=True):
    """Processes, and how each takes several requests at once: threads, greenlets or not at all."""

    processes: Annotated[int, Meta(ge=1, le=512)] = 1
    threads: Annotated[int, Meta(ge=1, le=4096)] | None = None
    async_cores: Annotated[int, Meta(ge=1, le=65535)] | None = None


def heading(settings: Settings) -> str:
    """Return such as ``4 processes * 50 threads``."""
    words = count(settings.processes, "process")
    if settings.threads is not None:
        return f"{words} * {count(settings.threads, 'thread')}"
    if settings.async_cores is not None:
        return f"{words} * {count(settings.async_cores, 'async core')}"
    return words


def objection(settings: Settings, _framework: Framework) -> str | None:
    """Refuse threads together with greenlets."""
    if settings.threads is not None and settings.async_cores is not None:
        return "uwsgi takes threads or async_cores, not both"
    return None


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return the seed's command, with what makes it stop and keep quiet."""
    settings, backlog = request.settings, min(_BACKLOG, request.listen_limit)
    concurrency: tuple[str, ...] = ()
    if settings.threads is not None:
        concurrency = ("--threads", str(settings.threads))
    if settings.async_cores is not None:
        concurrency = ("--gevent", str(settings.async_cores))
    return LaunchCommand(
        argv=(
            *("uwsgi", "--master"),
            *(("--single-interpreter",) if settings.async_cores is not None else ()),
            *("--workers", str(settings.processes), *concurrency),
            *("--protocol", "http", "--socket", str(request.address)),
            *("--module", request.application),
            *("--die-on-term", "--listen", str(backlog), "--disable-logging"),
        ),
        departures=(
            LOOPBACK_DEPARTURE,
            "--die-on-term: without it uWSGI answers SIGTERM by starting anew.",
            f"--listen {backlog}: its own backlog of 100 would make connections wait.",
            "--disable-logging: it would write a line for each request, which others do not.",
        ),
    )


SERVER = Server(
    name="uwsgi",
    summary="uWSGI",
    interfaces=frozenset({Interface.WSGI}),
    requirements=("pyuwsgi==2.0.30.post1", "gevent"),
    settings=Settings,
    heading=heading,
    processes=lambda settings: settings.processes,
    command=command,
    objection=objection,
    needs=Needs(needs_gil=True),
)
