"""What deployments can be compared by."""

from enum import Enum

from servelab.model.verdict import Direction


class Figure(Enum):
    """A figure of a trial, by the word that people type."""

    THROUGHPUT = "throughput"
    P50 = "p50"
    P90 = "p90"
    P99 = "p99"
    CPU = "cpu"
    MEMORY = "memory"
    EFFICIENCY = "efficiency"

    @property
    def direction(self) -> Direction:
        """Return which values are the good ones."""
        is_high = self in {Figure.THROUGHPUT, Figure.EFFICIENCY}
        return Direction.HIGHER if is_high else Direction.LOWER
