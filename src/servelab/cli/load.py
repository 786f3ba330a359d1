"""`servelab load`: the generator alone, against a server that is already running."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servelab.cli import interrupts, loads, option_types, results, status

if TYPE_CHECKING:
    from servelab.measure.load_alone import LoadOrder
    from servelab.measure.machinery import Machinery
    from servelab.report.printers import Printer
    from servelab.store.folder import RunFolder

_SENDING = "What is sent"
_CHECKING = "What an answer must be"


def load(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="http://..., https://..., grpc(s)://HOST:PORT/package.Service/Method.",
        ),
    ],
    concurrency: Annotated[
        int | None,
        typer.Option(
            "-c",
            "--concurrency",
            min=1,
            max=10_000,
            help="Callers, each waiting for its answer; with --rate: connections at most. "
            "[default: 50]",
            rich_help_panel=option_types.ARRIVING,
        ),
    ] = None,
    rate: option_types.Rate = None,
    arrivals: option_types.Arrivals = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Of all that is random. [default: 0]", rich_help_panel=option_types.ARRIVING
        ),
    ] = None,
    requests: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--requests",
            min=1,
            help="Number of requests.",
            rich_help_panel=option_types.ARRIVING,
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=3600,
            help="Seconds of load. [default: 10]",
            rich_help_panel=option_types.ARRIVING,
        ),
    ] = None,
    connections: Annotated[
        str,
        typer.Option(
            metavar="fresh|kept",
            help="A new connection for each request, or kept ones.",
            rich_help_panel=option_types.ARRIVING,
        ),
    ] = "kept",
    channels: Annotated[
        int,
        typer.Option(
            min=1,
            max=10_000,
            help="gRPC: number of connections.",
            rich_help_panel=option_types.ARRIVING,
        ),
    ] = 1,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=3600,
            help="Seconds a request may take.",
            rich_help_panel=option_types.ARRIVING,
        ),
    ] = 60.0,
    think_time: option_types.ThinkTime = None,
    pacing: option_types.PacingName = "timer",
    generators: option_types.GeneratorCount = "1",
    method: Annotated[
        str | None,
        typer.Option(help="[default: GET; POST with a body]", rich_help_panel=_SENDING),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            "-H",
            "--header",
            metavar="'NAME: VALUE'",
            help="A header; gRPC: metadata.",
            rich_help_panel=_SENDING,
        ),
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT|@FILE", help="The body; gRPC: as JSON.", rich_help_panel=_SENDING
        ),
    ] = None,
    requests_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Requests, one JSON object a line: method, path, headers, body, checks; gRPC: "
            "method, metadata, body, checks.",
            rich_help_panel=_SENDING,
        ),
    ] = None,
    choose: Annotated[
        str,
        typer.Option(
            metavar="round-robin|random", help="From that file.", rich_help_panel=_SENDING
        ),
    ] = "round-robin",
    proto: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="gRPC: the .proto file of the method.", rich_help_panel=_SENDING
        ),
    ] = None,
    proto_path: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER", help="gRPC: where its imports are.", rich_help_panel=_SENDING
        ),
    ] = None,
    expect_status: Annotated[
        int | None,
        typer.Option(
            min=200, max=599, help="The status. [default: any of 2xx]", rich_help_panel=_CHECKING
        ),
    ] = None,
    expect_header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'NAME: VALUE'", help="A header that is there.", rich_help_panel=_CHECKING
        ),
    ] = None,
    expect_body: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT|@FILE", help="The whole body; gRPC: as JSON.", rich_help_panel=_CHECKING
        ),
    ] = None,
    expect_contains: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="A part of the body.", rich_help_panel=_CHECKING),
    ] = None,
    expect_json: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=VALUE",
            help="A field of the body, such as items.0.name=x.",
            rich_help_panel=_CHECKING,
        ),
    ] = None,
    cacert: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Authorities to trust for https://, as PEM."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Take any certificate for https://.")
    ] = False,
    authorised_host: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The URL's host, where it is not this machine and its owner agrees. "
            "At most 1000 requests/s, 64 at a time and 60 s go there.",
        ),
    ] = None,
    load_cpus: option_types.LoadCpusAlone = loads.AUTO,
    out: option_types.ResultsFolder = None,
    as_json: option_types.AsJson = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print only the verdict.")] = False,
) -> int:
    """Put load on a server that is already running."""
    from servelab.cli import requested_load
    from servelab.measure import machinery, placing
    from servelab.report import printers

    order = requested_load.parse(
        requested_load.Typed(
            url=url,
            concurrency=concurrency,
            rate_per_s=rate,
            arrivals=arrivals,
            seed=seed,
            think_time_s=think_time,
            requests=requests,
            duration_s=duration,
            connections=connections,
            channels=channels,
            timeout_s=timeout,
            pacing=pacing,
            generators=generators,
            load_cpus=load_cpus,
            method=method,
            headers=tuple(header or ()),
            body=body,
            requests_file=requests_file,
            choose=choose,
            proto=proto,
            proto_folders=tuple(proto_path or ()),
            expect_status=expect_status,
            expect_headers=tuple(expect_header or ()),
            expect_body=expect_body,
            expect_contains=tuple(expect_contains or ()),
            expect_json=tuple(expect_json or ()),
            authorised_host=authorised_host,
            authorities=cacert,
            verifies=not insecure,
        )
    )
    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=False)
    world = machinery.real()
    # What cannot be is told before anything is stored.
    placing.everywhere(world.cpus, load_cpus=order.load_cpus)
    folder = results.new_folder(out, name="load")
    return _measure(order, world=world, folder=folder, printer=printer)


def _measure(
    order: "LoadOrder", *, world: "Machinery", folder: "RunFolder", printer: "Printer"
) -> int:
    from servelab.explain import disturbance
    from servelab.measure import load_alone
    from servelab.report import runs
    from servelab.store.folder import RunEnd

    if (notice := disturbance.notice_of_others(world.other_runs())) is not None:
        printer.note(notice)
    with interrupts.noticed() as interrupt, printer.live() as observe:
        trial = load_alone.measure(
            order,
            machinery=world,
            folder=folder,
            observe=observe,
            should_stop=interrupt,
        )
        trial = folder.append(trial)
    was_interrupted = interrupt() is not None
    printer.trial(trial)
    folder.close(RunEnd(planned=1, interrupted=was_interrupted))
    printer.finish(runs.read(folder.path))
    return status.INTERRUPTED if was_interrupted else status.of_trials([trial])
