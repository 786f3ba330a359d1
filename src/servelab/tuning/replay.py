"""The race of trials that are stored: the controller is asked again, round by round; pure."""

from collections.abc import Callable, Iterable, Mapping

from servelab.model.noise import Noise
from servelab.model.slo import Slo
from servelab.model.trial import Trial, TrialStatus
from servelab.model.tuning import Candidate, Entrant, Measured, Outcome, Round, Tuning
from servelab.tuning.race import next_round

NameOf = Callable[[Candidate], str]
"""Names the deployment of a candidate."""
Disturbed = Callable[[Noise], Iterable[str]]
"""Tells what makes a trial's whole round void."""


class Told:
    """What stored trials say of the entrants of any round."""

    def __init__(
        self,
        trials: Iterable[Trial],
        *,
        slo: Slo | None,
        name_of: NameOf,
        disturbed: Disturbed,
        skipped: Mapping[str, str],
    ) -> None:
        self._known = {(trial.deployment, trial.role, trial.round): trial for trial in trials}
        self._slo = slo
        self._name_of = name_of
        self._disturbed = disturbed
        self._skipped = skipped

    def of(self, entrant: Entrant, *, number: int) -> Measured | None:
        """Return what an entrant's trial of a round said; None where it was not made."""
        name = self._name_of(entrant.candidate)
        trial = self._known.get((name, entrant.role, number))
        if trial is not None:
            return measured(trial, entrant=entrant, slo=self._slo, disturbed=self._disturbed)
        if name in self._skipped:
            return not_run(entrant, number=number, reason=self._skipped[name])
        return None


def replay(
    trials: Iterable[Trial],
    *,
    tuning: Tuning,
    name_of: NameOf,
    disturbed: Disturbed,
    skipped: Mapping[str, str],
) -> tuple[Measured, ...]:
    """Return what stored trials say, in the order of the race, up to the first that is missing.

    `skipped` are deployments that could not run here, with the reason.
    """
    told = Told(trials, slo=tuning.slo, name_of=name_of, disturbed=disturbed, skipped=skipped)
    past: tuple[Measured, ...] = ()
    while isinstance(asked := next_round(past, tuning=tuning), Round):
        said = [told.of(each, number=asked.number) for each in asked.entrants]
        past = (*past, *(each for each in said if each is not None))
        if None in said:
            break
    return past


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
    """Return what one trial of a race says."""
    outcome, reason = _outcome(trial, slo=slo)
    return Measured(
        candidate=entrant.candidate,
        role=entrant.role,
        round=trial.round,
        outcome=outcome,
        rate_per_s=trial.throughput_per_s if slo is None else trial.goodput_per_s,
        peak_memory_bytes=trial.whole_peak_memory_bytes,
        meets_slo=_meets(trial, slo=slo),
        slo_value_s=_value_s(trial, slo=slo),
        failure_share=trial.failure_share,
        seconds=trial.took_s,
        is_lower_limit=trial.why_unrankable is not None,
        is_void=trial.noise is not None and any(disturbed(trial.noise)),
        reason=reason,
    )


def _outcome(trial: Trial, *, slo: Slo | None) -> tuple[Outcome, str | None]:
    """Return what became of it.

    One that the generator held back is measured all the same: its rate is a lower limit, and to
    leave it out would leave out the fastest.
    """
    if trial.status is TrialStatus.INVALID:
        return Outcome.INVALID, trial.reason
    if trial.status is TrialStatus.FAILED and not _is_allowed(trial, slo=slo):
        return Outcome.FAILED, trial.reason
    return Outcome.MEASURED, None


def _is_allowed(trial: Trial, *, slo: Slo | None) -> bool:
    """Tell whether an objective allows the failures for which alone a trial failed."""
    return (
        slo is not None
        and trial.merely_exceeds_failure_limit
        and trial.failure_share <= slo.failure_limit
    )


def _meets(trial: Trial, *, slo: Slo | None) -> bool:
    """Tell whether a trial met the objective."""
    if slo is None:
        return True
    if trial.failure_share > slo.failure_limit:
        return False
    value_s = _value_s(trial, slo=slo)
    if value_s is not None:
        return value_s < slo.target_s
    # Too few requests for the quantile: how many of them were in time is the same question.
    share = _share_in_time(trial)
    return share is not None and share >= 1 - slo.beyond_share


def _share_in_time(trial: Trial) -> float | None:
    """Return correct answers within the objective's time over all requests; None without any."""
    if trial.goodput_per_s is None or not trial.throughput_per_s:
        return None
    return (1 - trial.failure_share) * trial.goodput_per_s / trial.throughput_per_s


def _value_s(trial: Trial, *, slo: Slo | None) -> float | None:
    return None if slo is None or trial.response_time_s is None else slo.of(trial.response_time_s)
