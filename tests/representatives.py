"""Deployments that stand for the others where starting all of the catalogue would take too long."""

from collections.abc import Callable, Hashable, Sequence

from servelab import catalogue
from servelab.model.deployment import Deployment


def deployments() -> tuple[Deployment, ...]:
    """Return every deployment of every stack in the catalogue."""
    return tuple(each for stack in catalogue.stacks() for each in stack.deployments)


def one_of_each(kind: Callable[[Deployment], Hashable]) -> tuple[Deployment, ...]:
    """Return a deployment of each kind: the first with the most processes, of which two do."""
    found: dict[Hashable, Deployment] = {}
    for each in deployments():
        known = found.get(kind(each))
        if known is None or (each.processes or 1) > (known.processes or 1):
            found[kind(each)] = each
    return tuple(_with_two_processes(each) for each in found.values())


def _with_two_processes(deployment: Deployment) -> Deployment:
    """Return the deployment with no more processes than it takes to have more than one."""
    if (deployment.processes or 1) <= 2:
        return deployment
    (fewer,) = catalogue.find_deployments(f"{deployment.stack}:processes=2")
    return fewer


def and_the_others(quick: Sequence[Deployment]) -> tuple[Deployment, ...]:
    """Return these, and behind them what else there is in the catalogue."""
    return (*quick, *(each for each in deployments() if each not in quick))
