"""The calls of `servelab load grpc://...`, and what their answers must be."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from servelab.cli import typed_requests
from servelab.errors import UsageError
from servelab.load import proto_file
from servelab.load.proto_file import ProtoFile
from servelab.model.load import Asked, Expectation, NoncePlace, Request

_METHOD = re.compile(r"/?(?:([\w.]+)/)?(\w+)", re.ASCII)


class Call(Struct, frozen=True, kw_only=True):
    """A call in words: its messages are JSON."""

    path: str
    """``/package.Service/Method``."""
    metadata: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    """None: an empty message."""
    expected: str | None = None
    """The whole answer; None: any."""
    contains: tuple[str, ...] = ()


class _Checks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    body: msgspec.Raw = msgspec.Raw()
    contains: list[str] = []


class _Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a file of calls."""

    method: str | None = None
    metadata: dict[str, str] = {}
    body: msgspec.Raw = msgspec.Raw()
    checks: _Checks = _Checks()


def text_of(text: str) -> str:
    """Return a message as JSON, or what is in the file that ``@FILE`` names; UsageError."""
    try:
        return typed_requests.content_of(text).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{text[1:]} is no text in UTF-8; a message is written as JSON") from None


def asked(call: Call, *, proto: ProtoFile | None) -> Asked:
    """Return what is sent for a call; UsageError, UnknownName."""
    body, expected = _messages(call, proto=proto)
    return Asked(
        request=Request(
            method="POST",
            path=call.path,
            headers=call.metadata,
            body=body,
            nonce_in=NoncePlace.HEADER,
        ),
        expectation=Expectation(
            body=expected, contains=tuple(text.encode() for text in call.contains)
        ),
    )


def _messages(call: Call, *, proto: ProtoFile | None) -> tuple[bytes, bytes | None]:
    """Return the encoded request and the answer that is expected, if one is."""
    if proto is None:
        if call.body is not None or call.expected is not None:
            raise UsageError("a message as JSON needs its types; name their file with --proto")
        return b"", None
    method = proto.method(call.path)
    return (
        method.encode_request(call.body or ""),
        None if call.expected is None else method.encode_answer(call.expected),
    )


def path_of(method: str) -> str:
    """Return the path of a call to ``package.Service/Method``; UsageError."""
    found = _METHOD.fullmatch(method)
    if found is None or not found[1]:
        raise UsageError(f"--grpc {method!r}: write it as package.Service/Method")
    return f"/{found[1]}/{found[2]}"


def all_asked(
    default: Call, *, requests_file: Path | None, proto: Path | None, folders: Sequence[Path]
) -> tuple[Asked, ...]:
    """Return what is sent: a call, or those of a file; UsageError, UnknownName, CannotRunHere."""
    types = None if proto is None else proto_file.read(proto, folders=folders)
    usual = asked(default, proto=types)
    if requests_file is None:
        return (usual,)
    return read_file(requests_file, default=default, proto=types)


def read_file(file: Path, *, default: Call, proto: ProtoFile | None) -> tuple[Asked, ...]:
    """Return the calls of a file of JSON lines; UsageError names the line.

    What a line does not say is as in ``default``; of metadata, a line's own replace those of the
    same name.
    """
    return typed_requests.read_lines(
        file, _Line, parse=lambda line: asked(_call(line, usual=default), proto=proto)
    )


def _call(line: _Line, *, usual: Call) -> Call:
    own = [typed_requests.checked_header(name, value) for name, value in line.metadata.items()]
    return Call(
        path=usual.path if line.method is None else _path(line.method, usual=usual.path),
        metadata=typed_requests.merged(usual.metadata, own),
        body=_json(line.body, usual=usual.body),
        expected=_json(line.checks.body, usual=usual.expected),
        contains=(*usual.contains, *line.checks.contains),
    )


def _path(method: str, *, usual: str) -> str:
    found = _METHOD.fullmatch(method)
    if found is None:
        raise UsageError(
            f"method {method!r}: it is written package.Service/Method, or as Method alone of the "
            "service in the URL"
        )
    service = found[1] or usual[1:].partition("/")[0]
    return f"/{service}/{found[2]}"


def _json(raw: msgspec.Raw, *, usual: str | None) -> str | None:
    return bytes(raw).decode() if bytes(raw) else usual
