"""A positive figure over rounds."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, fsum, inf, log, sqrt

from msgspec import structs

from servelab.model.verdict import RoundsInterval
from servelab.stats.pairs import t_quantile

_LEAST_ROUNDS = 2
_LEAST_PRESENT = 0.8
_WIDEST = 300.0


def over_rounds(
    values: Sequence[float | None], *, confidence: float = 0.95
) -> RoundsInterval | None:
    """Return geometric mean and t interval on a logarithmic scale; None of no values.

    One value for each round that counts; None where it lacks the figure. The value of a round is
    one sample whatever it is made of. Where more than a fifth of the rounds lack the figure there
    are no limits: a quantile is missing where too few requests were answered, in the slow rounds,
    and the others would speak too well of it. ValueError where a value is not positive.
    """
    present = [value for value in values if value is not None]
    if any(not 0 < value < inf for value in present):
        raise ValueError("only positive, finite figures have a geometric mean")
    if not present:
        return None
    logs = [log(value) for value in present]
    centre = fsum(logs) / len(logs)
    low, high = None, None
    if len(logs) >= _LEAST_ROUNDS and len(logs) >= _LEAST_PRESENT * len(values):
        variance = fsum((each - centre) ** 2 for each in logs) / (len(logs) - 1)
        half = t_quantile(len(logs), error=1 - confidence) * sqrt(variance / len(logs))
        low, high = exp(max(centre - half, -_WIDEST)), exp(min(centre + half, _WIDEST))
    return RoundsInterval(
        estimate=exp(centre),
        low=low,
        high=high,
        confidence=confidence,
        rounds=len(logs),
        missing=len(values) - len(logs),
    )


def quantile_over_rounds(
    nearest: Sequence[float | None],
    *,
    corrected: Sequence[float | None],
    confidence: float = 0.95,
) -> RoundsInterval | None:
    """Return a response-time quantile over rounds, each round one sample; None of no values.

    Requests in one round depend on one another through the queue: an interval from their order
    statistics is far too narrow. `corrected` has each round's `corrected_quantile`, `nearest` its
    nearest rank, which stands in, without limits, where rounds are too short for the former.
    """
    found = over_rounds(corrected, confidence=confidence)
    if found is not None and found.low is not None:
        return found
    plain = over_rounds(nearest, confidence=confidence)
    return plain and structs.replace(plain, low=None, high=None)
