"""Times of requests, summed up."""

from msgspec import Struct, field


class Times(Struct, frozen=True, kw_only=True):
    """Times of one trial's requests in seconds.

    A quantile is None where fewer than ten samples lie beyond it.
    """

    mean: float
    p50: float | None
    p60: float | None
    p70: float | None
    p75: float | None
    p80: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p99_9: float | None = field(default=None, name="p99.9")
    max: float
