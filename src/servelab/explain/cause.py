"""A cause: what held a deployment back, in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from servelab.model.trial import Trial

MANY_SWITCHES_PER_CALL = 20
FRONT_NOTED = 0.05
"""Share of the cores from which on a front's part of them is worth a sentence."""
LOSS = 0.9
"""Share of the cores below which it is worth a sentence."""


def of_front(trial: Trial, *, cores: float) -> Iterator["Cause"]:
    """Yield what a front took of the cores that the server might have used."""
    taken = front_cores(trial)
    if trial.front is None or taken < FRONT_NOTED * cores:
        return
    what = f"{trial.front.name} took {taken:.1f} of {cores:g} core{'' if cores == 1 else 's'}"
    yield Cause(short=what, sentence=what, factor=max(0.0, 1 - taken / cores))


def front_cores(trial: Trial) -> float:
    """Return how many cores a front used; 0 where there is none."""
    usage = trial.front.usage if trial.front else None
    seconds = trial.load_s or trial.window_s
    return usage.cpu_s / seconds if usage is not None and seconds else 0.0


def of_beside(trial: Trial) -> Iterator["Cause"]:
    """Yield what programs beside the server took of the CPUs, which it shares with them."""
    use = trial.beside
    if use is None or use.cores < FRONT_NOTED * use.cpus:
        return
    what = f"{use.names} took {use.cores:.1f} of {use.cpus} {'CPU' if use.cpus == 1 else 'CPUs'}"
    calls = trial.beside_cpu_s_per_call
    cost = "" if calls is None else f", {calls * 1000:.3g} ms for each call"
    yield Cause(short=what, sentence=what + cost, factor=max(0.0, 1 - use.cores / use.cpus))


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What held a deployment back, or that nothing did."""

    short: str
    """For a table."""
    sentence: str
    """With the evidence."""
    factor: float
    """What it left of the efficiency, 1 is no loss."""
