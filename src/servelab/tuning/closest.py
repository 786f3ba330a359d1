"""Who comes closest to an objective that nobody meets; pure."""

from collections.abc import Sequence
from math import inf
from statistics import median

from servelab.model.slo import Slo
from servelab.model.tuning import Candidate, Closest
from servelab.tuning.book import Book

_ENOUGH_ROUNDS = 3
"""One lucky round of somebody who left early is not held against those that ran in so many."""


def closest(candidates: Sequence[Candidate], *, book: Book, slo: Slo) -> Closest | None:
    """Return the one whose further figure, quantile or failures, lies least above what it may be.

    Each figure is taken as a multiple of its limit. None where nobody was measured.
    """
    found = [each for each in (_seen(one, book=book) for one in candidates) if each.rounds]
    enough = min(_ENOUGH_ROUNDS, max((each.rounds for each in found), default=0))
    return min(
        (each for each in found if each.rounds >= enough),
        key=lambda each: (_distance(each, slo=slo), each.failure_share),
        default=None,
    )


def _seen(candidate: Candidate, *, book: Book) -> Closest:
    made = book.measured(candidate)
    return Closest(
        candidate=candidate,
        value_s=book.slo_value_s(candidate),
        failure_share=median(each.failure_share for each in made) if made else 0.0,
        rounds=len({each.round for each in made}),
    )


def _distance(each: Closest, *, slo: Slo) -> float:
    slower = inf if each.value_s is None else each.value_s / slo.target_s
    if slo.failure_limit:
        return max(slower, each.failure_share / slo.failure_limit)
    return inf if each.failure_share else slower
