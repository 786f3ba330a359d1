"""`servelab compare`: interleaved rounds until it is decided which deployment is better."""

from typing import TYPE_CHECKING, Annotated

import typer

from servelab.cli import (
    amounts,
    beside_resume,
    judging,
    loads,
    measuring,
    option_types,
    requested,
    status,
)
from servelab.errors import UsageError
from servelab.model.figure import Figure
from servelab.model.load import Load

if TYPE_CHECKING:
    from servelab.store.folder import StoredRun

_LEAST = 2
_MOST_ROUNDS = 200


def compare(
    context: typer.Context,
    targets: option_types.Targets = None,
    budget: Annotated[
        str,
        typer.Option(
            metavar="15m",
            help="How long it may take in all.",
            rich_help_panel=option_types.REPEATING,
        ),
    ] = "15m",
    target: Annotated[
        str,
        typer.Option(
            metavar="2%",
            help="Half of an interval's width that is narrow enough to stop.",
            rich_help_panel=option_types.REPEATING,
        ),
    ] = "2%",
    delta: Annotated[
        str,
        typer.Option(
            metavar="3%",
            help="The largest difference that means nothing to you.",
            rich_help_panel=option_types.REPEATING,
        ),
    ] = "3%",
    by: Annotated[
        str | None,
        typer.Option(
            metavar="FIGURE",
            help=f"What they are compared by: {', '.join(each.value for each in Figure)}. "
            "[default: throughput; of a rate: p90]",
            rich_help_panel=option_types.REPEATING,
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=1000,
            help="Make exactly so many, whatever they show. [default: until decided]",
            rich_help_panel=option_types.REPEATING,
        ),
    ] = None,
    duration: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds of load that are measured.")
    ] = 10.0,
    warm_up: option_types.WarmUp = None,
    concurrency: option_types.Concurrency = None,
    rate: option_types.Rate = None,
    arrivals: option_types.Arrivals = None,
    seed: option_types.Seed = None,
    think_time: option_types.ThinkTime = None,
    pacing: option_types.PacingName = "timer",
    generators: option_types.GeneratorCount = "1",
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
    out: option_types.ResultsFolder = None,
    resume: option_types.Resume = None,
    dry_run: option_types.DryRun = False,
    as_json: option_types.AsJson = False,
    quiet: option_types.Quiet = False,
    verbose: option_types.Verbose = False,
) -> int:
    """Measure deployments round by round until it is decided which is better."""
    from servelab.model.plan import Plan
    from servelab.model.verdict import Budget, Judging
    from servelab.report import printers

    measuring.refuse_both(targets, resumed=resume)
    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=verbose)
    if resume is not None:
        beside_resume.refuse_others(context, folder=resume, allowed={"with_"})
        return _status(measuring.resume(resume, with_requirements=with_, printer=printer))
    if not targets:
        raise UsageError("nothing to compare; name two deployments and a workload")
    deployments, options = requested.parse(
        targets,
        parameters=param or [],
        typed=requested.Typed(
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
            front=front,
            timeout_s=timeout,
            connections=connections,
            port=port,
            pythons=python or [],
            with_requirements=with_ or [],
        ),
    )
    if len(deployments) < _LEAST:
        raise UsageError(
            f"{deployments[0].name} alone cannot be compared; name another deployment, too"
        )
    figure = _figure(by, load=options.load)
    plan = Plan(
        figure=figure,
        deployments=tuple(deployment.name for deployment in deployments),
        options=options,
        rounds=rounds,
        seed=seed or 0,
        warm_up_s=None if warm_up is None else amounts.warm_up_s(warm_up),
        judging=Judging(
            direction=figure.direction,
            delta=amounts.share(delta, option="--delta"),
            target=amounts.share(target, option="--target"),
        ),
        budget=Budget(time_s=amounts.seconds(budget, option="--budget"), rounds=_MOST_ROUNDS),
    )
    if dry_run:
        measuring.tell(plan, deployments=deployments)
        return status.OK
    return _status(measuring.begin(plan, deployments=deployments, out=out, printer=printer))


def _figure(text: str | None, *, load: Load) -> Figure:
    if text is None:
        return judging.figure_for(load)
    try:
        return Figure(text)
    except ValueError:
        known = ", ".join(each.value for each in Figure)
        raise UsageError(f"--by {text!r}: deployments are compared by one of {known}") from None


def _status(run: "StoredRun") -> int:
    """Return 0 where each comparison has an answer, 3 where one has none."""
    from servelab.report import rounds_view

    found = measuring.status_of(run)
    if found != status.OK:
        return found
    return status.OK if rounds_view.is_decided(run) else status.INVALID
