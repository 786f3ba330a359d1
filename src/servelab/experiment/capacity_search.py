"""Searches for capacity: makes each trial that the controller asks for, and stores it at once."""

import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec import Struct

from servelab import capacity
from servelab.experiment import plan
from servelab.experiment.runner import Measurer, measured
from servelab.model.capacity import CapacityGoal, CapacityOrder, Observation, Probe
from servelab.model.deployment import Deployment
from servelab.model.load import OpenLoop
from servelab.model.plan import RunOptions
from servelab.model.progress import Event, ProbeJudged, TrialEnded, TrialStarted
from servelab.model.trial import Trial, TrialSpec
from servelab.store.folder import RunFolder

WARM_UP_S = 2.0
"""The first requests find a server that has answered nothing but a probe."""
_USUAL_OVERHEAD_S = 3.0 + WARM_UP_S


class Searched(Struct, frozen=True, kw_only=True):
    """A trial of a search, and what it said."""

    trial: Trial
    observation: Observation


def search(
    deployment: Deployment,
    *,
    options: RunOptions,
    order: CapacityOrder,
    measurer: Measurer,
    folder: RunFolder,
    observe: Callable[[Event], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Searched]:
    """Yield each trial once it is on the disk, until the answer, a bug or the budget's end.

    Raises CannotRunHere or PortBusy where the deployment cannot even be tried.
    """
    began_s = clock()
    past: list[Observation] = []
    while (probe := capacity.next_probe(past, goal=order.goal)) is not None:
        if not _fits(probe, spent_s=clock() - began_s, trials=len(past), budget_s=order.budget_s):
            return
        spec = trial_spec(probe, deployment=deployment, options=options, goal=order.goal)
        title = f"{deployment.title}, {probe.step.value}: {probe.rate_per_s:g}/s"
        observe(TrialStarted(title=title, index=probe.number, count=1))
        trial = folder.append(measured(spec, measurer=measurer, folder=folder, observe=observe))
        observe(TrialEnded(trial=trial))
        seen = capacity.observation(trial, slo=order.goal.slo)
        past.append(seen)
        observe(ProbeJudged(probe=probe, observation=seen, quantile=order.goal.slo.quantile))
        yield Searched(trial=trial, observation=seen)
        if trial.audit_errors:
            return


def trial_spec(
    probe: Probe, *, deployment: Deployment, options: RunOptions, goal: CapacityGoal
) -> TrialSpec:
    """Return the trial that a probe asks for; no two have the same arrivals."""
    spec = plan.trial_spec(
        deployment,
        options=msgspec.structs.replace(
            options,
            load=OpenLoop(rate_per_s=probe.rate_per_s, seed=goal.seed),
            requests=None,
            duration_s=probe.duration_s,
        ),
        round_number=probe.number,
        warm_up_s=WARM_UP_S,
    )
    return msgspec.structs.replace(spec, step=probe.step)


def _fits(probe: Probe, *, spent_s: float, trials: int, budget_s: float | None) -> bool:
    """Tell whether a probe is likely to end within the budget; the first is always made."""
    return budget_s is None or not trials or spent_s + WARM_UP_S + probe.duration_s <= budget_s


def expectations(goal: CapacityGoal) -> Sequence[tuple[float, float]]:
    """Return how long a search takes, in seconds, for some capacities per second."""
    rates = [round(goal.first_rate_per_s * factor) for factor in (2, 20, 200)]
    return [
        (
            rate,
            capacity.expected_s(goal, capacity_per_s=rate, overhead_s=_USUAL_OVERHEAD_S),
        )
        for rate in map(float, rates)
    ]
