"""Intervals that servelab could have printed instead: all hosts at once."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from servelab.stats.signed_rank import limits, walsh_averages

Array = NDArray[np.float64]
Limits = tuple[Array, Array]
_RESAMPLES = 999


def paired_t(logs: Array, *, error: float) -> Limits:
    """Return t limits of the log ratio of the last axis' two, hosts x rounds x 2."""
    ratios = logs[:, :, 0] - logs[:, :, 1]
    count = ratios.shape[1]
    half = _t(count - 1, error) * ratios.std(axis=1, ddof=1) / np.sqrt(count)
    return ratios.mean(axis=1) - half, ratios.mean(axis=1) + half


def signed_rank(logs: Array, *, error: float) -> Limits:
    """Return exact signed-rank limits."""
    ratios = logs[:, :, 0] - logs[:, :, 1]
    count = ratios.shape[1]
    found = [limits(walsh_averages(row), count=count, error=error) for row in ratios]
    pairs = np.array([each or (-np.inf, np.inf) for each in found])
    return pairs[:, 0], pairs[:, 1]


def bootstrap(logs: Array, *, error: float) -> Limits:
    """Return percentile limits of resampled means (B. Efron, Annals of Statistics 7(1), 1979)."""
    ratios = logs[:, :, 0] - logs[:, :, 1]
    count = ratios.shape[1]
    weights = np.random.default_rng(0).multinomial(count, [1 / count] * count, size=_RESAMPLES)
    means = ratios @ weights.T / count
    low, high = np.quantile(means, (error / 2, 1 - error / 2), axis=1)
    return low, high


def unpaired(logs: Array, *, error: float) -> Limits:
    """Return limits that ignore the rounds (B. L. Welch, Biometrika 34, 1947)."""
    count = logs.shape[1]
    parts = logs.var(axis=1, ddof=1) / count
    total = parts.sum(axis=1)
    freedom = total**2 * (count - 1) / (parts**2).sum(axis=1)
    half = -stdtrit(freedom, error / 2) * np.sqrt(total)
    middle = logs[:, :, 0].mean(axis=1) - logs[:, :, 1].mean(axis=1)
    return middle - half, middle + half


CANDIDATES: dict[str, Callable[..., Limits]] = {
    "paired t": paired_t,
    "signed rank": signed_rank,
    "percentile bootstrap": bootstrap,
    "unpaired t": unpaired,
}


def beside_the_best(logs: Array, *, pairs_that_share: int) -> Limits:
    """Return Bonferroni's t limits of the best's lead over each other, hosts x (deployments - 1).

    `logs` is hosts x rounds x deployments, the error 5 % over so many pairs.
    """
    leader = logs.mean(axis=1).argmax(axis=1)
    low, high = [], []
    for host, best in enumerate(leader):
        ratios = logs[host, :, best, None] - np.delete(logs[host], best, axis=1)
        count = len(ratios)
        half = _t(count - 1, 0.05 / pairs_that_share) * ratios.std(axis=0, ddof=1) / np.sqrt(count)
        low.append(ratios.mean(axis=0) - half)
        high.append(ratios.mean(axis=0) + half)
    return np.array(low), np.array(high)


def count_pairs(deployments: int) -> int:
    """Return how many pairs there are."""
    return len(list(combinations(range(deployments), 2)))


def _t(freedom: int, error: float) -> float:
    return -float(stdtrit(freedom, error / 2))
