"""A program of the user's that listens by itself: a server that nobody chooses but who names it."""

import shlex
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import msgspec

from servelab.catalogue.server import LaunchRequest, Naming, Needs, Server
from servelab.model.deployment import Deployment, Interface, ServerSettings
from servelab.model.launch import LaunchCommand
from servelab.model.service import OwnCommand
from servelab.model.variant import Axis

HOST, PORT = "{host}", "{port}"


class Settings(ServerSettings, frozen=True):
    """Nothing: all that is set is in the command."""


def heading(settings: ServerSettings) -> str:
    """Return what was chosen for its axes, as its user named them."""
    return ", ".join(f"{name}={value}" for name, value in msgspec.structs.asdict(settings).items())


def command(request: LaunchRequest[Any]) -> LaunchCommand:
    """Return the user's words with the address in them, and what was chosen for the axes."""
    address = {HOST: request.address.host, PORT: str(request.address.port)}
    chosen = msgspec.structs.asdict(request.settings)
    words = shlex.split(request.application)
    for mark, value in (
        address | {placeholder(name): value for name, value in chosen.items()}
    ).items():
        words = [word.replace(mark, str(value)) for word in words]
    return LaunchCommand(argv=tuple(words))


def placeholder(name: str) -> str:
    """Return where the value of an axis goes."""
    return f"{{{name}}}"


COMMAND = Server[Any](
    name="command",
    summary="a command of your own",
    interfaces=frozenset(Interface),
    requirements=(),
    settings=Settings,
    heading=heading,
    processes=lambda _: None,
    command=command,
    naming=Naming.NOTHING,
    needs=Needs(minimum_python=(0, 0)),
)


def server_of_command(own: OwnCommand) -> Server[Any]:
    """Return the server that starts a command, whose settings are the command's axes."""
    return replace(COMMAND, settings=_settings(own.axes))


def is_own_command(deployment: Deployment) -> bool:
    """Tell whether a deployment is a program of the user's."""
    return deployment.server == COMMAND.name


@lru_cache
def _settings(axes: tuple[Axis, ...]) -> type[ServerSettings]:
    """Return the type of what may be chosen; the same axes have one type, so that equals are."""
    if not axes:
        return Settings
    fields = [(axis.setting, Literal[axis.values], axis.start) for axis in axes]
    made: Any = msgspec.defstruct(
        "Settings", fields, bases=(ServerSettings,), frozen=True, kw_only=True
    )
    return made  # type: ignore[no-any-return]
