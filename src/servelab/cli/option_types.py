"""Options that mean the same in several commands."""

from pathlib import Path
from typing import Annotated

import typer

ARRIVING = "How calls arrive"
REPEATING = "How often, and when it is enough"
ASKING = "What is asked, and what must be answered"
ITS_PLACE = "Where your application is at home"
PLACING = "Where it runs, and on how much"

Rate = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=1e6,
        help="Requests per second, whatever the server does.",
        rich_help_panel=ARRIVING,
    ),
]
Arrivals = Annotated[
    str | None,
    typer.Option(
        metavar="poisson|constant",
        help="Of a rate. [default: poisson]",
        rich_help_panel=ARRIVING,
    ),
]
ThinkTime = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=3600,
        help="Seconds between an answer and its caller's next request.",
        rich_help_panel=ARRIVING,
    ),
]
PacingName = Annotated[
    str,
    typer.Option(
        metavar="timer|spin",
        help="How the generator waits; spinning takes a whole core.",
        rich_help_panel=ARRIVING,
    ),
]
GeneratorCount = Annotated[
    str,
    typer.Option(metavar="N|auto", help="Number of generator processes.", rich_help_panel=ARRIVING),
]
ServerCpus = Annotated[
    str,
    typer.Option(
        metavar="LIST|auto",
        help="Where the server runs, such as 0-3,6.",
        rich_help_panel=PLACING,
    ),
]
LoadCpus = Annotated[
    str,
    typer.Option(
        metavar="LIST|auto",
        help="Where the generator runs. auto: apart from the server from 4 cores up.",
        rich_help_panel=PLACING,
    ),
]
LoadCpusAlone = Annotated[
    str,
    typer.Option(
        metavar="LIST|auto",
        help="Where the generator runs, each process on one CPU. auto: wherever there is room.",
        rich_help_panel=PLACING,
    ),
]
CpuLimit = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=4096,
        help="Cores' worth of CPU time for the server, such as 0.5.",
        rich_help_panel=PLACING,
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE", help="Memory for the server, such as 512m.", rich_help_panel=PLACING
    ),
]
Front = Annotated[
    str | None,
    typer.Option(
        metavar="nginx",
        help="What takes the connections before each server; of one deployment: STACK+nginx.",
        rich_help_panel=PLACING,
    ),
]
Beside = Annotated[
    list[str] | None,
    typer.Option(
        "--beside",
        metavar="PROGRAM|UNIT|pid:N",
        help="What belongs to your application and runs already, such as postgres or "
        "redis-server: its CPU time is told by itself, and voids no round.",
        rich_help_panel=ITS_PLACE,
    ),
]
ResultsFolder = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where results go, a new folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DEPLOYMENT... WORKLOAD",
        help="Deployments (STACK[:key=value,...][+nginx][@PYTHON], or 'all'), then the workload.",
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "-c",
        "--concurrency",
        min=1,
        max=10_000,
        help="Callers, each waiting for its answer; with --rate: connections at most. "
        "[default: 100]",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, help="Of the arrivals, and of the order in each round. [default: 0]"),
]
WarmUp = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS|auto",
        help="The same load before it is measured; auto: as long as a pilot of each deployment "
        "shows. [default: 0; of several rounds: auto]",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=3600,
        help="Seconds a request may take. [default: 60; more where callers queue by design]",
    ),
]
ConnectionsName = Annotated[
    str | None,
    typer.Option(
        metavar="fresh|kept",
        help="A new connection for each request, or kept ones. [default: fresh; gRPC: kept]",
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A parameter of the workload, such as num=10."),
]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Where servers listen. [default: 3000, or next free]"),
]
Python = Annotated[
    str | None,
    typer.Option(
        metavar="VERSION|PATH", help="Interpreter of the servers. [default: servelab's own]"
    ),
]
Pythons = Annotated[
    list[str] | None,
    typer.Option(
        "--python",
        metavar="VERSION|PATH",
        help="Interpreter of the servers, such as 3.13 or 3.14t; several: everything on each. "
        "[default: servelab's own]",
    ),
]
OwnPythons = Annotated[
    list[str] | None,
    typer.Option(
        "--python",
        metavar="VERSION|PATH",
        help="Interpreter, such as 3.13 or 3.14t, with a copy of your environment's packages where "
        "it is another one; several: everything on each. [default: your environment's own]",
        rich_help_panel=ITS_PLACE,
    ),
]
OwnPython = Annotated[
    list[str] | None,
    typer.Option(
        "--python",
        metavar="VERSION|PATH",
        help="One interpreter for the whole race, with a copy of your environment's packages where "
        "it is another one. [default: your environment's own]",
        rich_help_panel=ITS_PLACE,
    ),
]
Requirements = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="REQUIREMENT", help="Use it instead: gunicorn==23.0.0."),
]
Application = Annotated[
    str | None,
    typer.Argument(
        metavar="MODULE:APPLICATION",
        help="Your application, as its server is told: my.module:app, 'my.module:create_app()', "
        "or a module alone. [default: as [tool.servelab] in pyproject.toml says]",
    ),
]
OwnCommands = Annotated[
    list[str] | None,
    typer.Option(
        "--command",
        metavar="'[NAME=]PROGRAM ... {port}'",
        help="A program of yours that listens by itself, in any language; {host} and {port} are "
        "replaced, and no shell reads it. Several are compared. In {workers=1|2|4} tune searches.",
    ),
]
GrpcMethod = Annotated[
    str | None,
    typer.Option(
        "--grpc",
        metavar="PACKAGE.SERVICE/METHOD",
        help="Of a --command that speaks gRPC: what is called.",
        rich_help_panel=ASKING,
    ),
]
ProtoPath = Annotated[
    Path | None,
    typer.Option(
        "--proto",
        metavar="FILE",
        help="gRPC: the .proto file of the method.",
        rich_help_panel=ASKING,
    ),
]
ProtoFolders = Annotated[
    list[Path] | None,
    typer.Option(
        "--proto-path",
        metavar="FOLDER",
        help="gRPC: where its imports are.",
        rich_help_panel=ASKING,
    ),
]
CallBody = Annotated[
    str | None,
    typer.Option(
        "--body",
        metavar="JSON|@FILE",
        help="gRPC: the message, as JSON. [default: an empty one]",
        rich_help_panel=ASKING,
    ),
]
Paths = Annotated[
    list[str] | None,
    typer.Option(
        "--path",
        metavar="/PATH",
        help="What is asked, with its query; several are asked in turn. [default: /]",
        rich_help_panel=ASKING,
    ),
]
RequestsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="What is asked in turn: one JSON object a line, with method, path, headers, body.",
        rich_help_panel=ASKING,
    ),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "-H", "--header", metavar="'NAME: VALUE'", help="Sent along.", rich_help_panel=ASKING
    ),
]
ExpectedStatus = Annotated[
    int | None,
    typer.Option(
        min=200,
        max=599,
        help="The status that is right. [default: any of 2xx]",
        rich_help_panel=ASKING,
    ),
]
Ignored = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="REGEX",
        help="Parts of a body in which servers may differ, such as a token.",
        rich_help_panel=ASKING,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="SERVER[-VARIANT][:key=value,...][+nginx][@PYTHON]",
        help="These deployments, such as gunicorn-gthread:processes=4. [default: every server]",
    ),
]
Searched = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="SERVER[-VARIANT][:key=value/value,...][+nginx]",
        help="These, perhaps with the values that their settings may have, such as "
        "gunicorn-gthread:processes=1/2/4,threads=16. [default: every server]",
    ),
]
UsersEnvironment = Annotated[
    Path | None,
    typer.Option(
        "--env",
        metavar="PATH",
        help="The virtual environment that your application runs in; nothing in it is changed. "
        "[default: the active one, or the project's .venv]",
        rich_help_panel=ITS_PLACE,
    ),
]
Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--env-var",
        metavar="NAME=VALUE",
        help="Environment variable that your application is to find, beside those in .env.",
        rich_help_panel=ITS_PLACE,
    ),
]
Project = Annotated[
    Path,
    typer.Option(
        "--project",
        metavar="FOLDER",
        help="Where servers are started. [default: this folder]",
        show_default=False,
        rich_help_panel=ITS_PLACE,
    ),
]
OWN_CALLERS = 50
OWN_DURATION_S = 5.0
OWN_WARM_UP_S = 1.0
OWN_CONNECTIONS = "kept"
"""As proxies and browsers use them."""
OwnConcurrency = Annotated[
    int | None,
    typer.Option(
        "-c",
        "--concurrency",
        min=1,
        max=10_000,
        help="Callers, each waiting for its answer; with --rate: connections at most. "
        f"[default: {OWN_CALLERS}]",
    ),
]
OwnDuration = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        max=3600,
        help=f"Seconds of load that are measured. [default: {OWN_DURATION_S:g}]",
    ),
]
OwnWarmUp = Annotated[
    float | None,
    typer.Option(
        min=0, max=600, help=f"Seconds of the same load before. [default: {OWN_WARM_UP_S:g}]"
    ),
]
OwnConnections = Annotated[
    str | None,
    typer.Option(
        metavar="fresh|kept",
        help=f"A new connection for each request, or kept ones. [default: {OWN_CONNECTIONS}]",
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Go on with an interrupted run: what is missing of its plan."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan and how long it takes; measure nothing.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print only the verdict and the table.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Tell each step on standard error, too.")
]
