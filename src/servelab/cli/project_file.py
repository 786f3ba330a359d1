"""`[tool.servelab]` of a project's pyproject.toml: what `try` and `tune` need not be told again."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from servelab.cli import requested, requested_service, typed_requests
from servelab.errors import UsageError

NAME = "pyproject.toml"
TABLE = "tool.servelab"


_Value = TypeVar("_Value")
_Status = Annotated[int, Meta(ge=200, le=599)]
_Seconds = Annotated[float, Meta(ge=0.001, le=3600)]


class Section(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What may stand there, each as the option of its name; what is not there is None or empty."""

    application: str | None = None
    commands: tuple[str, ...] = ()
    environment: str | None = None
    """Relative to the project's folder, as are `requests_file` and `proto`."""
    python: str | None = None
    env_vars: dict[str, str] = {}
    paths: tuple[str, ...] = ()
    requests_file: str | None = None
    grpc: str | None = None
    """Of programs over gRPC, as are `proto` and `body`; the paths are left then."""
    proto: str | None = None
    body: str | None = None
    headers: dict[str, str] = {}
    expect_status: _Status | None = None
    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    front: str | None = None
    beside: tuple[str, ...] = ()
    slo: str | None = None
    budget: str | None = None
    delta: str | None = None
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    rate: Annotated[float, Meta(ge=0.001, le=1e6)] | None = None
    connections: str | None = None
    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    timeout: _Seconds | None = None
    rounds: Annotated[int, Meta(ge=1, le=1000)] | None = None
    duration: Annotated[float, Meta(ge=0.1, le=3600)] | None = None
    warm_up: Annotated[float, Meta(ge=0, le=600)] | None = None
    cpus: Annotated[float, Meta(ge=0.01, le=4096)] | None = None
    memory: str | None = None


def read(project: Path) -> Section:
    """Return what the file of a project's folder says, nothing where there is none; UsageError."""
    file = project / NAME
    try:
        document = msgspec.toml.decode(file.read_bytes())
    except FileNotFoundError:
        return Section()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no TOML: {error}") from None
    return _section(_table(document), file=file)


def complete(typed: requested_service.Typed, *, section: Section) -> requested_service.Typed:
    """Return what was typed, and of what was not, what the file says.

    Headers and variables of both hold, those that were typed before those of the same name. An
    application or a command that was typed stands for all that the file names. Raise UsageError
    where neither names any.
    """
    is_named = bool(typed.application or typed.commands)
    application = typed.application if is_named else section.application
    commands = typed.commands if is_named else section.commands
    if not application and not commands:
        raise UsageError(
            "no application is named: give one, such as my.module:app, or write application = "
            f'"my.module:app" under [{TABLE}] in {typed.project / NAME}; or a program that listens '
            "by itself, with --command"
        )
    typed = msgspec.structs.replace(
        typed,
        application=application,
        commands=commands,
        port=first(typed.port, section.port),
        headers=_headers(typed.headers, usual=section.headers),
        environment=first(typed.environment, _place(section.environment, project=typed.project)),
        variables=(
            *(f"{name}={value}" for name, value in section.env_vars.items()),
            *typed.variables,
        ),
        only=typed.only or section.only,
        front=typed.front or section.front,
    )
    return _asking(typed, section=section)


def _asking(typed: requested_service.Typed, *, section: Section) -> requested_service.Typed:
    """Return what is asked: calls where these are named, else requests over HTTP."""
    asks = bool(typed.paths or typed.requests_file or typed.grpc)
    file = None if asks else _place(section.requests_file, project=typed.project)
    grpc = typed.grpc if asks or typed.application else section.grpc
    if grpc is not None:
        return msgspec.structs.replace(
            typed,
            grpc=grpc,
            # Of the method that was typed the file says nothing.
            body=typed.body if typed.grpc else first(typed.body, section.body),
            proto=first(typed.proto, _place(section.proto, project=typed.project)),
            requests_file=first(typed.requests_file, file),
        )
    return msgspec.structs.replace(
        typed,
        paths=typed.paths if asks else section.paths,
        requests_file=first(typed.requests_file, file),
        expect_status=first(typed.expect_status, section.expect_status),
    )


def pythons(typed: Sequence[str] | None, *, section: Section, application: str | None) -> list[str]:
    """Return the interpreters of an application; what the file says is not about programs."""
    usual = [section.python] if section.python is not None and application else []
    return list(typed or usual)


def _place(path: str | None, *, project: Path) -> Path | None:
    return None if path is None else project / Path(path).expanduser()


def complete_load(typed: requested.Typed, *, section: Section) -> requested.Typed:
    """Return what was typed of load, limits and time, and of what was not, what the file says."""
    says_how_many = typed.concurrency is not None or typed.rate_per_s is not None
    return msgspec.structs.replace(
        typed,
        concurrency=typed.concurrency if says_how_many else section.concurrency,
        rate_per_s=typed.rate_per_s if says_how_many else section.rate,
        connections=typed.connections or section.connections,
        port=first(typed.port, section.port),
        timeout_s=first(typed.timeout_s, section.timeout),
        duration_s=first(typed.duration_s, section.duration),
        cpus=first(typed.cpus, section.cpus),
        memory=typed.memory or section.memory,
        beside=typed.beside or section.beside,
    )


def first(*values: _Value | None) -> _Value | None:
    """Return the first that was given at all."""
    return next((each for each in values if each is not None), None)


def _headers(typed: Sequence[str], *, usual: dict[str, str]) -> tuple[str, ...]:
    own = [typed_requests.header_of(text) for text in typed]
    return tuple(f"{name}: {value}" for name, value in typed_requests.merged([*usual.items()], own))


def _table(document: Any) -> Any:
    for name in TABLE.split("."):
        document = document.get(name, {}) if isinstance(document, dict) else {}
    return document


def _section(table: Any, *, file: Path) -> Section:
    known = [field.encode_name for field in msgspec.structs.fields(Section)]
    for name in table if isinstance(table, dict) else ():
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            guess = f"did you mean {nearest[0]}?" if nearest else "there is no such key."
            raise UsageError(
                f"{file}: [{TABLE}] has {name!r}; {guess} There are: {', '.join(known)}"
            )
    try:
        return msgspec.convert(table, Section)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        key = path.strip("`.") or "it"
        raise UsageError(f"{file}: [{TABLE}] {key}: {what[0].lower()}{what[1:]}") from None
