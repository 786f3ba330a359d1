"""The tables of a run: one for each workload, of single trials or of rounds."""

from collections.abc import Iterable

from servelab.model.trial import Trial
from servelab.report import race_result, rounds_view, stopping_table, tune_view, view
from servelab.store.folder import StoredRun


def deployed(run: StoredRun, *, workload: str) -> tuple[Trial, ...]:
    """Return a run's trials of a workload; load alone is none, nor is a search's probe."""
    return tuple(trial for trial in _deployed(run) if trial.workload == workload)


def workloads(run: StoredRun) -> tuple[str, ...]:
    """Return the workloads of a run, in the order in which they were measured."""
    return tuple(dict.fromkeys(trial.workload for trial in _deployed(run)))


def _deployed(run: StoredRun) -> Iterable[Trial]:
    return (trial for trial in run.trials if not trial.is_load_alone and trial.step is None)


def tables(run: StoredRun) -> Iterable[view.Table]:
    """Yield the table of each workload; of a race, how it ended, and rate against memory."""
    found = race_result.result(run)
    if found is not None:
        page = tune_view.page(run, found)
        yield page.table
        if page.front is not None:
            yield page.front
        return
    for workload in workloads(run):
        trials = deployed(run, workload=workload)
        if rounds_view.are_rounds(run):
            yield rounds_view.table(trials, plan=run.plan, workload=workload)
        else:
            yield view.table(trials, workload=workload)


def stopping_tables(run: StoredRun) -> Iterable[view.Table]:
    """Yield how the deployments took SIGTERM under load, for each workload."""
    for workload in workloads(run):
        found = stopping_table.table(deployed(run, workload=workload), workload=workload)
        if found is not None:
            yield found
