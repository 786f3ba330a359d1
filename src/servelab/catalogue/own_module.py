"""A module that names a user's application, for servers that cannot be told of it otherwise."""

from servelab.catalogue.discovery import server_of
from servelab.catalogue.server import Naming
from servelab.model.deployment import Deployment
from servelab.model.ready import TextFile
from servelab.model.service import Service

_NAME = "servelab_application"
NAMED = f"{_NAME}:application"
"""What a server is told, which every server can be."""


def own_module(deployment: Deployment, *, service: Service) -> TextFile | None:
    """Return the module with which a deployment is served; None where it needs none.

    Its folder goes on the path of the server's interpreter, after all that is there.
    """
    if not service.application or _is_told(server_of(deployment).naming, service=service):
        return None
    module, _, attribute = service.application.partition(":")
    call = f"({service.arguments}){service.further}" if service.is_factory else ""
    return TextFile(
        name=f"{_NAME}.py",
        text=(
            '"""The application, under a name that every server can be told."""\n\n'
            f"from {module} import {attribute.partition('.')[0]}\n\n"
            f"application = {attribute}{call}\n"
        ),
    )


def _is_told(naming: Naming, *, service: Service) -> bool:
    """Tell whether a server's own command can name an application."""
    has_dots = "." in service.application.partition(":")[2]
    match naming:
        case Naming.NOTHING:
            return True
        case Naming.NAME:
            return not service.is_factory and not has_dots
        case Naming.FACTORY:
            return not service.arguments and not service.further
        case Naming.CALL:
            return not has_dots and not service.further
