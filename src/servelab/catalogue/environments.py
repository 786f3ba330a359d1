"""What a server's environment must hold."""

import functools
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from servelab.catalogue.discovery import server, stacks
from servelab.catalogue.distributions import canonical
from servelab.catalogue.frameworks import framework
from servelab.errors import UsageError
from servelab.model.deployment import ServerSettings
from servelab.model.environment import EnvironmentSpec, UserEnvironment
from servelab.served import workloads

LOCKS = Path(__file__).parent / "locks"
CONSTRAINTS = Path(__file__).parent / "constraints.txt"

MINIMUM_PYTHON = "3.11"
DIGEST_PREFIX = "# inputs: "

SAME_PROGRAM = {"pyuwsgi": "uwsgi"}
"""A distribution, and another that brings the same program: one of them is enough."""

_REQUIREMENT = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(?:[<>=!~(][^;@]*)?(?:[;@#].*)?", re.DOTALL
)
"""Name, extras, versions, then a marker or an address; after PEP 508."""


def environment_spec(
    server_name: str, *, with_requirements: tuple[str, ...] = ()
) -> EnvironmentSpec:
    """Return what a server's environment must hold.

    `with_requirements` replace the catalogue's of the same name, or add to them; such an
    environment has no lock. Raise UnknownName, or UsageError for what is no requirement.
    """
    requirements, constraints = locked_requirements(server_name), constraints_text()
    if not with_requirements:
        lock = _current_lock(server_name)
        return EnvironmentSpec(
            name=server_name, requirements=requirements, constraints=constraints, lock=lock
        )
    for each in with_requirements:
        requirements = _replaced(requirements, each)
    names = {_name(each) for each in with_requirements}
    return EnvironmentSpec(
        name=server_name,
        requirements=requirements,
        constraints=_without(constraints, names),
        lock=None,
    )


def spec_beside(
    server_name: str, *, user: UserEnvironment, settings: ServerSettings | None = None
) -> EnvironmentSpec:
    """Return what a server needs beside a user's environment, whose versions stand.

    A server that is there already keeps its version, too. With `settings` it is what these need.
    Raise UnknownName.
    """
    on = server(server_name)
    needed = on.requirements
    if settings is not None and on.requirements_for is not None:
        needed = on.requirements_for(settings)
    theirs = {each.name for each in user.packages}
    requirements = tuple(
        _unpinned(each) if _name(each) in theirs else each
        for each in needed
        if SAME_PROGRAM.get(_name(each)) not in theirs
    )
    path = lock_path(server_name)
    return EnvironmentSpec(
        name=server_name,
        requirements=requirements,
        constraints=_without(constraints_text(), theirs),
        lock=None,
        preferred=path.read_text() if path.exists() else "",
        beside=user,
    )


@functools.cache
def locked_requirements(server_name: str) -> tuple[str, ...]:
    """Return what the server, the frameworks of its stacks and all workloads require."""
    needed = list(server(server_name).requirements)
    for stack in stacks():
        if stack.server == server_name:
            needed += framework(stack.framework).requirements
    for workload in workloads.names():
        needed += workloads.load(workload).REQUIREMENTS
    return tuple(dict.fromkeys(needed))


@functools.cache
def constraints_text() -> str:
    """Return the versions of what servers share."""
    return CONSTRAINTS.read_text()


def lock_path(server_name: str) -> Path:
    """Return where a server's lock is kept."""
    return LOCKS / f"{server_name}.txt"


def inputs_digest(server_name: str) -> str:
    """Return a digest of all that a server's lock is made from."""
    inputs = [MINIMUM_PYTHON, *locked_requirements(server_name), constraints_text()]
    return f"sha256:{hashlib.sha256(chr(10).join(inputs).encode()).hexdigest()}"


def recorded_digest(server_name: str) -> str | None:
    """Return the digest of the inputs that the stored lock was made from; None without a lock."""
    path = lock_path(server_name)
    if not path.exists():
        return None
    for line in path.read_text().splitlines():
        if line.startswith(DIGEST_PREFIX):
            return line.removeprefix(DIGEST_PREFIX)
    return None


def _current_lock(server_name: str) -> str | None:
    """Return the lock, unless other packages' stacks have added requirements since."""
    if recorded_digest(server_name) != inputs_digest(server_name):
        return None
    return lock_path(server_name).read_text()


def _replaced(requirements: tuple[str, ...], replacement: str) -> tuple[str, ...]:
    """Put a requirement in the place of that of the same name, whose extras it keeps."""
    name = _name(replacement)
    extras = next((_extras(each) for each in requirements if _name(each) == name), "")
    if extras and not _extras(replacement):
        written = _match(replacement).group(1)
        replacement = replacement.strip().replace(written, f"{written}{extras}", 1)
    others = tuple(each for each in requirements if _name(each) != name)
    return (replacement, *others)


def _unpinned(requirement: str) -> str:
    found = _match(requirement)
    return f"{found.group(1)}{found.group(2) or ''}"


def _without(constraints: str, names: Iterable[str]) -> str:
    dropped = set(names)
    lines = constraints.splitlines(keepends=True)
    return "".join(line for line in lines if not _constrains(line, dropped))


def _constrains(line: str, names: set[str]) -> bool:
    return not line.lstrip().startswith("#") and bool(line.strip()) and _name(line) in names


def _name(requirement: str) -> str:
    return canonical(_match(requirement).group(1))


def _extras(requirement: str) -> str:
    return _match(requirement).group(2) or ""


def _match(requirement: str) -> re.Match[str]:
    match = _REQUIREMENT.fullmatch(requirement)
    if match is None:
        raise UsageError(f"{requirement!r} is no requirement; write one like gunicorn==23.0.0.")
    return match
