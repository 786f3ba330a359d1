"""A race made true: measured, told, stored, gone on with, and its answer as files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from servelab.cli import measuring, ready_race, recording, status
from servelab.errors import UsageError

if TYPE_CHECKING:
    from servelab.cli.restored import Given
    from servelab.measure.trial import TrialMeasurer
    from servelab.model.deployment import Deployment
    from servelab.model.trial import Trial
    from servelab.model.tuning import TuningOrder
    from servelab.report.printers import Printer
    from servelab.store.folder import RunFolder, StoredRun


def begin(
    order: "TuningOrder",
    *,
    measurer: "TrialMeasurer",
    folder: "RunFolder",
    elsewhere: ready_race.Elsewhere,
    beside_load_s: float | None,
    printer: "Printer",
) -> "StoredRun":
    """Race into a new folder; return what is stored then.

    `beside_load_s` is what the rehearsal saw that a trial takes beside its load.
    """
    folder.keep_race(order)
    printer.note(_expectation(order, beside_load_s=beside_load_s))
    return _measure(
        order,
        made=(),
        skipped={},
        measurer=measurer,
        folder=folder,
        elsewhere=elsewhere,
        printer=printer,
    )


def resume(
    path: Path,
    *,
    given: "Given",
    budget: str | None = None,
    only: Sequence[str] = (),
    elsewhere: ready_race.Elsewhere,
    printer: "Printer",
) -> "StoredRun":
    """Go on with a race that was interrupted; of one that is over, tell the answer again.

    With another budget, or with fewer ways, it is another race from there on, and stored as such.
    """
    import msgspec

    from servelab.cli import altered_race, amounts, reheard, restored, typed_pythons
    from servelab.report import runs
    from servelab.store import folder as stored

    if not stored.holds_race(path):
        raise UsageError(f"{path} holds no race; go on with: servelab run --resume {path}")
    folder = stored.reopen(path)
    run = runs.read(path)
    assert run.tuning is not None  # noqa: S101 - asked above
    options = run.tuning.options
    assert options.service is not None  # noqa: S101 - nothing else is believed
    typed_pythons.refuse_others(options)
    service = restored.service(options.service, given=given, path=path)
    order = altered_race.altered(
        msgspec.structs.replace(
            run.tuning, options=msgspec.structs.replace(options, service=service)
        ),
        most_s=None if budget is None else amounts.seconds(budget, option="--budget"),
        only=only,
        path=path,
    )
    measurer = measuring.new_measurer()
    coming = _coming(run, order=order)
    if coming:
        order = msgspec.structs.replace(
            order,
            options=reheard.hear(
                coming,
                made=run.trials,
                options=order.options,
                measurer=measurer,
                folder=folder,
                path=path,
                printer=printer,
            ),
        )
    if order.tuning != run.tuning.tuning:
        folder.keep_race(order)
    return _measure(
        order,
        made=run.trials,
        # What could not run may run now, unless the race is over without it.
        skipped={} if coming else run.end.skipped,
        measurer=measurer,
        folder=folder,
        elsewhere=elsewhere,
        printer=printer,
    )


def _coming(run: "StoredRun", *, order: "TuningOrder") -> "list[Deployment]":
    """Return what the next round of a stored race has; nothing where the race is over."""
    from servelab import tuning
    from servelab.cli import race_space
    from servelab.model.tuning import Round
    from servelab.report import race_result

    asked = tuning.next_round(race_result.past(run, order=order), tuning=order.tuning)
    if not isinstance(asked, Round):
        return []
    deployment_of = race_space.deployment_of(order)
    return [deployment_of(each) for each in dict.fromkeys(e.candidate for e in asked.entrants)]


def tell(order: "TuningOrder") -> None:
    """Print what would be raced, without measuring it."""
    from servelab.experiment import expectation
    from servelab.report import race_plan_view, terminal

    terminal.write(race_plan_view.text(order, expected=expectation.of_race(order)))


def _expectation(order: "TuningOrder", *, beside_load_s: float | None) -> str:
    from servelab.experiment import expectation
    from servelab.report import race_plan_view

    expected = expectation.of_race(order, beside_load_s=beside_load_s)
    return race_plan_view.expectation(order, expected=expected)


def _measure(
    order: "TuningOrder",
    *,
    made: Sequence["Trial"],
    skipped: Mapping[str, str],
    measurer: "TrialMeasurer",
    folder: "RunFolder",
    elsewhere: ready_race.Elsewhere,
    printer: "Printer",
) -> "StoredRun":
    from servelab.cli import race_space
    from servelab.experiment import tuning_race
    from servelab.model.progress import Skipped
    from servelab.model.trial import Trial
    from servelab.store.folder import RunEnd

    recording.tell_of_others(measurer, printer=printer)
    left_out = dict(skipped)

    def take(item: Trial | Skipped) -> None:
        if isinstance(item, Trial):
            printer.step(item)
        else:
            left_out[item.deployment] = item.reason
            printer.skipped(item)

    run, _, error = recording.record(
        lambda observe: tuning_race.race(
            order,
            deployment_of=race_space.deployment_of(order),
            made=made,
            skipped=skipped,
            measurer=measurer,
            folder=folder,
            observe=observe,
        ),
        take=take,
        end=lambda interrupted: RunEnd(planned=None, interrupted=interrupted, skipped=left_out),
        folder=folder,
        printer=printer,
    )
    if error is None:
        _finish(run, order=order, elsewhere=elsewhere, printer=printer)
        return run
    printer.finish(run)
    raise error


def _finish(
    run: "StoredRun",
    *,
    order: "TuningOrder",
    elsewhere: ready_race.Elsewhere,
    printer: "Printer",
) -> None:
    """Tell what was found; where something won, write how to serve with it."""
    from servelab.report import race_result

    found = race_result.result(run)
    has_won = found is not None and race_result.is_told(found) and not run.end.interrupted
    if found is None or not has_won:
        printer.finish(run)
        if elsewhere.folder is not None:
            printer.note(f"Nothing has won, and nothing is written to {elsewhere.folder}.")
        return
    ready_race.into_results(run, found, order=order, printer=printer)
    printer.finish(run)
    ready_race.elsewhere(run, found, order=order, asked=elsewhere, printer=printer)


def status_of(run: "StoredRun") -> int:
    """Return 0 where there is a winner that can be told, 1 where all have failed, 3 otherwise."""
    from servelab.report import no_winner, race_result

    if any(trial.audit_errors for trial in run.trials):
        return status.BUG
    if run.end.interrupted:
        return status.INTERRUPTED
    found = race_result.result(run)
    if found is not None and no_winner.nothing_serves(found):
        return status.FAILED
    if found is None:
        return status.INVALID
    return status.OK if race_result.has_won(run, found) and found.meets_slo else status.INVALID
