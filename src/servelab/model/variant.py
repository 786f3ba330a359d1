"""The ways to run a server, as a search goes through them."""

from msgspec import Struct

Value = int | str | None
"""Of a setting."""


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
    fixed: tuple[tuple[str, Value], ...] = ()
    """Settings that make it this variant."""
    axes: tuple[Axis, ...] = ()
