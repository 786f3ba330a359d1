"""Options that mean the same in several commands."""

from pathlib import Path
from typing import Annotated

import typer

ARRIVING = "How calls arrive"
PLACING = "Where it runs, and on how much"
REPEATING = "How often, and when it is enough"

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
ResultsFolder = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where results go, a new folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DEPLOYMENT... WORKLOAD",
        help="Deployments (STACK[:key=value,...], or 'all'), then the workload.",
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
Requirements = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="REQUIREMENT", help="Use it instead: gunicorn==23.0.0."),
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
