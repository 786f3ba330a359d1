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


class EnvironmentSpec(Struct, frozen=True, kw_only=True):
    """What an environment must hold."""

    name: str
    requirements: tuple[str, ...]
    constraints: str
    """Text of a constraints file."""
    lock: str | None
    """Text of a universal lock with hashes; None where the requirements must be resolved now."""


class Package(Struct, frozen=True):
    """An installed distribution."""

    name: str
    version: str


class Environment(Struct, frozen=True, kw_only=True):
    """An environment that exists on disk, complete."""

    name: str
    directory: Path
    interpreter: Interpreter
    packages: tuple[Package, ...]

    @property
    def programs(self) -> Path:
        """Return the folder of its executables."""
        return self.directory / "bin"

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.programs / "python"
