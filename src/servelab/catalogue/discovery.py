"""Find servers and stacks: the package's own files, and what other packages register.

Entry points: ``servelab.servers``, each a `Server`; ``servelab.stacks``, each a package whose
folder holds the stacks' TOML files.
"""

import functools
import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from servelab.catalogue import fronts as own_fronts
from servelab.catalogue import servers as own_servers
from servelab.catalogue.front import Front
from servelab.catalogue.names import unknown
from servelab.catalogue.own_command import COMMAND
from servelab.catalogue.server import Server
from servelab.catalogue.stack import Stack, read_stack
from servelab.errors import UsageError
from servelab.model.deployment import Deployment

_SERVERS = "servelab.servers"
_STACKS = "servelab.stacks"
_OWN_STACKS = Path(__file__).parent / "stacks"


@functools.cache
def servers() -> tuple[Server[Any], ...]:
    """Return all servers in alphabetical order."""
    by_name: dict[str, Server[Any]] = {}
    for each in (*_own_servers(), *_registered_servers()):
        if each.name in by_name:
            raise UsageError(f"Two servers are called {each.name!r}; rename or remove one.")
        by_name[each.name] = each
    return tuple(by_name[name] for name in sorted(by_name))


@functools.cache
def stacks() -> tuple[Stack, ...]:
    """Return all stacks: the seed's in its order, then the others by name."""
    known = {each.name: each for each in servers()}
    by_name: dict[str, Stack] = {}
    for path in _stack_files():
        if path.stem in by_name:
            raise UsageError(f"Two stacks are called {path.stem!r}; rename or remove {path}.")
        by_name[path.stem] = read_stack(path, known)
    return tuple(sorted(by_name.values(), key=_seed_first))


def server(name: str) -> Server[Any]:
    """Return the server of a name; raise UnknownName."""
    for each in (*servers(), COMMAND):
        if each.name == name:
            return each
    raise unknown("server", name, known=[each.name for each in servers()])


def server_of(deployment: Deployment) -> Server[Any]:
    """Return the server that a deployment runs on."""
    return server(deployment.server)


@functools.cache
def fronts() -> tuple[Front, ...]:
    """Return all fronts in alphabetical order."""
    modules = sorted(each.name for each in pkgutil.iter_modules(own_fronts.__path__))
    return tuple(importlib.import_module(f"{own_fronts.__name__}.{each}").FRONT for each in modules)


def front(name: str) -> Front:
    """Return the front of a name; raise UnknownName."""
    for each in fronts():
        if each.name == name:
            return each
    raise unknown("front", name, known=[each.name for each in fronts()])


def stack(name: str) -> Stack:
    """Return the stack of a name; raise UnknownName."""
    for each in stacks():
        if each.name == name:
            return each
    names = [each.name for each in stacks()]
    raise unknown("stack", name, known=names, advice="`servelab list` shows them all.")


def _own_servers() -> Iterator[Server[Any]]:
    for module in pkgutil.iter_modules(own_servers.__path__):
        yield importlib.import_module(f"{own_servers.__name__}.{module.name}").SERVER


def _registered_servers() -> Iterator[Server[Any]]:
    for entry_point in entry_points(group=_SERVERS):
        found = entry_point.load()
        if not isinstance(found, Server):
            raise UsageError(f"{entry_point.value}, registered as a server, is no Server.")
        yield found


def _stack_files() -> Iterator[Path]:
    yield from sorted(_OWN_STACKS.glob("*.toml"))
    for entry_point in entry_points(group=_STACKS):
        for folder in entry_point.load().__path__:
            yield from sorted(Path(folder).glob("*.toml"))


def _seed_first(each: Stack) -> tuple[bool, int, str]:
    return each.seed_position is None, each.seed_position or 0, each.name
