"""What is started and measured: a stack with its settings."""

from enum import Enum

import msgspec
from msgspec import Struct


class Interface(Enum):
    """How a server calls an application."""

    WSGI = "wsgi"
    ASGI = "asgi"
    GRPC = "grpc"


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
    processes: int
    """How many processes can answer requests."""
    summary: str

    @property
    def name(self) -> str:
        """Return the text that selects exactly this deployment, ``STACK:key=value,...``."""
        settings = [
            f"{field}={value}"
            for field, value in msgspec.structs.asdict(self.settings).items()
            if value is not None
        ]
        return f"{self.stack}:{','.join(settings)}" if settings else self.stack

    @property
    def title(self) -> str:
        """Return stack and heading, as tables print them."""
        return f"{self.stack} {self.heading}" if self.heading else self.stack
