"""Exit statuses."""

from collections.abc import Iterable

from servelab.model.trial import Trial, TrialStatus

OK = 0
FAILED = 1
USAGE = 2
INVALID = 3
BUG = 70
INTERRUPTED = 130


def of_trials(trials: Iterable[Trial]) -> int:
    """Return the status of a run: a bug outweighs a failed trial, and that an invalid one."""
    finished = tuple(trials)
    if any(trial.audit_errors for trial in finished):
        return BUG
    found = {trial.status for trial in finished}
    if not found:
        return USAGE
    if TrialStatus.FAILED in found:
        return FAILED
    return INVALID if TrialStatus.INVALID in found else OK
