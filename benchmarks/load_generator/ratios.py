"""The median of paired ratios with an exact interval, and what it says about a goal: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import comb
from statistics import median


@dataclass(frozen=True, slots=True)
class MedianInterval:
    """A sample median, and the limits between which the true one lies."""

    median: float
    low: float | None
    """None where there are too few values for the confidence that was asked for."""
    high: float | None
    confidence: float
    """Attained, at least what was asked for; 0 without limits."""
    count: int


class Verdict(Enum):
    """What an interval says about an upper goal."""

    MET = "yes"
    """All of it is at or below the goal."""
    MISSED = "no"
    """All of it is above the goal."""
    UNDECIDED = "undecided"


def confidence_of_rank(count: int, *, rank: int) -> float:
    """Return how surely the median lies between the rank-th smallest and rank-th largest value.

    Each value lies below the median with probability 1/2, whatever the distribution, so that the
    number below is binomial (H. A. David & H. N. Nagaraja, Order Statistics, 3rd ed., par. 7.1).
    """
    beyond = sum(comb(count, below) for below in range(rank))
    return 1 - 2 * beyond / float(2**count)


def median_interval(values: Sequence[float], *, confidence: float = 0.95) -> MedianInterval:
    """Return the median and its narrowest order-statistics interval of at least this confidence.

    ValueError without values.
    """
    if not values:
        raise ValueError("no values, no median")
    ordered = sorted(values)
    count = len(ordered)
    enough = [
        rank
        for rank in range(1, count // 2 + 1)
        if confidence_of_rank(count, rank=rank) >= confidence
    ]
    if not enough:
        return MedianInterval(median(ordered), None, None, 0.0, count)
    rank = enough[-1]
    return MedianInterval(
        median(ordered),
        ordered[rank - 1],
        ordered[count - rank],
        confidence_of_rank(count, rank=rank),
        count,
    )


def paired_ratios(ours: Sequence[float], *, theirs: Sequence[float]) -> list[float]:
    """Divide the values of each pair; ValueError where one lacks its other half."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def verdict(interval: MedianInterval, *, goal: float) -> Verdict:
    """Hold an interval against an upper goal."""
    if interval.low is None or interval.high is None:
        return Verdict.UNDECIDED
    if interval.high <= goal:
        return Verdict.MET
    return Verdict.MISSED if interval.low > goal else Verdict.UNDECIDED
