"""`servelab try`: an application of the user's on every server that can serve it."""

from pathlib import Path
from typing import Annotated

import typer

from servelab.cli import (
    judging,
    loads,
    measuring,
    option_types,
    rehearsed,
    requested,
    results,
    status,
)

ROUNDS = 3


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
    beside: option_types.Beside = None,
    project: option_types.Project = Path(),
    python: option_types.OwnPythons = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help=f"How often each is measured, in a new order each time. [default: {ROUNDS}]",
            rich_help_panel=option_types.REPEATING,
        ),
    ] = None,
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
    from servelab.cli import own_pythons, prepared, project_file, requested_service
    from servelab.model.plan import Plan
    from servelab.report import printers

    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=verbose)
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
    ignored = requested_service.patterns(ignore or section.ignore)
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
            cpus=cpus,
            memory=memory,
            timeout_s=timeout,
            connections=connections,
            port=port,
            beside=tuple(beside or ()),
        ),
        section=section,
        warm_up_s=warm_up,
    )
    deployments = requested_service.deployments(
        ready.service, only=own.only, cpu_count=ready.cpu_count, front=own.front
    )
    deployments, options = own_pythons.spread(
        deployments,
        options=ready.options,
        pythons=project_file.pythons(python, section=section, application=own.application),
    )
    for obstacle, names in {} if own.only else catalogue.own_obstacles(ready.service).items():
        printer.note(f"Not tried: {', '.join(names)}: {obstacle}")
    plan = Plan(
        deployments=tuple(each.name for each in deployments),
        options=options,
        rounds=rounds or section.rounds or ROUNDS,
        seed=seed or 0,
        warm_up_s=ready.warm_up_s,
    )
    if dry_run:
        measuring.tell(judging.judged(plan), deployments=deployments)
        return status.OK
    folder = results.new_folder(out, name=measuring.name_of(plan))
    left_out = own_pythons.copy(deployments, options=options, folder=folder, printer=printer)
    agreement = rehearsed.rehearse(
        [each for each in deployments if each.name not in left_out],
        options=options,
        measurer=ready.measurer,
        folder=folder,
        printer=printer,
        ignored=ignored,
    )
    service = msgspec.structs.replace(ready.service, asked=agreement.asked)
    # What is left alone is compared with nobody.
    plan = judging.judged(
        msgspec.structs.replace(
            plan,
            deployments=agreement.agreeing,
            options=msgspec.structs.replace(options, service=service),
        )
    )
    return measuring.status_of(
        measuring.go_on(
            plan,
            deployments=[each for each in deployments if each.name in agreement.agreeing],
            skipped={**left_out, **dict(agreement.excluded)},
            measurer=ready.measurer,
            folder=folder,
            printer=printer,
            beside_load_s=agreement.beside_load_s,
        )
    )
