"""`servelab capacity`: the highest rate at which a deployment meets an objective."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from servelab.cli import (
    amounts,
    loads,
    measuring,
    option_types,
    recording,
    requested,
    results,
    slo_text,
    status,
)
from servelab.errors import UsageError

if TYPE_CHECKING:
    from servelab.measure.trial import TrialMeasurer
    from servelab.model.capacity import CapacityGoal, CapacityOrder, CapacityResult
    from servelab.model.deployment import Deployment
    from servelab.model.plan import RunOptions
    from servelab.model.slo import Slo
    from servelab.report.printers import Printer
    from servelab.store.folder import RunFolder, StoredRun

_SEARCHING = "How it is searched"


def capacity(
    deployment: Annotated[
        str,
        typer.Argument(metavar="DEPLOYMENT", help="A deployment, STACK[:key=value,...][@PYTHON]."),
    ],
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", help="The work of one call.")],
    slo: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="The objective, such as p99<200ms or p90<1s,failures<0.5%."
        ),
    ],
    start: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1e5,
            help="The first rate that is tried. [default: where a trial lasts a minute, at least "
            "10/s]",
            rich_help_panel=_SEARCHING,
        ),
    ] = None,
    duration: Annotated[
        float,
        typer.Option(
            min=1,
            max=3600,
            help="Seconds of a trial that confirms, at least; those before are a third and a "
            "sixth of it.",
            rich_help_panel=_SEARCHING,
        ),
    ] = 60.0,
    budget: Annotated[
        str | None,
        typer.Option(metavar="15m", help="Stop after that time.", rich_help_panel=_SEARCHING),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of all that is random.", rich_help_panel=_SEARCHING)
    ] = 0,
    pacing: option_types.PacingName = "timer",
    generators: option_types.GeneratorCount = "1",
    timeout: option_types.Timeout = None,
    connections: option_types.ConnectionsName = None,
    param: option_types.Parameters = None,
    port: option_types.Port = None,
    python: option_types.Python = None,
    with_: option_types.Requirements = None,
    server_cpus: option_types.ServerCpus = loads.AUTO,
    load_cpus: option_types.LoadCpus = loads.AUTO,
    cpus: option_types.CpuLimit = None,
    memory: option_types.MemoryLimit = None,
    front: option_types.Front = None,
    out: option_types.ResultsFolder = None,
    as_json: option_types.AsJson = False,
    quiet: option_types.Quiet = False,
    verbose: option_types.Verbose = False,
) -> int:
    """Search for the highest rate at which a deployment meets an objective."""
    from servelab.model.capacity import CapacityOrder
    from servelab.report import printers

    order = CapacityOrder(
        goal=_goal(slo_text.parse(slo), start_per_s=start, confirmation_s=duration, seed=seed),
        budget_s=None if budget is None else amounts.seconds(budget, option="--budget"),
    )
    deployments, options = requested.parse(
        [deployment, workload],
        parameters=param or [],
        typed=requested.Typed(
            rate_per_s=order.goal.first_rate_per_s,
            seed=seed,
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
            pythons=[] if python is None else [python],
            with_requirements=with_ or [],
        ),
    )
    chosen = _only(deployments, typed=deployment)
    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=verbose)
    measurer = measuring.new_measurer()
    measurer.check(options)  # what cannot be is told before anything is stored
    folder = results.new_folder(out, name=f"capacity-{chosen.stack}-{workload}")
    folder.keep_order(order)
    return _measure(
        chosen, options=options, order=order, measurer=measurer, folder=folder, printer=printer
    )


def _goal(
    slo: "Slo", *, start_per_s: float | None, confirmation_s: float, seed: int
) -> "CapacityGoal":
    from servelab import capacity as controller
    from servelab.model.capacity import CapacityGoal

    lowest_per_s = controller.lowest_rate_per_s(slo)
    first_per_s = start_per_s or controller.default_first_rate_per_s(slo)
    return CapacityGoal(
        slo=slo,
        first_rate_per_s=first_per_s,
        lowest_rate_per_s=min(lowest_per_s, first_per_s),
        confirmation_s=confirmation_s,
        seed=seed,
    )


def _only(deployments: Sequence["Deployment"], *, typed: str) -> "Deployment":
    if len(deployments) > 1:
        names = ", ".join(each.name for each in deployments[:3])
        raise UsageError(
            f"{typed} means {len(deployments)} deployments, and a search takes one: {names}"
            + (", ..." if len(deployments) > 3 else "")  # noqa: PLR2004
        )
    return deployments[0]


def _measure(
    deployment: "Deployment",
    *,
    options: "RunOptions",
    order: "CapacityOrder",
    measurer: "TrialMeasurer",
    folder: "RunFolder",
    printer: "Printer",
) -> int:
    from servelab.experiment import capacity_search
    from servelab.experiment.capacity_search import Searched
    from servelab.report import capacity_view
    from servelab.store.folder import RunEnd

    expected = capacity_search.expectations(order.goal)
    printer.note(capacity_view.expectation(order, durations=expected))
    made: list[Searched] = []
    run, interrupted, error = recording.record(
        lambda observe: capacity_search.search(
            deployment,
            options=options,
            order=order,
            measurer=measurer,
            folder=folder,
            observe=observe,
        ),
        take=made.append,
        end=lambda interrupted: RunEnd(planned=len(made), interrupted=interrupted),
        folder=folder,
        printer=printer,
    )
    printer.finish(run)
    if error is not None:
        raise error
    return status.INTERRUPTED if interrupted else _status(run)


def _status(run: "StoredRun") -> int:
    from servelab.report import capacity_view

    if any(trial.audit_errors for trial in run.trials):
        return status.BUG
    found = capacity_view.result(run)
    return status.INVALID if found is None else _status_of(found, run=run)


def _status_of(found: "CapacityResult", *, run: "StoredRun") -> int:
    from servelab.model.capacity import Ending
    from servelab.model.trial import TrialStatus

    match found.answer.ending:
        case Ending.CONFIRMED:
            return status.OK
        case Ending.TOO_SLOW:
            return status.FAILED
        case Ending.NOTHING_SAID if run.trials[-1].status is TrialStatus.FAILED:
            return status.FAILED
        case _:
            return status.INVALID
