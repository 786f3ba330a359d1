"""The race of trials that are stored: the controller is asked again, round by round; pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from servelab.model.noise import Noise
from servelab.model.slo import Slo
from servelab.model.trial import Role, Trial, TrialStatus
from servelab.model.tuning import Candidate, Entrant, Measured, Outcome, Round, Tuning
from servelab.tuning.race import next_round

Key = tuple[str, Role, int]
"""Deployment, role and round of a trial."""
NameOf = Callable[[Candidate], str]
"""Names the deployment of a candidate."""
Disturbed = Callable[[Noise], Iterable[str]]
"""Tells what makes a trial's whole round void."""


def replay(
    trials: Sequence[Trial],
    *,
    tuning: Tuning,
    name_of: NameOf,
    disturbed: Disturbed,
    skipped: Mapping[str, str],
) -> tuple[Measured, ...]:
    """Return what stored trials say, in the order of the race, up to the first that is missing.

    `skipped` are deployments that could not run here, with the reason.
    """
    known = {(trial.deployment, trial.role, trial.round): trial for trial in trials}
    past: tuple[Measured, ...] = ()
    while isinstance(asked := next_round(past, tuning=tuning), Round):
        made = [
            found
            for entrant in asked.entrants
            if (
                found := _found(
                    entrant,
                    known=known,
                    number=asked.number,
                    name=name_of(entrant.candidate),
                    slo=tuning.slo,
                    disturbed=disturbed,
                    skipped=skipped,
                )
            )
        ]
        past = (*past, *made)
        if len(made) < len(asked.entrants):
            break
    return past


def _found(
    entrant: Entrant,
    *,
    known: Mapping[Key, Trial],
    number: int,
    name: str,
    slo: Slo | None,
    disturbed: Disturbed,
    skipped: Mapping[str, str],
) -> Measured | None:
    trial = known.get((name, entrant.role, number))
    if trial is not None:
        return measured(trial, entrant=entrant, slo=slo, disturbed=disturbed)
    if name in skipped:
        return not_run(entrant, number=number, reason=skipped[name])
    return None


def not_run(entrant: Entrant, *, number: int, reason: str) -> Measured:
    """Return what a candidate that cannot run here says."""
    return Measured(
        candidate=entrant.candidate,
        role=entrant.role,
        round=number,
        outcome=Outcome.FAILED,
        reason=reason,
    )


def measured(trial: Trial, *, entrant: Entrant, slo: Slo | None, disturbed: Disturbed) -> Measured:
    """Return what one trial of a race says; one that cannot be ranked says nothing."""
    outcome, reason = _outcome(trial)
    return Measured(
        candidate=entrant.candidate,
        role=entrant.role,
        round=trial.round,
        outcome=outcome,
        rate_per_s=trial.throughput_per_s if slo is None else trial.goodput_per_s,
        peak_memory_bytes=trial.peak_memory_bytes,
        meets_slo=_meets(trial, slo=slo),
        seconds=trial.took_s,
        is_void=trial.noise is not None and any(disturbed(trial.noise)),
        reason=reason,
    )


def _outcome(trial: Trial) -> tuple[Outcome, str | None]:
    if trial.status is TrialStatus.FAILED:
        return Outcome.FAILED, trial.reason
    if trial.status is TrialStatus.INVALID:
        return Outcome.INVALID, trial.reason
    if not trial.is_rankable:
        unfit = trial.why_unrankable
        return Outcome.INVALID, unfit
    return Outcome.MEASURED, None


def _meets(trial: Trial, *, slo: Slo | None) -> bool:
    """Tell whether a trial met the objective; one with too few requests for it did not."""
    if slo is None:
        return True
    value_s = None if trial.response_time_s is None else slo.of(trial.response_time_s)
    return (
        value_s is not None and value_s < slo.target_s and trial.failure_share <= slo.failure_limit
    )
