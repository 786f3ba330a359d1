"""A service level objective: how many requests may take how long, and how many may fail."""

from typing import Annotated

from msgspec import Meta, Struct

from servelab.model.times import Times

FAILURE_LIMIT = 0.001
"""The share of requests that may fail where nothing else is said."""
SAMPLES_BEYOND = 10
"""A quantile is believed where that many samples lie beyond it."""
_THOUSANDTHS = 1000


class Slo(Struct, frozen=True, kw_only=True):
    """A target for one quantile of the response times, and a limit for failures."""

    quantile: Annotated[str, Meta(pattern=r"^p(50|60|70|75|80|90|95|99|99\.9)$")]
    """A quantile of `Times` as people write it: ``p99`` or ``p99.9``."""
    target_s: Annotated[float, Meta(gt=0)]
    """The quantile must lie below it."""
    failure_limit: Annotated[float, Meta(ge=0, lt=1)] = FAILURE_LIMIT
    """The largest share of requests that may fail."""

    @property
    def beyond_share(self) -> float:
        """Return the share of requests that may take longer than the target."""
        return self._thousandths_beyond / _THOUSANDTHS

    @property
    def least_requests(self) -> int:
        """Return how many requests a trial needs before its quantile says anything."""
        return -(-SAMPLES_BEYOND * _THOUSANDTHS // self._thousandths_beyond)

    def of(self, times: Times) -> float | None:
        """Return the quantile in seconds; None where too few requests were made."""
        value: float | None = getattr(times, self.quantile.replace(".", "_"))
        return value

    @property
    def _thousandths_beyond(self) -> int:
        # In whole thousandths: 1 - .999 is not a thousandth in binary.
        return _THOUSANDTHS - round(float(self.quantile[1:]) * _THOUSANDTHS / 100)

    def __str__(self) -> str:
        target = f"{self.target_s:.10g}s" if self.target_s >= 1 else f"{self.target_s * 1e3:.10g}ms"
        limit = "" if self.failure_limit == FAILURE_LIMIT else f",failures<{self._failures}"
        return f"{self.quantile}<{target}{limit}"

    @property
    def _failures(self) -> str:
        return f"{self.failure_limit * 100:.10g}%"


QUANTILES = tuple(
    name.replace("_", ".") for name in Times.__struct_fields__ if name.startswith("p")
)
"""Those that a trial holds."""
