"""What a server file says about its server."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar

from msgspec import Struct

from servelab.catalogue.distributions import canonical
from servelab.catalogue.frameworks import Framework
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.environment import Package
from servelab.model.launch import ConfigurationFile, LaunchCommand
from servelab.model.variant import Variant


class Naming(Enum):
    """What of a user's application a server's command can be told; servelab sees to the rest."""

    NOTHING = "nothing"
    """It finds the application by itself."""
    NAME = "MODULE:NAME"
    FACTORY = "MODULE:NAME.NAME"
    """And whether that is to be called, without arguments."""
    CALL = "MODULE:NAME(LITERALS)"


Settings = TypeVar("Settings", bound=ServerSettings)

LOOPBACK_DEPARTURE = f"{LOOPBACK} for 0.0.0.0: nothing but this machine is to reach the server."


@dataclass(frozen=True, kw_only=True)
class LaunchRequest(Generic[Settings]):
    """All that a launch command depends on."""

    settings: Settings
    application: str
    framework: Framework
    address: Address
    longest_drain_s: float
    """How long the last of all queued calls may take to be answered."""
    cpu_count: int
    listen_limit: int
    """The kernel's limit to a listen backlog, ``net.core.somaxconn``."""
    packages: tuple[Package, ...]
    """What the environment holds; empty means the catalogue's own versions."""
    is_factory: bool = False
    """The application is not the object named, but what it returns when called.

    Only asked of servers that can be told so: see `Naming`.
    """
    arguments: str = ""
    """Literals with which it is called; likewise."""
    is_own: bool = False
    """The application is the user's: nothing in it was written for a server's sake."""
    unix_socket: Path | None = None
    """Listen here instead of at the address; only asked of servers that can."""

    @property
    def bind(self) -> str:
        """Return where to listen as most servers are told: ``HOST:PORT`` or ``unix:PATH``."""
        return str(self.address) if self.unix_socket is None else f"unix:{self.unix_socket}"

    @property
    def loopback_departure(self) -> tuple[str, ...]:
        """Return the departure that listening on loopback is; none on a unix socket."""
        return (LOOPBACK_DEPARTURE,) if self.unix_socket is None else ()

    def version(self, package: str) -> tuple[int, ...] | None:
        """Return the leading numbers of a package's version; None for the catalogue's own."""
        for installed in self.packages:
            if canonical(installed.name) == package:
                return tuple(int(number) for number in re.findall(r"\d+", installed.version)[:3])
        return None

    @property
    def expression(self) -> str:
        """Return the application as Python would write it: a factory with its call."""
        return f"{self.application}({self.arguments})" if self.is_factory else self.application


class Needs(Struct, frozen=True, kw_only=True):
    """What a server demands of the interpreter and the machine."""

    minimum_python: tuple[int, int] = (3, 11)
    below_python: tuple[int, int] | None = None
    needs_gil: bool = False
    """It, or a package that it needs, publishes no build for free-threaded Python."""


_ORDINARY_NEEDS = Needs()


def _one_variant(_interface: Interface, _cpu_count: int) -> tuple[Variant, ...]:
    return (Variant(),)


def _no_objection(_settings: ServerSettings, _framework: Framework) -> str | None:
    return None


def _never(_settings: ServerSettings) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Server(Generic[Settings]):
    """A program that listens and calls an application."""

    name: str
    summary: str
    interfaces: frozenset[Interface]
    requirements: tuple[str, ...]
    """What its environment must hold, with versions."""
    settings: type[Settings]
    heading: Callable[[Settings], str]
    """Say the settings in the words of the seed, such as ``4 processes * 50 threads``."""
    processes: Callable[[Settings], int | None]
    """Count the processes that can answer; None: nobody knows."""
    command: Callable[[LaunchRequest[Settings]], LaunchCommand]
    objection: Callable[[Settings, Framework], str | None] = _no_objection
    """Say why settings do not go together, or not with the framework; None if they do."""
    needs: Needs = _ORDINARY_NEEDS
    variants: Callable[[Interface, int], tuple[Variant, ...]] = _one_variant
    """The ways to run it on an interface with a number of CPUs, and what a search may change."""
    configuration: Callable[[LaunchRequest[Settings]], ConfigurationFile] | None = None
    """Return the file that its own manual advises for such a command; None: it has none."""
    requirements_for: Callable[[Settings], tuple[str, ...]] | None = None
    """Return what some settings need of its requirements, beside a user's packages; None: all.

    What they do not need cannot keep a user's packages from being served.
    """
    naming: Naming = Naming.NAME
    needs_gil_beside: Callable[[Settings], bool] | None = None
    """Tell whether what some settings need beside a user's packages has no build for free-threaded
    Python; None: what `needs` says of all of its requirements holds there, too."""
    takes_unix_sockets: bool = False
    is_for_development: bool = False
    """Its own manual says not to use it in production."""
    installs: Callable[[Settings], tuple[str, ...]] | None = None
    """Return the names, with extras, of what some settings need; None: all of `requirements`."""
    forks_after_import: Callable[[Settings], bool] = _never
    """Tell whether it imports the application once, and forks its processes afterwards."""
    on_sigterm: str = ""
    """What a service manager's stop does to requests in flight, in a sentence; empty: nothing that
    its users would have to know."""


def count(number: int, noun: str) -> str:
    """Return a number with its noun in the right form: ``1 process``, ``4 processes``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
