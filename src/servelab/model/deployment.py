"""What is started and measured: a stack with its settings."""

from enum import Enum

import msgspec
from msgspec import Struct

from servelab.model.environment import python_in_words


class Interface(Enum):
    """How a server calls an application."""

    WSGI = "wsgi"
    ASGI = "asgi"
    GRPC = "grpc"
    HTTP = "http"
    """Not at all: the program that listens is the application."""


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set on a server; each server file has a subclass with its own fields."""


class Deployment(Struct, frozen=True, kw_only=True):
    """A stack with its settings, ready to be planned."""

    stack: str
    server: str
    framework: str
    interface: Interface
    application: str
    """Module and object inside the framework's folder, such as ``app:app``."""
    settings: ServerSettings
    heading: str
    """The settings in the seed's words, such as ``4 processes * 50 threads``."""
    processes: int | None
    """How many processes can answer requests; None where nobody knows."""
    summary: str
    python: str | None = None
    """Version of its interpreter, such as ``3.13``; None: that of the run, which has only one."""
    front: str | None = None
    """What takes the connections before the server, such as ``nginx``."""

    @property
    def name(self) -> str:
        """Return the text that selects exactly this, ``STACK[:key=value,...][+FRONT][@PYTHON]``."""
        settings = [
            f"{field}={value}"
            for field, value in msgspec.structs.asdict(self.settings).items()
            if value is not None
        ]
        name = f"{self.stack}:{','.join(settings)}" if settings else self.stack
        name += "" if self.front is None else f"+{self.front}"
        return name if self.python is None else f"{name}@{self.python}"

    @property
    def particulars(self) -> str:
        """Return what tells it from others of its stack, in words; empty where nothing does."""
        python = "" if self.python is None else python_in_words(self.python)
        front = "" if self.front is None else f"behind {self.front}"
        return ", ".join(each for each in (self.heading, front, python) if each)

    @property
    def title(self) -> str:
        """Return stack and heading, as tables print them."""
        return f"{self.stack} {self.particulars}" if self.particulars else self.stack
