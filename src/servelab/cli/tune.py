"""`servelab tune`: race servers and settings for an application of the user's."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servelab.cli import (
    amounts,
    loads,
    measuring,
    option_types,
    rehearsed,
    requested,
    results,
    slo_text,
    status,
)
from servelab.errors import ServelabError, StoreError

if TYPE_CHECKING:
    from servelab.measure.trial import TrialMeasurer
    from servelab.model.trial import Trial
    from servelab.model.tuning import TuningOrder
    from servelab.report.printers import Printer
    from servelab.store.folder import RunFolder, StoredRun

DEFAULT_CALLERS = 50
_RACING = "How it is searched"


def tune(
    application: option_types.Application,
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
        str,
        typer.Option(metavar="15m", help="How long all trials may take.", rich_help_panel=_RACING),
    ] = "15m",
    delta: Annotated[
        str,
        typer.Option(
            metavar="3%",
            help="The largest difference that means nothing to you.",
            rich_help_panel=_RACING,
        ),
    ] = "3%",
    path: option_types.Paths = None,
    requests_file: option_types.RequestsFile = None,
    header: option_types.Headers = None,
    expect_status: option_types.ExpectedStatus = None,
    ignore: option_types.Ignored = None,
    only: option_types.Only = None,
    environment: option_types.UsersEnvironment = None,
    variable: option_types.Variables = None,
    project: option_types.Project = Path(),
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
    out: option_types.ResultsFolder = None,
    as_json: option_types.AsJson = False,
    quiet: option_types.Quiet = False,
    verbose: option_types.Verbose = False,
) -> int:
    """Find the server and the settings that serve your application best."""
    import msgspec

    from servelab.cli import race_space, requested_service
    from servelab.model.limits import parse_memory
    from servelab.model.tuning import Tuning, TuningOrder
    from servelab.model.verdict import Judging
    from servelab.report import printers

    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=verbose)
    found = requested_service.find(
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
        )
    )
    options = requested.options_of(
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
            timeout_s=timeout,
            connections=connections,
            port=port,
        ),
        workload=found.service.label,
        interpreter=found.interpreter,
        waiting_s=0.0,
        default_callers=DEFAULT_CALLERS,
    )
    objective = None if slo is None else slo_text.parse(slo)
    options = msgspec.structs.replace(options, service=found.service, slo=objective)
    measurer = measuring.new_measurer()
    measurer.check(options)
    cpu_count = measurer.place(options).server_core_count
    space = race_space.lay_out(found.service, only=only or (), cpu_count=cpu_count)
    tuning = Tuning(
        space=space.ways,
        benchmarks=space.benchmarks,
        slo=objective,
        memory_limit_bytes=None if memory is None else parse_memory(memory),
        most_s=amounts.seconds(budget, option="--budget"),
        seed=seed or 0,
        judging=Judging(delta=amounts.share(delta, option="--delta")),
    )
    folder = results.new_folder(out, name=f"tune-{measuring.file_name(options.workload)}")
    agreement = rehearsed.rehearse(
        space.starts,
        options=options,
        measurer=measurer,
        folder=folder,
        printer=printer,
        ignored=requested_service.patterns(ignore or ()),
    )
    service = msgspec.structs.replace(found.service, asked=agreement.asked)
    order = TuningOrder(
        tuning=race_space.without(tuning, space=space, excluded=dict(agreement.excluded)),
        options=msgspec.structs.replace(options, service=service),
        cpu_count=cpu_count,
        warm_up_s=warm_up,
        excluded=dict(agreement.excluded),
    )
    folder.keep_race(order)
    return status_of(
        measure(order, made=(), skipped={}, measurer=measurer, folder=folder, printer=printer)
    )


def measure(
    order: "TuningOrder",
    *,
    made: Sequence["Trial"],
    skipped: Mapping[str, str],
    measurer: "TrialMeasurer",
    folder: "RunFolder",
    printer: "Printer",
) -> "StoredRun":
    """Race into a folder; return what is stored then."""
    from servelab.cli import race_space
    from servelab.experiment import tuning_race
    from servelab.model.trial import Trial
    from servelab.report import runs
    from servelab.store.folder import RunEnd

    left_out = dict(skipped)
    interrupted, error = False, None
    with printer.live() as observe:
        try:
            for item in tuning_race.race(
                order,
                deployment_of=race_space.deployment_of(order),
                made=made,
                skipped=skipped,
                measurer=measurer,
                folder=folder,
                observe=observe,
            ):
                if isinstance(item, Trial):
                    printer.step(item)
                else:
                    left_out[item.deployment] = item.reason
                    printer.skipped(item)
        except KeyboardInterrupt:
            interrupted = True
        except ServelabError as stopped:
            interrupted, error = True, stopped
    with contextlib.suppress(StoreError):  # a full disk keeps nothing more, and is told below
        folder.close(RunEnd(planned=None, interrupted=interrupted, skipped=left_out))
    run = runs.read(folder.path)
    printer.finish(run)
    if error is not None:
        raise error
    return run


def status_of(run: "StoredRun") -> int:
    """Return 0 where there is a winner that can be told, 1 where nothing serves, 3 otherwise."""
    from servelab.model.tuning import RaceEnding
    from servelab.report import tune_view

    if any(trial.audit_errors for trial in run.trials):
        return status.BUG
    if run.end.interrupted:
        return status.INTERRUPTED
    found = tune_view.result(run)
    if found is not None and found.ending is RaceEnding.NOTHING_RUNS:
        return status.FAILED
    if found is None or found.winner is None:
        return status.INVALID
    is_told = found.verdicts is not None and found.verdicts.doubt is None
    return status.OK if is_told and found.meets_slo else status.INVALID
