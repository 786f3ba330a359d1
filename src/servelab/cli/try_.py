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


def try_(
    application: option_types.Application,
    path: option_types.Paths = None,
    requests_file: option_types.RequestsFile = None,
    header: option_types.Headers = None,
    expect_status: option_types.ExpectedStatus = None,
    ignore: option_types.Ignored = None,
    only: option_types.Only = None,
    environment: option_types.UsersEnvironment = None,
    variable: option_types.Variables = None,
    project: option_types.Project = Path(),
    rounds: Annotated[
        int,
        typer.Option(
            min=1,
            max=1000,
            help="How often each is measured, in a new order each time.",
            rich_help_panel=option_types.REPEATING,
        ),
    ] = 3,
    duration: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds of load that are measured.")
    ] = 5.0,
    warm_up: Annotated[
        float, typer.Option(min=0, max=600, help="Seconds of the same load before.")
    ] = 1.0,
    concurrency: option_types.Concurrency = None,
    rate: option_types.Rate = None,
    arrivals: option_types.Arrivals = None,
    seed: option_types.Seed = None,
    think_time: option_types.ThinkTime = None,
    pacing: option_types.PacingName = "timer",
    generators: option_types.GeneratorCount = "1",
    timeout: option_types.Timeout = None,
    connections: option_types.ConnectionsName = "kept",
    port: option_types.Port = None,
    server_cpus: option_types.ServerCpus = loads.AUTO,
    load_cpus: option_types.LoadCpus = loads.AUTO,
    cpus: option_types.CpuLimit = None,
    memory: option_types.MemoryLimit = None,
    out: option_types.ResultsFolder = None,
    dry_run: option_types.DryRun = False,
    as_json: option_types.AsJson = False,
    quiet: option_types.Quiet = False,
    verbose: option_types.Verbose = False,
) -> int:
    """Measure your own application on every server that can serve it."""
    import msgspec

    from servelab.cli import prepared, requested_service
    from servelab.model.plan import Plan
    from servelab.report import printers

    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=verbose)
    ready = prepared.prepare(
        requested_service.Typed(
            application=application,
            paths=tuple(path or ()),
            requests_file=requests_file,
            headers=tuple(header or ()),
            expect_status=expect_status,
            environment=environment,
            variables=tuple(variable or ()),
            project=project,
            seed=seed or 0,
        ),
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
        ),
    )
    deployments = requested_service.deployments(
        ready.service, only=only or (), cpu_count=ready.cpu_count
    )
    plan = Plan(
        deployments=tuple(each.name for each in deployments),
        options=ready.options,
        rounds=rounds,
        seed=seed or 0,
        warm_up_s=warm_up,
    )
    if dry_run:
        measuring.tell(plan, deployments=deployments)
        return status.OK
    ignored = requested_service.patterns(ignore or ())
    folder = results.new_folder(out, name=measuring.name_of(plan))
    agreement = rehearsed.rehearse(
        deployments,
        options=ready.options,
        measurer=ready.measurer,
        folder=folder,
        printer=printer,
        ignored=ignored,
    )
    service = msgspec.structs.replace(ready.service, asked=agreement.asked)
    plan = msgspec.structs.replace(
        plan,
        deployments=agreement.agreeing,
        options=msgspec.structs.replace(ready.options, service=service),
    )
    return measuring.status_of(
        measuring.go_on(
            plan,
            deployments=[each for each in deployments if each.name in agreement.agreeing],
            skipped=dict(agreement.excluded),
            measurer=ready.measurer,
            folder=folder,
            printer=printer,
        )
    )
