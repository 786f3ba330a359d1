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
    environment: str | None = None
    """Relative to the project's folder, as is `requests_file`."""
    env_vars: dict[str, str] = {}
    paths: tuple[str, ...] = ()
    requests_file: str | None = None
    headers: dict[str, str] = {}
    expect_status: _Status | None = None
    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    slo: str | None = None
    budget: str | None = None
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    rate: Annotated[float, Meta(ge=0.001, le=1e6)] | None = None
    connections: str | None = None
    timeout: _Seconds | None = None
    rounds: Annotated[int, Meta(ge=1, le=1000)] | None = None
    duration: Annotated[float, Meta(ge=0.1, le=3600)] | None = None
    warm_up: Annotated[float, Meta(ge=0, le=600)] | None = None
    cpus: Annotated[float, Meta(ge=0.01, le=4096)] | None = None
    memory: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """List the keys that are there, as they are written."""
        fields = msgspec.structs.fields(self)
        return tuple(
            each.encode_name for each in fields if getattr(self, each.name) != each.default
        )


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

    Headers and variables of both hold, those that were typed before those of the same name. Raise
    UsageError where neither names an application.
    """
    application = typed.application or (None if typed.commands else section.application)
    if not application and not typed.commands:
        raise UsageError(
            "no application is named: give one, such as my.module:app, or write application = "
            f'"my.module:app" under [{TABLE}] in {typed.project / NAME}; or a program that listens '
            "by itself, with --command"
        )
    # What the file says of requests is about HTTP.
    asks = bool(typed.paths or typed.requests_file or typed.grpc)
    return msgspec.structs.replace(
        typed,
        application=application,
        paths=typed.paths if asks else section.paths,
        requests_file=typed.requests_file
        if asks or section.requests_file is None
        else typed.project / section.requests_file,
        headers=_headers(typed.headers, usual=section.headers),
        expect_status=typed.expect_status
        if typed.grpc
        else first(typed.expect_status, section.expect_status),
        environment=typed.project / Path(section.environment).expanduser()
        if typed.environment is None and section.environment is not None
        else typed.environment,
        variables=(
            *(f"{name}={value}" for name, value in section.env_vars.items()),
            *typed.variables,
        ),
    )


def complete_load(typed: requested.Typed, *, section: Section) -> requested.Typed:
    """Return what was typed of load, limits and time, and of what was not, what the file says."""
    says_how_many = typed.concurrency is not None or typed.rate_per_s is not None
    return msgspec.structs.replace(
        typed,
        concurrency=typed.concurrency if says_how_many else section.concurrency,
        rate_per_s=typed.rate_per_s if says_how_many else section.rate,
        connections=typed.connections or section.connections,
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
