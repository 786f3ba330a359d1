"""A server's options, written once for its command line and for its configuration file."""

import json
from collections.abc import Iterable
from typing import NamedTuple

Value = str | int | bool | None


class Option(NamedTuple):
    """One option; without a value, and where it is False, it is not given at all."""

    flag: str
    """On the command line, such as ``--workers``."""
    name: str
    """In the configuration file, such as ``workers``."""
    value: Value
    """True is a flag that stands alone."""


def as_arguments(options: Iterable[Option]) -> tuple[str, ...]:
    """Return the command line's words."""
    words: list[str] = []
    for option in _given(options):
        words += [option.flag] if option.value is True else [option.flag, str(option.value)]
    return tuple(words)


def as_python(options: Iterable[Option]) -> str:
    """Return lines such as ``bind = "127.0.0.1:8000"``."""
    return "".join(f"{each.name} = {_python(each.value)}\n" for each in _given(options))


def as_ini(options: Iterable[Option], *, section: str) -> str:
    """Return a section with lines such as ``workers = 4``, as uWSGI reads them."""
    lines = "".join(f"{each.name} = {_ini(each.value)}\n" for each in _given(options))
    return f"[{section}]\n{lines}"


def as_toml(options: Iterable[Option]) -> str:
    """Return lines such as ``bind = "127.0.0.1:8000"``, as hypercorn reads them."""
    return "".join(f"{each.name} = {_toml(each.value)}\n" for each in _given(options))


def _given(options: Iterable[Option]) -> list[Option]:
    return [each for each in options if each.value is not None and each.value is not False]


def _python(value: Value) -> str:
    # Python reads a text of JSON as it stands.
    return json.dumps(value) if isinstance(value, str) else str(value)


def _ini(value: Value) -> str:
    # A percent sign begins one of uWSGI's magic words.
    return "true" if value is True else str(value).replace("%", "%%")


def _toml(value: Value) -> str:
    # TOML's texts escape as JSON's do, but for pairs of surrogates.
    return "true" if value is True else json.dumps(value, ensure_ascii=False)
