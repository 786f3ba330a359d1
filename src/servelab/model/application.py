"""The user's own application, as it was found."""

from msgspec import Struct

from servelab.model.deployment import Interface


class ApplicationTarget(Struct, frozen=True, kw_only=True):
    """What was typed, such as ``shop.web:create_app('dev')``, in its parts."""

    module: str
    attribute: str = ""
    """Name in the module, perhaps dotted; empty where only the module was named."""
    arguments: str | None = None
    """What stands between the parentheses, literals only; None without parentheses."""
    further: str = ""
    """What is taken of that call's result, such as ``.app()``: names, and calls with literals."""

    def __str__(self) -> str:
        call = "" if self.arguments is None else f"({self.arguments}){self.further}"
        return f"{self.module}:{self.attribute}{call}" if self.attribute else self.module


class FoundApplication(Struct, frozen=True, kw_only=True):
    """An application that was imported in its own environment, and what it turned out to be."""

    module: str
    attribute: str
    """Name of the application, or of its factory, in the module; perhaps dotted."""
    is_factory: bool
    """What is named there must be called to get the application."""
    arguments: str = ""
    """Literals which the factory is called with, as they were typed."""
    further: str = ""
    """What is taken of what it returns, such as ``.app()``."""
    interface: Interface
    framework: str
    """In small letters, such as ``flask``; empty where it is not known."""
    framework_version: str
    """Empty where it is not known."""

    @property
    def target(self) -> str:
        """Return what servers are told, ``MODULE:NAME``; for a factory without its call."""
        return f"{self.module}:{self.attribute}"

    @property
    def called(self) -> str:
        """Return it as Python would write it, ``MODULE:NAME(ARGUMENTS).FURTHER``."""
        call = f"({self.arguments}){self.further}" if self.is_factory else ""
        return f"{self.target}{call}"
