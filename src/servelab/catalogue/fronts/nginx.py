"""nginx, configured as its manual advises in front of an application server."""

import math
from collections.abc import Iterator
from pathlib import Path

from servelab.catalogue.front import Front, FrontRequest, SiteRequest
from servelab.model.address import Address
from servelab.model.launch import ConfigurationFile, LaunchCommand
from servelab.model.load import Protocol

KEPT = 32
"""Idle connections to the server which each worker keeps, as in the manual's example."""
_LEAST_CONNECTIONS = 1024
_OWN_CONNECTIONS = 64
"""Beside two for each client: what it listens on, logs to, and keeps idle."""
_FILE = "nginx.conf"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def configuration(request: FrontRequest) -> ConfigurationFile:
    """Return the file; all its own paths lie in the folder that ``-p`` names."""
    lines = [
        *_main(request),
        "",
        "events {",
        f"    worker_connections {_connections(request)};",
        "}",
        "",
        "http {",
        "    access_log off;",
        *(f"    {kind}_temp_path {kind};" for kind in _TEMPORARY),
        "",
        *(
            f"    {line}".rstrip()
            for line in _site(request, name="application", head=(f"listen {_listen(request)};",))
        ),
        "}",
    ]
    return ConfigurationFile(
        name=_FILE,
        text="\n".join(lines) + "\n",
        command=LaunchCommand(
            argv=("nginx", "-p", ".", "-c", _FILE), departures=tuple(_departures(request))
        ),
    )


def site(request: SiteRequest) -> str:
    """Return a file for the folder of sites: what is left of the above for a whole machine's nginx.

    The numbers of workers, connections and waiting connections are that nginx's own.
    """
    http2 = " http2" if request.protocol is Protocol.GRPC else ""
    head = (
        f"listen 80{http2};",
        "# Without a name it answers only where no other site of this nginx does:",
        "# server_name shop.example;",
        "access_log off;",
    )
    return "\n".join(_site(request, name=request.name, head=head)) + "\n"


def _site(
    request: FrontRequest | SiteRequest, *, name: str, head: tuple[str, ...]
) -> Iterator[str]:
    yield f"upstream {name} {{"
    yield f"    server {_quoted(_upstream(request.upstream))};"
    yield f"    keepalive {KEPT};"
    yield "}"
    yield ""
    yield "server {"
    yield from (f"    {line}" for line in head)
    yield "    client_max_body_size 0;"
    yield ""
    yield "    location / {"
    yield from (f"        {each};" for each in _passing(request, name=name))
    yield "    }"
    yield "}"


def _main(request: FrontRequest) -> Iterator[str]:
    yield "daemon off;"
    if request.superuser is not None:
        yield f"user {request.superuser};"
    yield f"worker_processes {request.cpu_count};"
    if (files := _connections(request)) > _LEAST_CONNECTIONS:
        yield f"worker_rlimit_nofile {files + _OWN_CONNECTIONS};"
    yield "pid nginx.pid;"
    yield "error_log stderr;"


def _passing(request: FrontRequest | SiteRequest, *, name: str) -> Iterator[str]:
    prefix = "grpc" if request.protocol is Protocol.GRPC else "proxy"
    if request.protocol is Protocol.GRPC:
        yield f"grpc_pass grpc://{name}"
        yield "grpc_set_header Host $http_host"
    else:
        yield f"proxy_pass http://{name}"
        yield "proxy_http_version 1.1"
        yield 'proxy_set_header Connection ""'
        # Not $host, which lacks the port: an application would write other links than without.
        yield "proxy_set_header Host $http_host"
    yield f"{prefix}_set_header X-Forwarded-For $proxy_add_x_forwarded_for"
    yield f"{prefix}_set_header X-Forwarded-Proto $scheme"
    yield f"{prefix}_read_timeout {_patience_s(request)}s"


def _departures(request: FrontRequest) -> Iterator[str]:
    yield "access_log off: it would write a line for each request, which the server does not."
    yield f"worker_processes {request.cpu_count}: one for each core that the server may use."
    yield (
        f"worker_connections {_connections(request)}: by default 512, and a call takes two of them."
    )
    yield (
        f"backlog={request.listen_limit}: by default no more than 511 connections wait to be taken."
    )
    yield "client_max_body_size 0: by default it refuses more than 1 MB, which the server takes."
    yield (
        f"{_patience_s(request)} s for an answer: no earlier than the caller, whose failure it is."
    )
    if request.superuser is not None:
        yield f"user {request.superuser}: as the server, whose socket it must be able to open."


def _connections(request: FrontRequest) -> int:
    # One worker may come by all clients; each takes a connection to the server, too.
    return max(_LEAST_CONNECTIONS, 2 * request.clients + _OWN_CONNECTIONS)


def _patience_s(request: FrontRequest | SiteRequest) -> int:
    return math.ceil(request.longest_answer_s) + 1


def _listen(request: FrontRequest) -> str:
    http2 = " http2" if request.protocol is Protocol.GRPC else ""
    return f"{request.address}{http2} backlog={request.listen_limit}"


def _upstream(place: Address | Path) -> str:
    return str(place) if isinstance(place, Address) else f"unix:{place}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


FRONT = Front(
    name="nginx",
    summary="nginx, with kept connections to the server",
    program="nginx",
    installing="on Debian: apt-get install nginx",
    protocols=frozenset({Protocol.HTTP, Protocol.GRPC}),
    configuration=configuration,
    site=site,
    sites="/etc/nginx/conf.d",
    group="www-data",
)
