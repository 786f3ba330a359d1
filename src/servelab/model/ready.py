"""What makes a deployment ready to be used: files, and what goes with them."""

from msgspec import Struct

from servelab.model.address import LOOPBACK, Address

BEHIND_A_PROXY = Address(LOOPBACK, 8000)


def requirements_name(python: str) -> str:
    """Return the file with the packages of the user's environment on another interpreter."""
    return f"requirements-{python}.txt"


class EnvironmentFile(Struct, frozen=True, kw_only=True):
    """A file of variables, such as ``.env``."""

    path: str
    variables: tuple[tuple[str, str], ...]
    """What systemd reads in it; never stored."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a deployment is to serve."""

    address: Address = BEHIND_A_PROXY
    folder: str | None = None
    """Where the files will lie; None: in the project's folder."""
    environment_file: EnvironmentFile | None = None
    inherited: tuple[tuple[str, str], ...] = ()
    """What servers found of servelab's own environment, such as PATH and LANG."""
    program: str | None = None
    """Path of a program of the user's, where it was found; None: it is looked up at each start."""


class TextFile(Struct, frozen=True, kw_only=True):
    """A file that is ready to be written."""

    name: str
    text: str


class Ready(Struct, frozen=True, kw_only=True):
    """All that it takes to serve with a deployment as it was measured."""

    deployment: str
    install: str
    """A command line which installs the server into the user's environment."""
    command: str
    """A command line for the project's folder, the environment being active."""
    files: tuple[TextFile, ...]
    """The server's own configuration, where it has one, a systemd unit and a Procfile."""
    differences: tuple[str, ...]
    """From what was measured; one sentence each."""
    notes: tuple[str, ...]
    """What its user must know or do, one sentence each."""
