"""A Python environment in which a server runs."""

from pathlib import Path

from msgspec import Struct


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


class Environment(Struct, frozen=True, kw_only=True):
    """An environment that exists on disk, complete."""

    name: str
    directory: Path
    interpreter: Interpreter
    packages: tuple[Package, ...]
    """What can be imported, with the packages that it was built beside."""
    variables: tuple[tuple[str, str], ...] = ()
    """What every process in it is to be given."""

    @property
    def programs(self) -> Path:
        """Return the folder of its executables."""
        return self.directory / "bin"

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.programs / "python"
