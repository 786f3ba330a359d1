"""Typed JSON with paths in it, which msgspec leaves to its users."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def encode(value: object) -> bytes:
    """Return the JSON of a value; paths become text."""
    return msgspec.json.encode(value, enc_hook=_path_to_text)


def decode(text: bytes, *, into: type[T]) -> T:
    """Read a value of this type; raise msgspec.DecodeError where the text holds another."""
    return msgspec.json.decode(text, type=into, dec_hook=_text_to_path)


def _path_to_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError


def _text_to_path(kind: type, value: Any) -> Path:
    if kind is Path:
        return Path(value)
    raise NotImplementedError
