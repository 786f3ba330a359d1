"""What stored trials say of a race, and which of them stands for a candidate; no words."""

from collections.abc import Callable, Mapping, Sequence

from servelab import catalogue, tuning
from servelab.explain.disturbance import reasons_to_void
from servelab.model.trial import Role, Trial, TrialStatus
from servelab.model.tuning import Candidate, Measured, RaceEnding, RunnerUp, Tuned, TuningOrder
from servelab.model.verdict import Equivalent
from servelab.store.folder import StoredRun


def result(run: StoredRun) -> Tuned | None:
    """Return what a race found; None of a run that is none."""
    if run.tuning is None:
        return None
    return tuning.answer(past(run, order=run.tuning), tuning=run.tuning.tuning)


def past(run: StoredRun, *, order: TuningOrder) -> tuple[Measured, ...]:
    """Return what stored trials say in a race, in its order, up to the first that is missing."""
    return tuning.replay(
        run.trials,
        tuning=order.tuning,
        name_of=_namer(order),
        disturbed=reasons_to_void,
        skipped=run.end.skipped,
    )


def lightest(found: Tuned) -> RunnerUp | None:
    """Return the lightest of those that are equivalent to the winner and clearly lighter."""
    ratios = {
        each: each.memory_ratio.estimate
        for each in found.runners_up
        if each.is_lighter
        and each.memory_ratio is not None
        and isinstance(each.comparison.verdict, Equivalent)
    }
    return min(ratios, key=ratios.__getitem__, default=None)


def to_serve_with(found: Tuned) -> tuple[Candidate, ...]:
    """Return the winner, then the lightest of its equals; those that there are."""
    lighter = lightest(found)
    return tuple(
        each for each in (found.winner, lighter.candidate if lighter else None) if each is not None
    )


def trial_to_copy(run: StoredRun, found: Tuned, candidate: Candidate) -> Trial:
    """Return the last trial of a candidate of the answer that went well; it has one.

    An objective may allow failures for which all of its trials failed: then the last one of these.
    """
    own = [
        trial
        for trial in trials_by_candidate(run, found)[candidate]
        if trial.role is Role.CANDIDATE and trial.status is not TrialStatus.INVALID
    ]
    return max(own, key=lambda trial: (trial.status is TrialStatus.OK, trial.round))


def trials_by_candidate(run: StoredRun, found: Tuned) -> Mapping[Candidate, Sequence[Trial]]:
    """Return the trials of each candidate that is told of."""
    assert run.tuning is not None  # noqa: S101 - there is a result of it
    name_of = _namer(run.tuning)
    told = [
        *([] if found.winner is None else [found.winner]),
        *(each.candidate for each in found.runners_up),
        *(each.candidate for each in found.losses),
        *(each.candidate for each in found.front),
        *found.held_back,
        *run.tuning.tuning.benchmarks,
    ]
    return {
        candidate: [trial for trial in run.trials if trial.deployment == name_of(candidate)]
        for candidate in told
    }


def _namer(order: TuningOrder) -> Callable[[Candidate], str]:
    service = order.options.service
    assert service is not None  # noqa: S101 - nothing else is raced
    known: dict[Candidate, str] = {}

    def name_of(candidate: Candidate) -> str:
        if candidate not in known:
            known[candidate] = catalogue.own_deployment(
                candidate, service=service, cpu_count=order.cpu_count
            ).name
        return known[candidate]

    return name_of


def is_told(found: Tuned) -> bool:
    """Tell whether a race has come to its end, and what it found can be relied on."""
    return (
        found.winner is not None
        and found.ending is not None
        and (found.verdicts is None or found.verdicts.doubt is None)
    )


def has_won(run: StoredRun, found: Tuned) -> bool:
    """Tell whether the one that is told was raced for as long as a verdict takes."""
    return is_told(found) and run.tuning is not None and not is_early(found, order=run.tuning)


def is_early(found: Tuned, *, order: TuningOrder) -> bool:
    """Tell whether the budget was spent before any verdict could be given."""
    is_spent = found.ending is RaceEnding.SPENT
    return is_spent and found.rounds < order.tuning.judging.least_rounds
