"""A Python environment in which a server runs."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

FREE_THREADED = "t"
"""What a version ends with where the interpreter has no GIL; as CPython names its programs."""


class Interpreter(Struct, frozen=True, kw_only=True):
    """A Python interpreter on this machine."""

    path: Path
    version: str
    """Such as ``3.13.0``."""
    is_free_threaded: bool = False

    @property
    def minor(self) -> tuple[int, int]:
        """Return major and minor version, ``(3, 13)``."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def full_version(self) -> str:
        """Return version and build as they are asked for, such as ``3.13.0`` or ``3.14.0t``."""
        return f"{self.version}{_letter(self)}"

    def answers_to(self, version: str) -> bool:
        """Tell whether a version means it: ``3.13``, ``3.13.1``, free-threaded ``3.14t``."""
        numbers = version.removesuffix(FREE_THREADED)
        if self.is_free_threaded != version.endswith(FREE_THREADED):
            return False
        return f"{self.version}.".startswith(f"{numbers}.")


def shortest_version(interpreter: Interpreter, *, among: Iterable[Interpreter]) -> str:
    """Return the shortest version that means only this one of several interpreters.

    Two of the same full version cannot be told apart so.
    """
    major, minor = interpreter.minor
    short = f"{major}.{minor}{_letter(interpreter)}"
    meant = [each for each in among if each.answers_to(short)]
    return short if len(meant) == 1 else interpreter.full_version


def python_in_words(version: str) -> str:
    """Return a version as titles show it: ``Python 3.13``, ``Python 3.14t (free-threaded)``."""
    note = " (free-threaded)" if version.endswith(FREE_THREADED) else ""
    return f"Python {version}{note}"


def _letter(interpreter: Interpreter) -> str:
    return FREE_THREADED if interpreter.is_free_threaded else ""


class Package(Struct, frozen=True):
    """An installed distribution."""

    name: str
    version: str


class ConsoleScript(Struct, frozen=True):
    """A command that a distribution declares."""

    name: str
    target: str
    """What it calls, ``MODULE:NAME``."""


class UserEnvironment(Struct, frozen=True, kw_only=True):
    """An environment of the user's, which is only read."""

    directory: Path
    python: Path
    """Its own interpreter, which sees its packages."""
    interpreter: Interpreter
    """The interpreter that it was made from."""
    site_folders: tuple[Path, ...]
    """Where its packages lie, in the order of its path."""
    packages: tuple[Package, ...]
    """With normal names, by name."""
    from_elsewhere: tuple[str, ...]
    """Names of those that came from no index: editable ones, and those from a folder or address."""
    scripts: tuple[ConsoleScript, ...]
    copied_from: Path | None = None
    """The user's own, where this is servelab's copy of it on another interpreter."""


class EnvironmentSpec(Struct, frozen=True, kw_only=True):
    """What an environment must hold."""

    name: str
    requirements: tuple[str, ...]
    constraints: str
    """Text of a constraints file."""
    lock: str | None
    """Text of a universal lock with hashes; None where the requirements must be resolved now."""
    preferred: str = ""
    """Text of a lock whose versions are taken where nothing speaks against them."""
    beside: UserEnvironment | None = None
    """What it must hold beside the packages of this environment, which stay as they are."""
    is_built: bool = True
    """Otherwise `beside` is the environment itself, or there is none at all."""


class Environment(Struct, frozen=True, kw_only=True):
    """An environment that exists on disk, complete."""

    name: str
    directory: Path
    interpreter: Interpreter
    packages: tuple[Package, ...]
    """What can be imported, with the packages that it was built beside."""
    variables: tuple[tuple[str, str], ...] = ()
    """What every process in it is to be given."""
    is_the_machine: bool = False
    """It is none: what runs in it finds its programs where the machine has them."""

    @property
    def programs(self) -> Path:
        """Return the folder of its executables."""
        return self.directory / "bin"

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.programs / "python"

    @property
    def python_version(self) -> str:
        """Return version and build of its interpreter; empty where what runs in it has its own."""
        return "" if self.is_the_machine else self.interpreter.full_version
