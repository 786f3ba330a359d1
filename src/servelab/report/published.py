"""The seed's published figures beside the measured ones, as ratios."""

from collections.abc import Sequence

from msgspec import Struct

from servelab.catalogue import Published, find_deployments, published
from servelab.errors import UsageError
from servelab.model.trial import Trial

BASE_STACK = "sync-devserver"
PUBLISHED_WORKLOAD = "cpu"


class Comparison(Struct, frozen=True, kw_only=True):
    """One deployment in both series, each divided by the base stack of its series."""

    title: str
    published_ratio: float
    measured_ratio: float
    published_failures: int
    measured_failures: int


def comparisons(trials: Sequence[Trial], *, workload: str) -> tuple[Comparison, ...]:
    """Return a row for each published deployment; empty where the base was not measured."""
    base = next((trial for trial in trials if trial.stack == BASE_STACK), None)
    if workload != PUBLISHED_WORKLOAD or base is None or not base.throughput_per_s:
        return ()
    published_base = _published(base)
    if published_base is None:
        return ()
    return tuple(
        Comparison(
            title=trial.title,
            published_ratio=figures.requests_per_s / published_base.requests_per_s,
            measured_ratio=(trial.throughput_per_s or 0.0) / base.throughput_per_s,
            published_failures=figures.failures,
            measured_failures=trial.failures,
        )
        for trial in trials
        if (figures := _published(trial)) is not None
    )


def _published(trial: Trial) -> Published | None:
    """Return the seed's figures for a stored trial; None where today's catalogue has none."""
    try:
        (deployment,) = find_deployments(trial.deployment)
    except (UsageError, ValueError):
        return None
    return published(deployment, workload=PUBLISHED_WORKLOAD)
