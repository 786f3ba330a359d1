"""What was typed after `servelab load`, as an order; every mistake becomes one sentence."""

from pathlib import Path
from typing import Any

from msgspec import Struct

from servelab.cli import loads, typed_calls, typed_requests
from servelab.errors import UsageError
from servelab.load import caps, target
from servelab.load.asking import asking
from servelab.load.target import LoadTarget, Resolve
from servelab.measure.load_alone import LoadOrder
from servelab.model.load import (
    Asked,
    Choice,
    Connections,
    LoadPlan,
    Protocol,
    Request,
    Tls,
)
from servelab.store import redaction

DEFAULT_CALLERS = 50
DEFAULT_DURATION_S = 10.0


class Typed(Struct, frozen=True, kw_only=True):
    """The options as they were typed."""

    url: str
    concurrency: int | None = None
    rate_per_s: float | None = None
    arrivals: str | None = None
    seed: int | None = None
    think_time_s: float | None = None
    requests: int | None = None
    duration_s: float | None = None
    connections: str = Connections.KEPT.value
    channels: int = 1
    timeout_s: float = 60.0
    pacing: str = "timer"
    generators: str = "1"
    load_cpus: str = loads.AUTO
    method: str | None = None
    headers: tuple[str, ...] = ()
    body: str | None = None
    requests_file: Path | None = None
    choose: str = Choice.ROUND_ROBIN.value
    proto: Path | None = None
    proto_folders: tuple[Path, ...] = ()
    expect_status: int | None = None
    expect_headers: tuple[str, ...] = ()
    expect_body: str | None = None
    expect_contains: tuple[str, ...] = ()
    expect_json: tuple[str, ...] = ()
    authorised_host: str | None = None
    authorities: Path | None = None
    verifies: bool = True


def parse(typed: Typed, *, resolve: Resolve = target.resolve) -> LoadOrder:
    """Return the order; raise UsageError or CannotRunHere."""
    if typed.requests is not None and typed.duration_s is not None:
        raise UsageError("--requests and --duration exclude each other; give one of them")
    where = target.parse(typed.url, authorised_host=typed.authorised_host, resolve=resolve)
    asked = _grpc(typed, where) if where.scheme.is_grpc else _http(typed, where)
    plan = _plan(typed, where=where, asked=asked)
    departures: tuple[str, ...] = ()
    if not where.is_loopback:
        plan = caps.capped(plan)
        departures = (f"Not this machine: {caps.IN_WORDS}.",)
    return LoadOrder(
        url=where.shown,
        requests=_in_words(asked, typed=typed),
        plan=plan,
        load_cpus=_load_cpus(typed),
        departures=departures,
    )


def _plan(typed: Typed, *, where: LoadTarget, asked: tuple[Asked, ...]) -> LoadPlan:
    is_timed = typed.requests is None
    choice, seed = _choice(typed.choose), typed.seed or 0
    what = asking(asked, choice=choice, seed=seed)
    return LoadPlan(
        target=where.address,
        protocol=Protocol.GRPC if where.scheme.is_grpc else Protocol.HTTP,
        request=what.request,
        check=what.check,
        check_parameters=what.check_parameters,
        judged_statuses=what.judged_statuses,
        authority=where.authority,
        load=loads.load_of(
            concurrency=typed.concurrency,
            default_callers=DEFAULT_CALLERS,
            rate_per_s=typed.rate_per_s,
            arrivals=typed.arrivals,
            seed=typed.seed,
            think_time_s=typed.think_time_s,
        ),
        requests=typed.requests,
        duration_s=typed.duration_s or DEFAULT_DURATION_S if is_timed else None,
        connections=loads.connections_of(typed.connections),
        channels=typed.channels,
        timeout_s=typed.timeout_s,
        generators=loads.generators_of(typed.generators, load_cpus=_load_cpus(typed)),
        pacing=loads.pacing_of(typed.pacing),
        tls=_tls(typed, where),
    )


def _load_cpus(typed: Typed) -> tuple[int, ...] | None:
    return loads.cpus_of(typed.load_cpus, option="--load-cpus")


def _tls(typed: Typed, where: LoadTarget) -> Tls | None:
    if not where.scheme.is_encrypted:
        if typed.authorities is not None or not typed.verifies:
            raise UsageError(
                "--cacert and --insecure are about https:// and grpcs://; leave them out"
            )
        return None
    return Tls(
        server_name=where.host,
        authorities=None if typed.authorities is None else str(typed.authorities.absolute()),
        verifies=typed.verifies,
    )


def _choice(text: str) -> Choice:
    try:
        return Choice(text)
    except ValueError:
        raise UsageError(f"--choose {text!r}: it is either round-robin or random") from None


def _in_words(asked: tuple[Asked, ...], *, typed: Typed) -> str:
    if typed.requests_file is not None:
        return f"{len(asked)} requests of {typed.requests_file.name}, {typed.choose}"
    request = asked[0].request
    return f"{request.method} {redaction.url(request.path)}"


# ---- what is sent


def _http(typed: Typed, where: LoadTarget) -> tuple[Asked, ...]:
    if typed.proto is not None or typed.proto_folders:
        raise UsageError("--proto is about grpc://HOST:PORT/package.Service/Method")
    body = b"" if typed.body is None else typed_requests.content_of(typed.body)
    headers = tuple(typed_requests.header_of(text) for text in typed.headers)
    named = {name.lower() for name, _ in headers}
    default = Asked(
        request=Request(
            method=typed_requests.method_of(typed.method or ("POST" if body else "GET")),
            path=where.path,
            headers=(*(each for each in where.headers if each[0].lower() not in named), *headers),
            body=body,
        ),
        expectation=typed_requests.expectation_of(
            status=typed.expect_status,
            headers=typed.expect_headers,
            body=typed.expect_body,
            contains=typed.expect_contains,
            json_fields=typed.expect_json,
        ),
    )
    if typed.requests_file is None:
        return (default,)
    return typed_requests.read_file(typed.requests_file, default=default)


def _grpc(typed: Typed, where: LoadTarget) -> tuple[Asked, ...]:
    unfit: dict[str, Any] = {
        "--method": typed.method,
        "--expect-status": typed.expect_status,
        "--expect-header": typed.expect_headers,
        "--expect-json": typed.expect_json,
    }
    for option, value in unfit.items():
        if value:
            raise UsageError(f"{option} is about HTTP; of gRPC calls, grpc-status decides")
    default = typed_calls.Call(
        path=where.path,
        metadata=(
            *where.headers,
            *(typed_requests.header_of(text) for text in typed.headers),
        ),
        body=None if typed.body is None else typed_calls.text_of(typed.body),
        expected=None if typed.expect_body is None else typed_calls.text_of(typed.expect_body),
        contains=typed.expect_contains,
    )
    return typed_calls.all_asked(
        default,
        requests_file=typed.requests_file,
        proto=typed.proto,
        folders=typed.proto_folders,
    )
