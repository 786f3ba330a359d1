"""How long a plan will take, said before it begins; pure."""

from collections.abc import Sequence

from servelab.experiment.plan import PILOT_S
from servelab.measure.ceiling import BARE_SECONDS, process_counts
from servelab.model.deployment import Deployment
from servelab.model.plan import Plan

BESIDE_LOAD_S = 3.0
"""Starting and stopping a server takes .5 to 3 s beside its load."""
_USUAL_WARM_UP_S = 2.0
_STOP_UNDER_LOAD_S = 3.0


def seconds(
    plan: Plan, *, deployments: Sequence[Deployment], rounds: int, cores: int
) -> float | None:
    """Return how long so many rounds take, built environments given.

    None where a number of requests decides, which are as fast as the servers are.
    """
    if plan.options.duration_s is None:
        return None
    warm_up_s = _USUAL_WARM_UP_S if plan.warm_up_s is None else plan.warm_up_s
    stop_s = _STOP_UNDER_LOAD_S if plan.options.stops_under_load else 0.0
    pilots = len(deployments) if plan.warm_up_s is None else 0
    trials = len(deployments) + (plan.judging is not None)
    # The work of a program that listens by itself cannot be done without it.
    ceilings = len(
        {(each.server, each.python) for each in deployments if each.processes is not None}
    )
    round_s = (
        trials * (BESIDE_LOAD_S + warm_up_s + plan.options.duration_s + stop_s)
        + ceilings * len(process_counts(cores)) * BARE_SECONDS
    )
    return pilots * (BESIDE_LOAD_S + PILOT_S) + rounds * round_s
