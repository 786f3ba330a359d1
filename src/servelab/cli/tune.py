"""`servelab tune`: race servers and settings for an application of the user's."""

from pathlib import Path
from typing import Annotated

import typer

from servelab.cli import (
    amounts,
    beside_resume,
    loads,
    measuring,
    option_types,
    ready_race,
    rehearsed,
    requested,
    results,
    slo_text,
    status,
)

BUDGET = "15m"
DELTA = "3%"
_RACING = "How it is searched"
_BESIDE_RESUME = frozenset({"budget", "only", "variable", "header", "write", "force"})


def tune(
    context: typer.Context,
    application: Annotated[
        str | None,
        typer.Argument(
            metavar="MODULE:APPLICATION",
            help="Your application, as its server is told: my.module:app, "
            "'my.module:create_app()', or a module alone.",
        ),
    ] = None,
    command: option_types.OwnCommands = None,
    slo: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="The objective, such as p99<200ms: the most answers within it win. [default: the "
            "most answers]",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="The most that all processes together may take: 1g."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar=BUDGET,
            help=f"How long all trials may take. [default: {BUDGET}]",
            rich_help_panel=_RACING,
        ),
    ] = None,
    delta: Annotated[
        str | None,
        typer.Option(
            metavar=DELTA,
            help=f"The largest difference that means nothing to you. [default: {DELTA}]",
            rich_help_panel=_RACING,
        ),
    ] = None,
    path: option_types.Paths = None,
    requests_file: option_types.RequestsFile = None,
    header: option_types.Headers = None,
    expect_status: option_types.ExpectedStatus = None,
    ignore: option_types.Ignored = None,
    grpc: option_types.GrpcMethod = None,
    proto: option_types.ProtoPath = None,
    proto_path: option_types.ProtoFolders = None,
    body: option_types.CallBody = None,
    only: option_types.Searched = None,
    environment: option_types.UsersEnvironment = None,
    variable: option_types.Variables = None,
    beside: option_types.Beside = None,
    project: option_types.Project = Path(),
    python: option_types.OwnPython = None,
    duration: option_types.OwnDuration = None,
    warm_up: option_types.OwnWarmUp = None,
    concurrency: option_types.OwnConcurrency = None,
    rate: option_types.Rate = None,
    arrivals: option_types.Arrivals = None,
    seed: option_types.Seed = None,
    think_time: option_types.ThinkTime = None,
    pacing: option_types.PacingName = "timer",
    generators: option_types.GeneratorCount = "1",
    timeout: option_types.Timeout = None,
    connections: option_types.OwnConnections = None,
    port: option_types.Port = None,
    server_cpus: option_types.ServerCpus = loads.AUTO,
    load_cpus: option_types.LoadCpus = loads.AUTO,
    front: option_types.Front = None,
    out: option_types.ResultsFolder = None,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the files to serve with what won go, too, such as your project's folder.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --write: also over what is there.")
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Go on with an interrupted race, as it was begun, but with another --budget or "
            "fewer ways, --only, where these are given, too.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what is raced, and how long; measure nothing."),
    ] = False,
    as_json: option_types.AsJson = False,
    quiet: option_types.Quiet = False,
    verbose: option_types.Verbose = False,
) -> int:
    """Find the server and the settings that serve your application best, or a program of yours."""
    import msgspec

    from servelab.cli import (
        own_pythons,
        prepared,
        project_file,
        race_space,
        racing,
        requested_service,
        restored,
    )
    from servelab.model.tuning import Tuning, TuningOrder
    from servelab.model.verdict import Judging
    from servelab.report import printers

    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=verbose)
    elsewhere = ready_race.Elsewhere(folder=write, is_forced=force)
    typed = {application: application, "--command": command, "--front": front}
    measuring.refuse_both([name for name, value in typed.items() if name and value], resumed=resume)
    if resume is not None:
        beside_resume.refuse_others(context, folder=resume, allowed=_BESIDE_RESUME)
        given = restored.Given(variables=tuple(variable or ()), headers=tuple(header or ()))
        return racing.status_of(
            racing.resume(
                resume,
                given=given,
                budget=budget,
                only=tuple(only or ()),
                elsewhere=elsewhere,
                printer=printer,
            )
        )
    section = project_file.read(project)
    own = project_file.complete(
        requested_service.Typed(
            application=application,
            commands=tuple(command or ()),
            port=port,
            grpc=grpc,
            body=body,
            proto=proto,
            proto_folders=tuple(proto_path or ()),
            paths=tuple(path or ()),
            requests_file=requests_file,
            headers=tuple(header or ()),
            expect_status=expect_status,
            environment=environment,
            variables=tuple(variable or ()),
            project=project,
            only=tuple(only or ()),
            front=front,
            seed=seed or 0,
        ),
        section=section,
    )
    ready_race.refuse_what_is_there(elsewhere, application=own.application, commands=own.commands)
    slo, memory = slo or section.slo, memory or section.memory
    ignored = requested_service.patterns(ignore or section.ignore)
    most_s = amounts.seconds(budget or section.budget or BUDGET, option="--budget")
    judging = Judging(delta=amounts.share(delta or section.delta or DELTA, option="--delta"))
    objective = None if slo is None else slo_text.parse(slo)
    memory_limit_bytes = None if memory is None else loads.memory_of(memory)
    ready = prepared.prepare(
        own,
        load=requested.Typed(
            concurrency=concurrency,
            rate_per_s=rate,
            arrivals=arrivals,
            seed=seed,
            think_time_s=think_time,
            duration_s=duration,
            pacing=pacing,
            generators=generators,
            server_cpus=server_cpus,
            load_cpus=load_cpus,
            timeout_s=timeout,
            connections=connections,
            port=port,
            beside=tuple(beside or ()),
        ),
        # Here memory is what a candidate may take of its own accord, not what it is given.
        section=msgspec.structs.replace(section, memory=None),
        warm_up_s=warm_up,
        slo=objective,
    )
    pythons = project_file.pythons(python, section=section, application=own.application)
    options = own_pythons.on_one(ready.options, pythons=pythons)
    space = race_space.lay_out(
        ready.service, only=own.only, cpu_count=ready.cpu_count, front=own.front
    )
    order = TuningOrder(
        tuning=Tuning(
            space=space.ways,
            benchmarks=space.benchmarks,
            slo=objective,
            memory_limit_bytes=memory_limit_bytes,
            most_s=most_s,
            seed=seed or 0,
            judging=judging,
        ),
        options=options,
        cpu_count=ready.cpu_count,
        warm_up_s=ready.warm_up_s,
    )
    if dry_run:
        racing.tell(order)
        return status.OK
    folder = results.new_folder(out, name=f"tune-{measuring.file_name(ready.options.workload)}")
    left_out = own_pythons.copy(space.rehearsed, options=options, folder=folder, printer=printer)
    agreement = rehearsed.rehearse(
        [each for each in space.rehearsed if each.name not in left_out],
        options=options,
        measurer=ready.measurer,
        folder=folder,
        printer=printer,
        ignored=ignored,
    )
    service = msgspec.structs.replace(ready.service, asked=agreement.asked)
    excluded = {**left_out, **dict(agreement.excluded)}
    return racing.status_of(
        racing.begin(
            msgspec.structs.replace(
                order,
                tuning=race_space.without(order.tuning, space=space, excluded=excluded),
                options=msgspec.structs.replace(options, service=service),
                excluded=excluded,
            ),
            measurer=ready.measurer,
            folder=folder,
            elsewhere=elsewhere,
            beside_load_s=agreement.beside_load_s,
            printer=printer,
        )
    )
