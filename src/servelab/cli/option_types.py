"""Options that mean the same in several commands."""

from pathlib import Path
from typing import Annotated

import typer

ARRIVING = "How calls arrive"

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
ResultsFolder = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where results go, a new folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
TimeoutSeconds = Annotated[
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
PythonVersion = Annotated[
    str | None,
    typer.Option(
        metavar="VERSION|PATH", help="Interpreter of the servers. [default: servelab's own]"
    ),
]
Requirements = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="REQUIREMENT", help="Use it instead: gunicorn==23.0.0."),
]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Tell each step on standard error, too.")
]
