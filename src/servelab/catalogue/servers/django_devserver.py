"""Django's development server, for a Django project of the user's."""

from typing import Literal

from servelab.catalogue.frameworks import Framework
from servelab.catalogue.server import LaunchRequest, Naming, Server
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import LaunchCommand

_DJANGO = "django"


class Settings(ServerSettings, frozen=True):
    """Whether each connection gets a thread of its own."""

    threading: Literal["with", "without"] = "with"


def objection(_settings: Settings, framework: Framework) -> str | None:
    """Refuse what is no project of Django's."""
    if framework.name == _DJANGO:
        return None
    found = framework.summary or "an application of no framework that is known"
    return f"`manage.py runserver` serves Django's projects only, and this is {found}"


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return `runserver` as the project's own `manage.py` has it."""
    without = ("--nothreading",) if request.settings.threading == "without" else ()
    return LaunchCommand(
        argv=(
            *("python", "manage.py", "runserver", "--noreload", *without),
            str(request.address),
        ),
        departures=(
            *request.loopback_departure,
            "It serves what the project's setting WSGI_APPLICATION names.",
            "It writes a line for each request, which no option turns off.",
        ),
    )


SERVER = Server(
    name="django_devserver",
    summary="Django's development server (runserver)",
    interfaces=frozenset({Interface.WSGI}),
    requirements=(),
    settings=Settings,
    heading=lambda settings: f"{settings.threading} threads",
    processes=lambda _: 1,
    command=command,
    objection=objection,
    naming=Naming.NOTHING,
    is_for_development=True,
    on_sigterm="On SIGTERM the development server ends at once and loses the calls at work.",
)
