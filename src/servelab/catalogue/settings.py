"""Settings of a server, from TOML or from the command line's text."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from servelab.catalogue.names import unknown
from servelab.catalogue.server import Server, Settings
from servelab.errors import UsageError

OFF, _ON = "off", "on"
"""Of switches; those that are off are None."""


def convert_settings(server: Server[Settings], values: Mapping[str, Any], *, of: str) -> Settings:
    """Return typed settings; text is converted where a number is wanted.

    Raise UnknownName or UsageError, naming the setting, its value and what is allowed.
    """
    types = {field.name: field.type for field in msgspec.structs.fields(server.settings)}
    for name, value in values.items():
        if name not in types:
            raise unknown(f"setting of {of} called", name, known=types)
        if not _is_allowed(value, types[name]):
            allowed = describe(types[name])
            raise UsageError(f"{of} cannot have {name}={value}; {name} is {allowed}.")
    return _build(server, values, of=of)


def can_be_left_out(server: Server[Settings], setting: str) -> bool:
    """Tell whether a setting is a switch: left out where it is ``off``."""
    types = {field.name: field.type for field in msgspec.structs.fields(server.settings)}
    if setting not in types:
        return False
    found = inspect.type_info(types[setting])
    members = found.types if isinstance(found, inspect.UnionType) else ()
    return inspect.NoneType() in members and inspect.LiteralType((_ON,)) in members


def _build(server: Server[Settings], values: Mapping[str, Any], *, of: str) -> Settings:
    try:
        return msgspec.convert(values, server.settings, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{of} lacks a setting of {server.name}: {error}.") from None


def _is_allowed(value: Any, annotation: Any) -> bool:
    try:
        converted = msgspec.convert(value, annotation, strict=False)
    except msgspec.ValidationError:
        return False
    # msgspec takes the text "null" for None, which a deployment's name could not repeat.
    return converted is not None or value is None


def describe(annotation: Any) -> str:
    """Say in words what a setting's type allows, such as ``a whole number from 1 to 64``."""
    return _describe(inspect.type_info(annotation))


def _describe(allowed: inspect.Type) -> str:
    match allowed:
        case inspect.IntType(ge=least, le=most):
            return f"a whole number{_range(least, most)}"
        case inspect.FloatType(ge=least, le=most):
            return f"a number{_range(least, most)}"
        case inspect.LiteralType(values=values):
            return " or ".join(str(value) for value in values)
        case inspect.UnionType(types=types):
            return " or ".join(_describe(each) for each in types if each != inspect.NoneType())
        case _:
            return type(allowed).__name__.removesuffix("Type").lower()


def _range(least: float | None, most: float | None) -> str:
    lower = "" if least is None else f" from {least}"
    return lower if most is None else f"{lower} to {most}"
