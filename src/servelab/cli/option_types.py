"""Options that mean the same in several commands."""

from pathlib import Path
from typing import Annotated

import typer

ARRIVING = "How calls arrive"
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
ResultsFolder = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where results go, a new folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
