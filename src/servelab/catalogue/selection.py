"""Deployments by the text that selects them: ``STACK[:key=value,...][+FRONT][@PYTHON]``."""

from collections.abc import Iterable, Sequence

import msgspec

from servelab.catalogue.behind import behind, split_front
from servelab.catalogue.discovery import server, stack
from servelab.catalogue.frameworks import framework
from servelab.catalogue.settings import convert_settings
from servelab.catalogue.stack import Published, deploy
from servelab.errors import UsageError
from servelab.model.deployment import Deployment


def find_deployments(text: str) -> tuple[Deployment, ...]:
    """Return all deployments of a stack, or the one that the text's settings describe.

    What the text leaves out is as in the stack's first deployment. What it says of the interpreter
    is kept as it is. Raise UnknownName or UsageError.
    """
    selected, python = split_python(text)
    selected, front = split_front(selected)
    return on_python(behind(_of_stack(selected), name=front), python=python)


def split_python(text: str) -> tuple[str, str | None]:
    """Return what selects deployments, and the interpreter behind ``@``; None where none is named.

    Raise UsageError where nothing follows.
    """
    selected, at, python = text.partition("@")
    if at and not python.strip():
        raise UsageError(f"{text!r} names no interpreter after @; write one such as @3.13")
    return selected.strip(), python.strip() if at else None


def on_python(deployments: Iterable[Deployment], *, python: str | None) -> tuple[Deployment, ...]:
    """Return the deployments on an interpreter; None: on that of the run."""
    return tuple(msgspec.structs.replace(each, python=python) for each in deployments)


def _of_stack(text: str) -> tuple[Deployment, ...]:
    name, colon, settings = text.partition(":")
    found = stack(name)
    if not colon:
        return found.deployments
    overrides = split_settings(settings, text=text)
    first = msgspec.structs.asdict(found.deployments[0].settings)
    its_server = server(found.server)
    converted = convert_settings(its_server, {**first, **overrides}, of=name)
    return (deploy(found, its_server, framework=framework(found.framework), settings=converted),)


def deployments_named(names: Sequence[str]) -> tuple[Deployment, ...]:
    """Return the deployments that have these names; raise UnknownName or UsageError."""
    return tuple(
        next(each for each in find_deployments(name) if each.name == name) for name in names
    )


def published(deployment: Deployment, *, workload: str) -> Published | None:
    """Return the seed's figures for a deployment, on whichever interpreter; None: it has none."""
    found = stack(deployment.stack)
    (deployment,) = on_python([deployment], python=None)
    for each, figures in zip(found.deployments, found.published, strict=True):
        if each == deployment:
            return figures.get(workload)
    return None


def split_settings(settings: str, *, text: str) -> dict[str, str]:
    """Return the settings of ``key=value,...``; raise UsageError, which shows the whole text."""
    overrides: dict[str, str] = {}
    for part in settings.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise UsageError(f"{part!r} in {text!r} sets nothing; write STACK:key=value,...")
        if key in overrides:
            raise UsageError(f"{text!r} sets {key} twice; leave one of them out.")
        overrides[key] = value
    return overrides
