"""What a user installs to serve with a deployment as it was measured."""

import re
from collections.abc import Iterable, Mapping

from servelab.catalogue.behind import split_front
from servelab.catalogue.discovery import server_of, servers
from servelab.catalogue.distributions import canonical, required_name
from servelab.catalogue.environments import SAME_PROGRAM
from servelab.catalogue.names import unknown
from servelab.catalogue.selection import split_python, split_settings
from servelab.catalogue.server import Server, Settings
from servelab.catalogue.settings import convert_settings
from servelab.model.deployment import Deployment

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?")


def to_install(deployment: Deployment, *, packages: Mapping[str, str]) -> tuple[str, ...]:
    """Return requirements such as ``gunicorn==27.0.1`` for a deployment.

    `packages` are those of the environment in which it was measured, name -> version; what is not
    among them is named by the catalogue's requirement where the server needs it, else left out.
    """
    return _to_install(server_of(deployment), deployment.settings, packages=packages)


def to_install_for(name: str, *, packages: Mapping[str, str]) -> tuple[str, ...]:
    """Return the same for the text that selects a deployment; UnknownName or UsageError."""
    name, _front = split_front(split_python(name)[0])
    stack, colon, text = name.partition(":")
    candidates = [each for each in servers() if f"{stack}-".startswith(f"{each.name}-")]
    if not candidates:
        raise unknown("server", stack, known=[each.name for each in servers()])
    on = max(candidates, key=lambda each: len(each.name))
    values = split_settings(text, text=name) if colon else {}
    return _to_install(on, convert_settings(on, values, of=stack), packages=packages)


def _to_install(
    on: Server[Settings], settings: Settings, *, packages: Mapping[str, str]
) -> tuple[str, ...]:
    versions = {canonical(name): version for name, version in packages.items()}
    asked = on.requirements if on.installs is None else on.installs(settings)
    catalogued = {required_name(text): text for text in on.requirements}
    return tuple(_pinned(asked, versions=versions, catalogued=catalogued))


def _pinned(
    asked: Iterable[str], *, versions: Mapping[str, str], catalogued: Mapping[str, str]
) -> Iterable[str]:
    for text in asked:
        name = required_name(text)
        other = SAME_PROGRAM.get(name, "")
        if name in versions:
            yield f"{_with_extras(text)}=={versions[name]}"
        elif other in versions:
            yield f"{other}=={versions[other]}"
        elif name in catalogued:
            yield catalogued[name]


def _with_extras(requirement: str) -> str:
    found = _REQUIREMENT.match(requirement)
    return found[0] if found else requirement
