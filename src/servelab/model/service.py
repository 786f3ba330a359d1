"""An application of the user's: how it is loaded, and what is asked of it."""

from msgspec import Struct

from servelab.model.deployment import Interface
from servelab.model.environment import UserEnvironment
from servelab.model.load import Asked, Choice
from servelab.model.variant import Axis


class OwnCommand(Struct, frozen=True, kw_only=True):
    """What starts a program of the user's that listens by itself."""

    name: str
    argv: tuple[str, ...]
    """With ``{host}`` and ``{port}`` where it is told its address, ``{NAME}`` for an axis."""
    axes: tuple[Axis, ...] = ()
    """What a search may change of it."""


class Service(Struct, frozen=True, kw_only=True):
    """What is served and asked where it is not a workload of the catalogue."""

    name: str
    """As the user named it, such as ``my.module:app``."""
    application: str
    """Module and object as servers are told; empty where commands alone are measured."""
    interface: Interface
    is_factory: bool = False
    """The object returns the application when it is called."""
    arguments: str = ""
    """Literals with which it is called."""
    further: str = ""
    """What is taken of what it returns, such as ``.app()``: names, and calls with literals."""
    commands: tuple[OwnCommand, ...] = ()
    """Programs that are measured beside its servers, or in the place of them."""
    framework: str = ""
    """Its framework in small letters; empty where it is none that is known."""
    directory: str
    """The project's folder, in which servers are started."""
    environment: UserEnvironment | None = None
    """What it runs in; None: it needs nothing but its server."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables that it is to find."""
    asked: tuple[Asked, ...]
    """What is asked in turn, and what must be answered."""
    choice: Choice = Choice.ROUND_ROBIN
    seed: int = 0
    """Of the choice."""

    @property
    def label(self) -> str:
        """Return application and request in words, as tables name what was asked."""
        if len(self.asked) > 1:
            return f"{self.name}, {len(self.asked)} requests"
        request = self.asked[0].request
        if self.interface is Interface.GRPC:
            return f"{self.name} {request.path.removeprefix('/')}"
        method = "" if request.method == "GET" else f" {request.method}"
        path = "" if request.path == "/" and not method else f" {request.path}"
        return f"{self.name}{method}{path}"
