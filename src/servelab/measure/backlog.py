"""Whether a server kept up with what arrived, from the records of an open loop; pure."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from servelab.model.load import Load, OpenLoop
from servelab.model.trial import Backlog

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from servelab.load.generator import Records

SKIPPED_SHARE = 0.1
"""Of the schedule: a server that begins empty fills up first."""
SLICES = 20
CHANCE_DEVIATIONS = 3
_STUDENT_T = 2.878
"""The 99.5 % point of Student's distribution with SLICES - 2 degrees of freedom."""


def of_records(records: Records, *, load: Load) -> Backlog | None:
    """Return how an open loop's backlog went; None of a closed one."""
    if not isinstance(load, OpenLoop):
        return None
    return backlog(records.planned_ns / 1e9, records.finished_ns / 1e9)


def backlog(planned_s: NDArray[np.float64], finished_s: NDArray[np.float64]) -> Backlog | None:
    """Return what of the requests planned in a time was completed in it, and how many piled up.

    None where too few requests were made to tell.
    """
    import numpy as np

    if len(planned_s) < SLICES:
        return None
    first_s, end_s = float(planned_s.min()), float(planned_s.max())
    start_s = first_s + SKIPPED_SHARE * (end_s - first_s)
    offered = int(np.count_nonzero(planned_s > start_s))
    if end_s <= start_s or not offered:
        return None
    completed = int(np.count_nonzero((finished_s > start_s) & (finished_s <= end_s)))
    edges_s = np.linspace(start_s, end_s, SLICES + 1)
    in_flight = _in_flight(planned_s, finished_s, edges_s=edges_s)
    slope, margin = _slope(edges_s, in_flight)
    # Of random arrivals the number in flight varies by its own mean, at both ends of the time.
    chance = CHANCE_DEVIATIONS * sqrt(2 * float(in_flight.mean()))
    return Backlog(
        completed_share=completed / offered,
        completed_share_high=(completed + chance) / offered,
        growth_per_s=slope,
        growth_low_per_s=slope - margin,
        growth_high_per_s=slope + margin,
    )


def _in_flight(
    planned_s: NDArray[np.float64],
    finished_s: NDArray[np.float64],
    *,
    edges_s: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the mean number in flight between neighbouring edges."""
    import numpy as np

    # Request-seconds up to each edge: what lies below it of every stay in flight.
    areas = [
        float(np.sum(np.minimum(finished_s, edge_s) - np.minimum(planned_s, edge_s)))
        for edge_s in edges_s
    ]
    means: NDArray[np.float64] = np.diff(areas) / np.diff(edges_s)
    return means


def _slope(edges_s: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the least-squares slope over time, and the half width of its 99 % interval.

    Queues remember: the interval is widened by the residuals' correlation r from one slice to the
    next, as if there were n (1 - r) / (1 + r) independent ones (G. V. Bayley and J. M. Hammersley,
    Supplement to the Journal of the Royal Statistical Society 8(2), 1946).
    """
    import numpy as np

    x = (edges_s[:-1] + edges_s[1:]) / 2
    spread = x - x.mean()
    square = float(spread @ spread)
    slope = float(spread @ values) / square
    rest = values - values.mean() - slope * spread
    power = float(rest @ rest)
    likeness = float(np.clip(rest[:-1] @ rest[1:] / power, 0.0, 0.9)) if power else 0.0
    error = sqrt(power / (SLICES - 2) / square * (1 + likeness) / (1 - likeness))
    return slope, _STUDENT_T * error
