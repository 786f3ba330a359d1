"""`servelab try`: an application of the user's on every server that can serve it."""

from pathlib import Path
from typing import Annotated

import typer

from servelab.cli import (
    loads,
    measuring,
    option_types,
    rehearsed,
    requested,
    results,
    status,
)

DEFAULT_CALLERS = 50
ROUNDS = 3
DURATION_S = 5.0
WARM_UP_S = 1.0
"""Lines that tell no more than the refusal does."""
CONNECTIONS = "kept"
TriedConnections = Annotated[
    str | None,
    typer.Option(
        metavar="fresh|kept",
        help=f"A new connection for each request, or kept ones. [default: {CONNECTIONS}]",
    ),
]


def try_(
    application: option_types.Application = None,
    command: option_types.OwnCommands = None,
    path: option_types.Paths = None,
    requests_file: option_types.RequestsFile = None,
    header: option_types.Headers = None,
    expect_status: option_types.ExpectedStatus = None,
    ignore: option_types.Ignored = None,
    grpc: option_types.GrpcMethod = None,
    proto: option_types.ProtoPath = None,
    proto_path: option_types.ProtoFolders = None,
    body: option_types.CallBody = None,
    only: option_types.Only = None,
    environment: option_types.UsersEnvironment = None,
    variable: option_types.Variables = None,
    project: option_types.Project = Path(),
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help=f"How often each is measured, in a new order each time. [default: {ROUNDS}]",
            rich_help_panel=option_types.REPEATING,
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=3600,
            help=f"Seconds of load that are measured. [default: {DURATION_S:g}]",
        ),
    ] = None,
    warm_up: Annotated[
        float | None,
        typer.Option(
            min=0, max=600, help=f"Seconds of the same load before. [default: {WARM_UP_S:g}]"
        ),
    ] = None,
    concurrency: option_types.Concurrency = None,
    rate: option_types.Rate = None,
    arrivals: option_types.Arrivals = None,
    seed: option_types.Seed = None,
    think_time: option_types.ThinkTime = None,
    pacing: option_types.PacingName = "timer",
    generators: option_types.GeneratorCount = "1",
    timeout: option_types.Timeout = None,
    connections: TriedConnections = None,
    port: option_types.Port = None,
    server_cpus: option_types.ServerCpus = loads.AUTO,
    load_cpus: option_types.LoadCpus = loads.AUTO,
    cpus: option_types.CpuLimit = None,
    memory: option_types.MemoryLimit = None,
    front: option_types.Front = None,
    out: option_types.ResultsFolder = None,
    dry_run: option_types.DryRun = False,
    as_json: option_types.AsJson = False,
    quiet: option_types.Quiet = False,
    verbose: option_types.Verbose = False,
) -> int:
    """Measure your own application on every server that can serve it, or programs of yours."""
    import msgspec

    from servelab import catalogue
    from servelab.cli import project_file, requested_service
    from servelab.model.plan import Plan
    from servelab.report import printers
    from servelab.store import redaction

    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=verbose)
    section = project_file.read(project)
    ignored = requested_service.patterns(ignore or section.ignore)
    found = requested_service.find(
        project_file.complete(
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
                seed=seed or 0,
            ),
            section=section,
        )
    )
    service = found.service
    typed = project_file.complete_load(
        requested.Typed(
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
            cpus=cpus,
            memory=memory,
            timeout_s=timeout,
            connections=connections,
            port=port,
        ),
        section=section,
    )
    options = requested.options_of(
        msgspec.structs.replace(
            typed,
            duration_s=typed.duration_s or DURATION_S,
            connections=typed.connections or CONNECTIONS,
        ),
        workload=redaction.url(service.label),
        interpreter=found.interpreter,
        waiting_s=0.0,
        default_callers=DEFAULT_CALLERS,
    )
    options = msgspec.structs.replace(options, service=service)
    measurer = measuring.new_measurer()
    measurer.check(options)
    deployments = requested_service.deployments(
        service,
        only=only or section.only,
        cpu_count=measurer.place(options).server_core_count,
        front=front,
    )
    for obstacle, names in {} if only or section.only else catalogue.own_obstacles(service).items():
        printer.note(f"Not tried: {', '.join(names)}: {obstacle}")
    plan = Plan(
        deployments=tuple(each.name for each in deployments),
        options=options,
        rounds=rounds or section.rounds or ROUNDS,
        seed=seed or 0,
        warm_up_s=project_file.first(warm_up, section.warm_up, WARM_UP_S),
    )
    if dry_run:
        measuring.tell(plan, deployments=deployments)
        return status.OK
    folder = results.new_folder(out, name=measuring.name_of(plan))
    agreement = rehearsed.rehearse(
        deployments,
        options=options,
        measurer=measurer,
        folder=folder,
        printer=printer,
        ignored=ignored,
    )
    service = msgspec.structs.replace(service, asked=agreement.asked)
    plan = msgspec.structs.replace(
        plan,
        deployments=agreement.agreeing,
        options=msgspec.structs.replace(options, service=service),
    )
    return measuring.status_of(
        measuring.go_on(
            plan,
            deployments=[each for each in deployments if each.name in agreement.agreeing],
            skipped=dict(agreement.excluded),
            measurer=measurer,
            folder=folder,
            printer=printer,
        )
    )
