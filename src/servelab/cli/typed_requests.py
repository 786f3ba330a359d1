"""The requests of `servelab load`, and what their answers must be, from options and from a file."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from servelab.errors import UsageError
from servelab.model.load import Asked, Expectation

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OUR_HEADERS = frozenset({"connection", "content-length", "transfer-encoding", "x-servelab-nonce"})
_LARGEST_BODY = 64 * 1024 * 1024
_LARGEST_FILE = 256 * 1024 * 1024
_JSON = ("Content-Type", "application/json")
_Each = TypeVar("_Each")
"""What one line of a file holds."""


class _Checks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: int | None = None
    headers: dict[str, str | None] = {}
    body: str | None = None
    contains: list[str] = []
    json_fields: dict[str, Any] = msgspec.field(default_factory=dict, name="json")


class _Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a file of requests."""

    method: str | None = None
    path: str | None = None
    headers: dict[str, str] = {}
    body: str | dict[str, Any] | list[Any] | None = None
    checks: _Checks = _Checks()


def method_of(text: str) -> str:
    """Return a method that can be sent; UsageError."""
    if not _TOKEN.fullmatch(text) or text.upper() == "CONNECT":
        raise UsageError(f"--method {text!r}: it is a word such as GET or POST")
    return text.upper()


def header_of(text: str) -> tuple[str, str]:
    """Return name and value of ``Name: value``; UsageError."""
    name, colon, value = text.partition(":")
    if not colon:
        raise UsageError("--header has no colon; write it as 'Name: value'")
    return checked_header(name.strip(), value.strip())


def checked_header(name: str, value: str) -> tuple[str, str]:
    """Return a header that can be sent; UsageError, which does not tell the value."""
    if not _TOKEN.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a header; write --header 'Name: value'")
    if name.lower() in _OUR_HEADERS:
        raise UsageError(f"the header {name} is servelab's own to write; leave it out")
    if not value.isprintable() or not _is_latin(value):
        raise UsageError(f"the value of the header {name} has signs that cannot be sent")
    return name, value


def _is_latin(text: str) -> bool:
    return all(ord(sign) < 256 for sign in text)  # noqa: PLR2004 - RFC 9110: one byte a sign


def content_of(text: str) -> bytes:
    """Return the bytes of a text, or of the file that ``@FILE`` names; UsageError."""
    if not text.startswith("@"):
        return text.encode()
    return _read(Path(text[1:]), limit=_LARGEST_BODY)


def _read(path: Path, *, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise UsageError(f"{path} is larger than {limit >> 20} MiB; give a smaller one")
    return content


def expectation_of(
    *,
    status: int | None,
    headers: Iterable[str],
    body: str | None,
    contains: Iterable[str],
    json_fields: Iterable[str],
) -> Expectation:
    """Return what was declared by options; UsageError."""
    return Expectation(
        status=status,
        headers=tuple(_expected_header(text) for text in headers),
        body=None if body is None else content_of(body),
        contains=tuple(text.encode() for text in contains),
        json_fields=tuple(_expected_field(text) for text in json_fields),
    )


def _expected_header(text: str) -> tuple[str, str | None]:
    name, colon, value = text.partition(":")
    if not _TOKEN.fullmatch(name.strip()) or not _is_latin(value):
        raise UsageError(f"--expect-header {text!r}: write it as 'Name: value', or 'Name'")
    return name.strip(), value.strip() if colon else None


def _expected_field(text: str) -> tuple[str, Any]:
    """Return path and value of ``path.to.field=value``; a value that is no JSON is a text."""
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise UsageError(f"--expect-json {text!r}: write it as path.to.field=value")
    try:
        return path, json.loads(value)
    except ValueError:
        return path, value


def read_file(file: Path, *, default: Asked) -> tuple[Asked, ...]:
    """Return the requests of a file of JSON lines; UsageError names the line.

    What a line does not say is as in ``default``; of headers, a line's own replace those of the
    same name.
    """
    return read_lines(file, _Line, parse=lambda line: _asked(line, default=default))


def read_lines(
    file: Path, kind: type[_Each], *, parse: Callable[[_Each], Asked]
) -> tuple[Asked, ...]:
    """Return what the lines of a file ask for, at least one; UsageError names the line."""
    found = tuple(_parse_lines(_read(file, limit=_LARGEST_FILE), file=file, kind=kind, parse=parse))
    if not found:
        raise UsageError(f"{file} holds no request; write one JSON object a line")
    return found


def _parse_lines(
    content: bytes, *, file: Path, kind: type[_Each], parse: Callable[[_Each], Asked]
) -> Iterator[Asked]:
    decoder = msgspec.json.Decoder(kind)
    for number, text in enumerate(content.split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            yield parse(decoder.decode(text))
        except (msgspec.MsgspecError, UsageError, UnicodeError, RecursionError) as error:
            raise UsageError(f"{file}, line {number}: {error}") from None


def _asked(line: _Line, *, default: Asked) -> Asked:
    usual = default.request
    body, kind = _body(line.body)
    own = [checked_header(name, value) for name, value in line.headers.items()]
    headers = merged(usual.headers, own)
    if kind and not any(name.lower() == kind[0].lower() for name, _ in headers):
        headers = (*headers, kind)
    path = usual.path if line.path is None else path_of(line.path)
    request = msgspec.structs.replace(
        usual,
        method=usual.method if line.method is None else method_of(line.method),
        path=path,
        headers=headers,
        body=usual.body if body is None else body,
    )
    return Asked(request=request, expectation=_expectation(line.checks, usual=default.expectation))


def _body(body: str | dict[str, Any] | list[Any] | None) -> tuple[bytes | None, Any]:
    """Return the bytes of a body, and the header that says what they are, where that is known."""
    if body is None:
        return None, None
    if isinstance(body, str):
        return body.encode(), None
    return msgspec.json.encode(body), _JSON


def merged(
    usual: Sequence[tuple[str, str]], own: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Return the usual headers and the own ones, which replace those of the same name."""
    replaced = {name.lower() for name, _ in own}
    return (*(each for each in usual if each[0].lower() not in replaced), *own)


def path_of(path: str) -> str:
    """Return a path that can be sent; UsageError."""
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise UsageError(f"path {path!r}: it begins with / and has what is not ASCII as %XX")
    return path


def _expectation(checks: _Checks, *, usual: Expectation) -> Expectation:
    return Expectation(
        status=usual.status if checks.status is None else checks.status,
        headers=(*usual.headers, *checks.headers.items()),
        body=usual.body if checks.body is None else checks.body.encode(),
        contains=(*usual.contains, *(text.encode() for text in checks.contains)),
        json_fields=(*usual.json_fields, *checks.json_fields.items()),
    )
