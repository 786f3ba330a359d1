"""The frameworks: one folder each in `served`, named ``NAME_app``."""

import functools
from pathlib import Path

import msgspec
from msgspec import Struct

import servelab
from servelab.catalogue.names import unknown
from servelab.model.deployment import Deployment, Interface

_SUFFIX = "_app"


class Framework(Struct, frozen=True, kw_only=True):
    """What an application is written in."""

    name: str
    summary: str
    interface: Interface
    requirements: tuple[str, ...]
    directory: Path


class _FrameworkFile(Struct, frozen=True, forbid_unknown_fields=True):
    summary: str
    interface: Interface
    requirements: tuple[str, ...]


def served_path() -> Path:
    """Return the folder that goes on the measured server's path."""
    return Path(servelab.__file__).parent / "served"


@functools.cache
def frameworks() -> tuple[Framework, ...]:
    """Return all frameworks in alphabetical order."""
    folders = sorted(path.parent for path in served_path().glob(f"*{_SUFFIX}/framework.toml"))
    return tuple(_read(folder) for folder in folders)


def framework(name: str) -> Framework:
    """Return the framework of a name; raise UnknownName."""
    for candidate in frameworks():
        if candidate.name == name:
            return candidate
    raise unknown("framework", name, known=[each.name for each in frameworks()])


def application_directory(deployment: Deployment) -> Path:
    """Return the folder in which the deployment's server is started."""
    return framework(deployment.framework).directory


def _read(folder: Path) -> Framework:
    content = msgspec.toml.decode((folder / "framework.toml").read_bytes(), type=_FrameworkFile)
    return Framework(
        name=folder.name.removesuffix(_SUFFIX),
        summary=content.summary,
        interface=content.interface,
        requirements=content.requirements,
        directory=folder,
    )
