"""Deployments behind a front, by name: ``DEPLOYMENT+FRONT``."""

from collections.abc import Iterable

import msgspec

from servelab.catalogue.calls import protocol_of
from servelab.catalogue.discovery import front, server_of
from servelab.catalogue.front import MARK, Front
from servelab.catalogue.own_command import COMMAND, PORT
from servelab.errors import UsageError
from servelab.model.deployment import Deployment


def split_front(text: str) -> tuple[str, str | None]:
    """Return what selects deployments, and the front behind ``+``; None where none is named.

    Raise UsageError where nothing follows.
    """
    selected, mark, name = text.partition(MARK)
    if mark and not name.strip():
        raise UsageError(f"{text!r} names no front after {MARK}; write one such as {MARK}nginx")
    return selected.strip(), name.strip() if mark else None


def behind(deployments: Iterable[Deployment], *, name: str | None) -> tuple[Deployment, ...]:
    """Return the deployments behind a front; None: as they are. Those behind one stay there.

    Raise UnknownName, or UsageError where a front cannot pass on what a deployment serves.
    """
    if name is None:
        return tuple(deployments)
    found = front(name)
    return tuple(each if each.front else _behind(each, found) for each in deployments)


def front_of(deployment: Deployment) -> Front | None:
    """Return the front of a deployment; None where it has none."""
    return None if deployment.front is None else front(deployment.front)


def takes_unix_socket(deployment: Deployment) -> bool:
    """Tell whether its server can listen on a unix socket."""
    return server_of(deployment).takes_unix_sockets


def _behind(deployment: Deployment, found: Front) -> Deployment:
    if deployment.server == COMMAND.name and PORT not in deployment.application:
        raise UsageError(
            f"{deployment.stack}: {found.name} takes the port before it, and its command cannot be "
            f"told another; write {PORT} where its port goes."
        )
    protocol = protocol_of(deployment)
    if protocol not in found.protocols:
        raise UsageError(
            f"{deployment.name}: {found.name} is not set up here to pass {protocol.value} on; "
            "leave the front out."
        )
    return msgspec.structs.replace(deployment, front=found.name)
