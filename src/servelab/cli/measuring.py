"""A plan made true: measured, told, stored; what `run` and `compare` have in common."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from servelab.cli import recording, results, status, typed_pythons
from servelab.errors import UsageError

if TYPE_CHECKING:
    from servelab.experiment.plan import Past
    from servelab.measure.trial import TrialMeasurer
    from servelab.model.deployment import Deployment
    from servelab.model.plan import Plan
    from servelab.report.printers import Printer
    from servelab.store.folder import RunFolder, StoredRun

_LONGEST_NAME = 60


def begin(
    plan: "Plan", *, deployments: Sequence["Deployment"], out: Path | None, printer: "Printer"
) -> "StoredRun":
    """Measure a plan into a new folder; return what is stored then."""
    measurer = new_measurer()
    measurer.check(plan.options)  # what cannot be is told before anything is stored
    folder = results.new_folder(out, name=name_of(plan))
    return go_on(
        plan,
        deployments=deployments,
        skipped={},
        measurer=measurer,
        folder=folder,
        printer=printer,
    )


def go_on(
    plan: "Plan",
    *,
    deployments: Sequence["Deployment"],
    skipped: Mapping[str, str],
    measurer: "TrialMeasurer",
    folder: "RunFolder",
    printer: "Printer",
    beside_load_s: float | None = None,
) -> "StoredRun":
    """Measure a plan into a folder that is there; of what was skipped already, the reason.

    `beside_load_s` is what a rehearsal saw that a trial takes beside its load.
    """
    from servelab.experiment.plan import Past

    folder.keep_plan(plan)
    if not plan.is_single:
        printer.note(_expectation(plan, deployments=deployments, beside_load_s=beside_load_s))
    return _measure(
        plan,
        deployments=deployments,
        skipped=skipped,
        measurer=measurer,
        folder=folder,
        past=Past(),
        printer=printer,
    )


def resume(
    path: Path, *, with_requirements: Sequence[str] | None, printer: "Printer"
) -> "StoredRun":
    """Measure what is missing of a plan that was interrupted; return what is stored then.

    Requirements are given again where they hold credentials, which are not stored.
    """
    from servelab.experiment.plan import past_of
    from servelab.store import folder as stored

    if stored.holds_race(path):
        raise UsageError(f"{path} holds a race; go on with: servelab tune --resume {path}")
    folder = stored.reopen(path)
    run = stored.read(path)
    assert run.plan is not None  # noqa: S101 - reopen has read it
    plan = _with_credentials(run.plan, given=with_requirements or (), path=path)
    plan = _with_service(plan, path=path)
    typed_pythons.refuse_others(plan.options)
    measurer = new_measurer()
    return _measure(
        plan,
        deployments=_deployments(plan, measurer=measurer),
        skipped={},
        measurer=measurer,
        folder=folder,
        past=past_of(run.trials),
        printer=printer,
    )


def _deployments(plan: "Plan", *, measurer: "TrialMeasurer") -> tuple["Deployment", ...]:
    """Return the deployments of a stored plan; raise UnknownName or UsageError."""
    from servelab import catalogue

    if plan.options.service is None:
        return catalogue.deployments_named(plan.deployments)
    return catalogue.own_deployments_named(
        plan.deployments,
        service=plan.options.service,
        cpu_count=measurer.place(plan.options).server_core_count,
    )


def _with_credentials(plan: "Plan", *, given: Sequence[str], path: Path) -> "Plan":
    """Return a stored plan with the requirements as they were typed; UsageError."""
    import msgspec

    from servelab.store import redaction

    stored = plan.options.with_requirements
    if given and tuple(map(redaction.requirement, given)) != stored:
        raise UsageError(f"--resume goes on with the requirements in {path}; leave --with out")
    if not given and any(redaction.HIDDEN in text for text in stored):
        raise UsageError(
            f"{path} does not hold the credentials of its requirements; give them again, with "
            + " ".join(f"--with {text!r}" for text in stored)
        )
    if not given:
        return plan
    options = msgspec.structs.replace(plan.options, with_requirements=tuple(given))
    return msgspec.structs.replace(plan, options=options)


def _with_service(plan: "Plan", *, path: Path) -> "Plan":
    """Return a stored plan with what is not stored of the user's application; UsageError."""
    import msgspec

    from servelab.cli import restored

    if plan.options.service is None:
        return plan
    service = restored.service(plan.options.service, given=restored.Given(), path=path)
    options = msgspec.structs.replace(plan.options, service=service)
    return msgspec.structs.replace(plan, options=options)


def tell(plan: "Plan", *, deployments: Sequence["Deployment"]) -> None:
    """Print a plan without measuring it."""
    from servelab.experiment.plan import Planner
    from servelab.report import plan_view, terminal

    terminal.write(
        plan_view.text(
            plan,
            rounds=Planner(plan, deployments=deployments).preview(_rounds_to_expect(plan)),
            expected=_expectation(plan, deployments=deployments),
        )
    )


def refuse_both(targets: Sequence[str] | None, *, resumed: Path | None) -> None:
    """Raise UsageError where a stored plan is to be gone on with and another one was typed."""
    if resumed is not None and targets:
        raise UsageError(
            f"--resume goes on with the plan in {resumed}; leave {' '.join(targets)} out"
        )


def status_of(run: "StoredRun") -> int:
    """Return the exit status of what is stored."""
    return status.INTERRUPTED if run.end.interrupted else status.of_trials(run.trials)


def new_measurer() -> "TrialMeasurer":
    """Return what makes trials on this machine."""
    from servelab.measure import machinery
    from servelab.measure.trial import TrialMeasurer

    return TrialMeasurer(machinery.real())


def _measure(
    plan: "Plan",
    *,
    deployments: Sequence["Deployment"],
    skipped: Mapping[str, str],
    measurer: "TrialMeasurer",
    folder: "RunFolder",
    past: "Past",
    printer: "Printer",
) -> "StoredRun":
    from servelab.experiment import runner
    from servelab.experiment.plan import Planner
    from servelab.model.progress import Skipped
    from servelab.model.trial import Trial
    from servelab.store.folder import RunEnd

    recording.tell_of_others(measurer, printer=printer)
    planner = Planner(plan, deployments=deployments)
    left_out = dict(skipped)

    def take(item: Trial | Skipped) -> None:
        if isinstance(item, Trial):
            (printer.trial if plan.is_single else printer.step)(item)
        else:
            left_out[item.deployment] = item.reason
            printer.skipped(item)

    run, _, error = recording.record(
        lambda observe: runner.run(
            planner, past=past, measurer=measurer, folder=folder, observe=observe
        ),
        take=take,
        end=lambda interrupted: RunEnd(
            planned=planner.count, interrupted=interrupted, skipped=left_out
        ),
        folder=folder,
        printer=printer,
    )
    printer.finish(run)
    if error is not None:
        raise error
    return run


def _expectation(
    plan: "Plan", *, deployments: Sequence["Deployment"], beside_load_s: float | None = None
) -> str:
    """Return how long a plan takes, in words."""
    from servelab.experiment import expectation
    from servelab.linux.cpus import cpu_allowance
    from servelab.report import plan_view

    return plan_view.expectation(
        plan,
        expected_s=expectation.seconds(
            plan,
            deployments=deployments,
            rounds=_rounds_to_expect(plan),
            cores=max(1, int(cpu_allowance().cores)),
            beside_load_s=beside_load_s,
        ),
    )


def _rounds_to_expect(plan: "Plan") -> int:
    from servelab.model.verdict import Judging

    return plan.rounds or (plan.judging or Judging()).least_rounds


def name_of(plan: "Plan") -> str:
    """Return a folder name's tail: the only stack, or how many, and the workload."""
    stacks = dict.fromkeys(re.split("[:@+]", name)[0] for name in plan.deployments)
    what = next(iter(stacks)) if len(stacks) == 1 else str(len(plan.deployments))
    return f"{what}-{file_name(plan.options.workload)}"


def file_name(label: str) -> str:
    """Return a label as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-.")[:_LONGEST_NAME]
