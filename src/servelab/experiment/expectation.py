"""How long a plan will take, said before it begins; pure."""

from collections.abc import Sequence

from servelab import tuning
from servelab.experiment.plan import PILOT_S
from servelab.measure import ceiling
from servelab.model.deployment import Deployment
from servelab.model.plan import Plan
from servelab.model.tuning import RaceExpectation, Round, TuningOrder

BESIDE_LOAD_S = 3.0
"""Of a trial where nothing was rehearsed: a server takes .5 to 3 s to start and stop, or more."""
OWN_S = 1.0
"""What servelab itself takes beside that: the generator's start, the calibration, storing."""
_USUAL_WARM_UP_S = 2.0
_STOP_UNDER_LOAD_S = 3.0
_LEAST_OF_LATER_ROUND = 3
"""Two, and the control."""


def seconds(
    plan: Plan,
    *,
    deployments: Sequence[Deployment],
    rounds: int,
    cores: int,
    beside_load_s: float | None = None,
) -> float | None:
    """Return how long so many rounds take, built environments given.

    `beside_load_s` is what starting and stopping took in a rehearsal. None where a number of
    requests decides, which are as fast as the servers are.
    """
    if plan.options.duration_s is None:
        return None
    warm_up_s = _USUAL_WARM_UP_S if plan.warm_up_s is None else plan.warm_up_s
    stop_s = _STOP_UNDER_LOAD_S if plan.options.stops_under_load else 0.0
    pilots = len(deployments) if plan.warm_up_s is None else 0
    beside_s = _beside_s(beside_load_s)
    trials = len(deployments) + (plan.judging is not None)
    # The work of a program that listens by itself cannot be done without it. That of a user's
    # application is its own, whatever the server, and is done once in a run.
    ceilings = len(
        {
            (None if plan.options.service else each.server, each.python)
            for each in deployments
            if each.processes is not None
        }
    )
    ceilings_s = ceilings * len(ceiling.process_counts(cores)) * ceiling.BARE_SECONDS
    trials_s = trials * (beside_s + warm_up_s + plan.options.duration_s + stop_s)
    times = 1 if plan.options.service else rounds
    return pilots * (beside_s + PILOT_S) + rounds * trials_s + times * ceilings_s


def _beside_s(rehearsed_s: float | None) -> float:
    """Return what a trial takes beside its load, from what starts and stops in a rehearsal took."""
    return BESIDE_LOAD_S if rehearsed_s is None else rehearsed_s + OWN_S


def of_race(order: TuningOrder, *, beside_load_s: float | None = None) -> RaceExpectation:
    """Return what a race takes, built environments given.

    `beside_load_s` is what starting and stopping took in the rehearsal.
    """
    first = tuning.next_round((), tuning=order.tuning)
    entrants = len(first.entrants) if isinstance(first, Round) else 0
    trial_s = _beside_s(beside_load_s) + order.warm_up_s + (order.options.duration_s or 0.0)
    most_s, most_trials = order.tuning.most_s, order.tuning.most_trials
    service = order.options.service
    # The work of programs that listen by themselves cannot be done without them.
    counts = ceiling.process_counts(order.cpu_count) if service and service.application else ()
    ceiling_s = len(counts) * ceiling.BARE_SECONDS
    room = [] if most_s is None else [max(0, int((most_s - ceiling_s) // trial_s))]
    room += [] if most_trials is None else [most_trials]
    later = order.tuning.judging.least_rounds - 1
    return RaceExpectation(
        entrants=entrants,
        trial_s=trial_s,
        ceiling_s=ceiling_s,
        trials=min(room, default=None),
        least_trials=entrants + later * min(entrants, _LEAST_OF_LATER_ROUND),
    )
