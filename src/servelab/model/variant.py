"""The ways to run a server, as a search goes through them."""

from collections.abc import Iterable

from msgspec import Struct

Value = int | str | None
"""Of a setting; None where it is left out."""

Setting = tuple[str, Value]
"""Name and value."""


class Axis(Struct, frozen=True, kw_only=True):
    """A setting that a search may change."""

    setting: str
    values: tuple[Value, ...]
    """From little to much: neighbours in the search are neighbours here."""
    start: Value
    """Where a search begins, and what is tried where nobody searches; one of the values."""


class Variant(Struct, frozen=True, kw_only=True):
    """One way to run a server: settings that stay, and those that a search may change."""

    name: str = ""
    """Such as ``gevent``; empty for the only one."""
    fixed: tuple[Setting, ...] = ()
    """Settings that make it this variant."""
    axes: tuple[Axis, ...] = ()

    @property
    def start(self) -> tuple[Setting, ...]:
        """Return all settings as a search begins."""
        return (*self.fixed, *((axis.setting, axis.start) for axis in self.axes))


def given(settings: Iterable[Setting]) -> dict[str, Value]:
    """Return the values of the settings that are not left out."""
    return {name: value for name, value in settings if value is not None}
