"""Which deployments are stopped: all of the catalogue, and those that stand for their server."""

from servelab import catalogue
from servelab.model.deployment import Deployment


def deployments() -> tuple[Deployment, ...]:
    """Return every deployment of every stack in the catalogue."""
    return tuple(each for stack in catalogue.stacks() for each in stack.deployments)


def one_of_each_server() -> tuple[Deployment, ...]:
    """Return a deployment for each server: the first of those with the most processes."""
    found: dict[str, Deployment] = {}
    for each in deployments():
        known = found.get(each.server)
        if known is None or (each.processes or 1) > (known.processes or 1):
            found[each.server] = each
    return tuple(found.values())
