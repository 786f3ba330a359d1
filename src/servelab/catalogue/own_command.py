"""A program of the user's that listens by itself: a server that nobody chooses but who names it."""

import shlex

from servelab.catalogue.server import LaunchRequest, Needs, Server
from servelab.model.deployment import Deployment, Interface, ServerSettings
from servelab.model.launch import LaunchCommand

HOST, PORT = "{host}", "{port}"


class Settings(ServerSettings, frozen=True):
    """Nothing: all that is set is in the command."""


def command(request: LaunchRequest[Settings]) -> LaunchCommand:
    """Return the user's words with the address in them."""
    host, port = request.address.host, str(request.address.port)
    words = shlex.split(request.application)
    return LaunchCommand(argv=tuple(word.replace(HOST, host).replace(PORT, port) for word in words))


COMMAND = Server(
    name="command",
    summary="a command of your own",
    interfaces=frozenset(Interface),
    requirements=(),
    settings=Settings,
    heading=lambda _: "",
    processes=lambda _: None,
    command=command,
    needs=Needs(minimum_python=(0, 0)),
)


def is_own_command(deployment: Deployment) -> bool:
    """Tell whether a deployment is a program of the user's, which no server of ours starts."""
    return deployment.server == COMMAND.name
