"""`servelab run`: measure deployments and print the seed's report for each."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from servelab.cli import loads, option_types, requested, results, status
from servelab.errors import ServelabError, StoreError

if TYPE_CHECKING:
    from servelab.experiment.runner import Measurer
    from servelab.model.trial import TrialSpec
    from servelab.report.printers import Printer
    from servelab.store.folder import RunFolder


def run(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DEPLOYMENT... WORKLOAD",
            help="Deployments (STACK[:key=value,...], or 'all'), then the workload.",
        ),
    ] = None,
    requests: Annotated[
        int | None,
        typer.Option("-n", "--requests", min=1, help="Number of requests. [default: 300]"),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "-c",
            "--concurrency",
            min=1,
            max=10_000,
            help="Callers, each waiting for its answer; with --rate: connections at most. "
            "[default: 100]",
        ),
    ] = None,
    rate: option_types.Rate = None,
    arrivals: option_types.Arrivals = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the arrivals. [default: 0]")] = None,
    think_time: option_types.ThinkTime = None,
    pacing: option_types.PacingName = "timer",
    generators: option_types.GeneratorCount = "1",
    duration: Annotated[
        float | None,
        typer.Option(min=0.1, max=3600, help="Seconds of load, instead of a number of requests."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=3600,
            help="Seconds a request may take. [default: 60; more where callers queue by design]",
        ),
    ] = None,
    connections: Annotated[
        str | None,
        typer.Option(
            metavar="fresh|kept",
            help="A new connection for each request, or kept ones. [default: fresh; gRPC: kept]",
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A parameter of the workload, such as num=10."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Where servers listen. [default: 3000, or next free]"),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION|PATH", help="Interpreter of the servers. [default: servelab's own]"
        ),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="REQUIREMENT", help="Use it instead: gunicorn==23.0.0."),
    ] = None,
    server_cpus: option_types.ServerCpus = loads.AUTO,
    load_cpus: option_types.LoadCpus = loads.AUTO,
    cpus: option_types.CpuLimit = None,
    memory: option_types.MemoryLimit = None,
    out: option_types.ResultsFolder = None,
    as_json: option_types.AsJson = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print only the verdict and the table.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Tell each step on standard error, too.")
    ] = False,
) -> int:
    """Measure deployments under a workload, and print the seed's report for each."""
    from servelab.experiment import plan
    from servelab.measure import machinery
    from servelab.measure.trial import TrialMeasurer
    from servelab.model.placement import PlacementWish
    from servelab.report import printers, terminal

    if not targets:
        terminal.write(usage())
        return status.OK
    where = PlacementWish(
        server_cpus=loads.cpus_of(server_cpus, option="--server-cpus"),
        load_cpus=loads.cpus_of(load_cpus, option="--load-cpus"),
    )
    deployments, options = requested.parse(
        targets,
        load=loads.load_of(
            concurrency=concurrency,
            default_callers=requested.DEFAULT_CALLERS,
            rate_per_s=rate,
            arrivals=arrivals,
            seed=seed,
            think_time_s=think_time,
        ),
        pacing=loads.pacing_of(pacing),
        generators=loads.generators_of(generators, load_cpus=where.load_cpus),
        placement=where,
        limits=loads.limits_of(cpus=cpus, memory=memory),
        requests=requests,
        duration_s=duration,
        timeout_s=timeout,
        connections=connections,
        parameters=param or [],
        port=port,
        python=python,
        with_requirements=with_ or [],
    )
    specs = plan.trials(deployments, options=options)
    measurer = TrialMeasurer(machinery.real())
    for spec in specs:
        measurer.check(spec)  # what cannot be is told before anything is stored
    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=verbose)
    folder = results.new_folder(out, name=_name(targets))
    return _measure(specs, measurer=measurer, folder=folder, printer=printer)


def _measure(
    specs: Sequence["TrialSpec"],
    *,
    measurer: "Measurer",
    folder: "RunFolder",
    printer: "Printer",
) -> int:
    from servelab.experiment import runner
    from servelab.model.trial import Trial
    from servelab.report import runs
    from servelab.store.folder import RunEnd

    measured: list[Trial] = []
    skipped: dict[str, str] = {}
    interrupted, error = False, None
    with printer.live() as observe:
        try:
            for item in runner.run(specs, measurer=measurer, folder=folder, observe=observe):
                if isinstance(item, Trial):
                    measured.append(item)
                    printer.trial(item)
                else:
                    skipped[item.deployment] = item.reason
                    printer.skipped(item)
        except KeyboardInterrupt:
            interrupted = True
        except ServelabError as stopped:
            interrupted, error = True, stopped
    with contextlib.suppress(StoreError):  # a full disk keeps nothing more, and is told below
        folder.close(RunEnd(planned=len(specs), interrupted=interrupted, skipped=skipped))
    printer.finish(runs.read(folder.path))
    if error is not None:
        raise error
    return status.INTERRUPTED if interrupted else status.of_trials(measured)


def _name(targets: Sequence[str]) -> str:
    """Return a folder name's tail: the only stack, or how many, and the workload."""
    *deployments, workload = targets
    first = deployments[0].partition(":")[0]
    return f"{first}-{workload}" if len(deployments) == 1 else f"{len(deployments)}-{workload}"


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
