"""Which deployments are stopped: each stack small, with one process and with two."""

from collections.abc import Iterator

from servelab import catalogue
from servelab.errors import UsageError
from servelab.model.deployment import Deployment, ServerSettings

_SMALL = {"threads": 8, "async_cores": 64}


def deployments() -> tuple[Deployment, ...]:
    """Return one or two deployments of every stack in the catalogue, what is the same once."""
    found: dict[tuple[str, str, ServerSettings], Deployment] = {}
    for stack in catalogue.stacks():
        for each in _of(stack):
            found.setdefault((each.framework, each.application, each.settings), each)
    return tuple(found.values())


def _of(stack: catalogue.Stack) -> Iterator[Deployment]:
    first = stack.deployments[0]
    small = [
        f"{name}={number}"
        for name, number in _SMALL.items()
        if getattr(first.settings, name, None) is not None
    ]
    if not hasattr(first.settings, "processes"):
        yield first
        return
    fewest = min(2, *(each.processes for each in stack.deployments))
    for processes in range(fewest, 3):
        settings = ",".join([f"processes={processes}", *small])
        try:
            yield from catalogue.find_deployments(f"{stack.name}:{settings}")
        except UsageError:  # a stack whose processes are fixed
            yield first
            return
