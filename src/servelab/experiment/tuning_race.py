"""Races candidates: makes each trial that the controller asks for, and stores it at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from servelab import tuning
from servelab.experiment.plan import trial_spec
from servelab.experiment.runner import Measurer, make
from servelab.explain.disturbance import reasons_to_void
from servelab.model.deployment import Deployment
from servelab.model.progress import Event, Skipped, TrialStarted
from servelab.model.trial import Trial, TrialSpec
from servelab.model.tuning import Candidate, Entrant, Measured, Round, TuningOrder
from servelab.store.folder import RunFolder

DeploymentOf = Callable[[Candidate], Deployment]


def race(
    order: TuningOrder,
    *,
    deployment_of: DeploymentOf,
    made: Sequence[Trial] = (),
    skipped: Mapping[str, str],
    measurer: Measurer,
    folder: RunFolder,
    observe: Callable[[Event], None],
) -> Iterator[Trial | Skipped]:
    """Yield each trial once it is on the disk, and each candidate that cannot run here.

    `made` are the trials of an earlier, interrupted run of the same race, `skipped` what could not
    run then. None of them is made again: not even those of rounds after one that lacks a trial.
    Raise PortBusy where somebody else has a candidate's port: no race is lost by that.
    """
    told = tuning.Told(
        made,
        slo=order.tuning.slo,
        name_of=lambda each: deployment_of(each).name,
        disturbed=reasons_to_void,
        skipped=skipped,
    )
    past: list[Measured] = []
    while isinstance(asked := tuning.next_round(past, tuning=order.tuning), Round):
        for index, entrant in enumerate(asked.entrants, start=1):
            said = told.of(entrant, number=asked.number)
            if said is None:
                deployment = deployment_of(entrant.candidate)
                observe(
                    TrialStarted(
                        title=deployment.title,
                        index=index,
                        count=len(asked.entrants),
                        round=asked.number,
                    )
                )
                spec = _spec(entrant, deployment=deployment, order=order, number=asked.number)
                item = make(spec, measurer=measurer, folder=folder, observe=observe)
                said = _said(item, entrant=entrant, order=order, number=asked.number)
                yield item
                if isinstance(item, Trial) and item.audit_errors:
                    return
            past.append(said)


def _spec(
    entrant: Entrant, *, deployment: Deployment, order: TuningOrder, number: int
) -> TrialSpec:
    spec = trial_spec(
        deployment, options=order.options, round_number=number, warm_up_s=order.warm_up_s
    )
    return msgspec.structs.replace(spec, role=entrant.role)


def _said(item: Trial | Skipped, *, entrant: Entrant, order: TuningOrder, number: int) -> Measured:
    if isinstance(item, Skipped):
        return tuning.not_run(entrant, number=number, reason=item.reason)
    return tuning.measured(item, entrant=entrant, slo=order.tuning.slo, disturbed=reasons_to_void)
