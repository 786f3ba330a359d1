"""How much load may go to a host that is not this machine; pure."""

import msgspec

from servelab.errors import UsageError
from servelab.model.load import ClosedLoop, Load, LoadPlan

RATE_PER_S = 1000.0
CALLERS = 64
DURATION_S = 60.0
IN_WORDS = (
    f"at most {RATE_PER_S:g} requests/s, {CALLERS} at a time and {DURATION_S:g} s go to a host "
    "that is not this machine"
)


def capped(plan: LoadPlan) -> LoadPlan:
    """Return a plan that keeps within the caps; UsageError where it asks for more.

    A closed loop has no rate of its own: its callers think so long that all of them together
    cannot ask faster. A number of requests is cut where the time is over.
    """
    if plan.duration_s is not None and plan.duration_s > DURATION_S:
        raise UsageError(f"--duration {plan.duration_s:g}: {IN_WORDS}")
    return msgspec.structs.replace(
        plan, load=_capped_load(plan.load), duration_s=plan.duration_s or DURATION_S
    )


def _capped_load(load: Load) -> Load:
    if isinstance(load, ClosedLoop):
        if load.callers > CALLERS:
            raise UsageError(f"--concurrency {load.callers}: {IN_WORDS}")
        thinking_s = max(load.think_time_s, load.callers / RATE_PER_S)
        return msgspec.structs.replace(load, think_time_s=thinking_s)
    if load.rate_per_s > RATE_PER_S:
        raise UsageError(f"--rate {load.rate_per_s:g}: {IN_WORDS}")
    connections = min(load.connection_limit or CALLERS, CALLERS)
    return msgspec.structs.replace(load, connection_limit=connections)
