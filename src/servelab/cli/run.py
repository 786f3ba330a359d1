"""`servelab run`: measure deployments and print the seed's report for each."""

from typing import Annotated

import typer

from servelab.cli import amounts, beside_resume, loads, measuring, option_types, requested, status
from servelab.errors import UsageError

_BESIDE_RESUME = frozenset({"with_", "header", "variable"})


def run(
    context: typer.Context,
    targets: option_types.Targets = None,
    requests: Annotated[
        int | None,
        typer.Option("-n", "--requests", min=1, help="Number of requests. [default: 300]"),
    ] = None,
    concurrency: option_types.Concurrency = None,
    rate: option_types.Rate = None,
    arrivals: option_types.Arrivals = None,
    seed: option_types.Seed = None,
    think_time: option_types.ThinkTime = None,
    pacing: option_types.PacingName = "timer",
    generators: option_types.GeneratorCount = "1",
    duration: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=3600,
            help="Seconds of load, instead of a number of requests. [default of several rounds: "
            "10]",
        ),
    ] = None,
    rounds: Annotated[
        int,
        typer.Option(
            min=1,
            max=1000,
            help="How often each is measured, in a new order each time.",
            rich_help_panel=option_types.REPEATING,
        ),
    ] = 1,
    warm_up: option_types.WarmUp = None,
    timeout: option_types.Timeout = None,
    connections: option_types.ConnectionsName = None,
    param: option_types.Parameters = None,
    port: option_types.Port = None,
    python: option_types.Pythons = None,
    with_: option_types.Requirements = None,
    server_cpus: option_types.ServerCpus = loads.AUTO,
    load_cpus: option_types.LoadCpus = loads.AUTO,
    cpus: option_types.CpuLimit = None,
    memory: option_types.MemoryLimit = None,
    front: option_types.Front = None,
    stop_under_load: Annotated[
        bool,
        typer.Option(
            "--stop-under-load",
            help="Also send each server SIGTERM under the same load, after what is measured: how "
            "many requests in flight are answered, and how long it takes.",
        ),
    ] = False,
    out: option_types.ResultsFolder = None,
    resume: option_types.Resume = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            "-H",
            "--header",
            metavar="'NAME: VALUE'",
            help="With --resume of what `try` began: a secret header, which is not stored.",
        ),
    ] = None,
    variable: Annotated[
        list[str] | None,
        typer.Option(
            "--env-var",
            metavar="NAME=VALUE",
            help="With --resume of what `try` began: the value of a variable, which is not stored.",
        ),
    ] = None,
    dry_run: option_types.DryRun = False,
    as_json: option_types.AsJson = False,
    quiet: option_types.Quiet = False,
    verbose: option_types.Verbose = False,
) -> int:
    """Measure deployments under a workload, and print the seed's report for each."""
    from servelab.cli import restored
    from servelab.model.plan import Plan
    from servelab.report import printers, terminal

    measuring.refuse_both(targets, resumed=resume)
    if not targets and resume is None:
        terminal.write(usage())
        return status.OK
    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=verbose)
    if resume is not None:
        beside_resume.refuse_others(context, folder=resume, allowed=_BESIDE_RESUME)
        given = restored.Given(variables=tuple(variable or ()), headers=tuple(header or ()))
        return measuring.status_of(
            measuring.resume(resume, with_requirements=with_, given=given, printer=printer)
        )
    if header or variable:
        raise UsageError(
            "--header and --env-var are for --resume, of an application of yours; the catalogue's "
            "need none"
        )
    deployments, options = requested.parse(
        targets or [],
        parameters=param or [],
        typed=requested.Typed(
            concurrency=concurrency,
            rate_per_s=rate,
            arrivals=arrivals,
            seed=seed,
            think_time_s=think_time,
            requests=requests,
            duration_s=requested.DEFAULT_DURATION_S
            if duration is None and requests is None and rounds > 1
            else duration,
            stops_under_load=stop_under_load,
            pacing=pacing,
            generators=generators,
            server_cpus=server_cpus,
            load_cpus=load_cpus,
            cpus=cpus,
            memory=memory,
            front=front,
            timeout_s=timeout,
            connections=connections,
            port=port,
            pythons=python or [],
            with_requirements=with_ or [],
        ),
    )
    plan = Plan(
        deployments=tuple(deployment.name for deployment in deployments),
        options=options,
        rounds=rounds,
        seed=seed or 0,
        warm_up_s=_warm_up_s(warm_up, rounds=rounds, is_timed=options.duration_s is not None),
    )
    if dry_run:
        measuring.tell(plan, deployments=deployments)
        return status.OK
    return measuring.status_of(
        measuring.begin(plan, deployments=deployments, out=out, printer=printer)
    )


def _warm_up_s(text: str | None, *, rounds: int, is_timed: bool) -> float | None:
    """Return the length of the warm-up; None where a pilot is to tell."""
    if text is None:
        return None if rounds > 1 and is_timed else 0.0
    asked_s = amounts.warm_up_s(text)
    if asked_s != 0 and not is_timed:
        raise UsageError(
            "--warm-up needs a measurement of some seconds, not of a number of requests; give "
            "--duration, too"
        )
    return asked_s


def usage() -> str:
    """Return how to call `run`, with every stack and workload that there is."""
    from servelab import catalogue

    width = max(len(stack.name) for stack in catalogue.stacks())
    lines = [
        "Usage: ./run.sh STACK WORKLOAD [OPTIONS]",
        "       servelab run DEPLOYMENT... WORKLOAD [OPTIONS]",
        "",
        "Stacks (a deployment is STACK or STACK:key=value,...; 'all' means every stack):",
        *(f"  {stack.name:<{width}}  {stack.summary}" for stack in catalogue.stacks()),
        "",
        "Workloads: " + ", ".join(catalogue.workload_names()),
        "",
        "Options: servelab run --help",
    ]
    return "\n".join(lines) + "\n"
