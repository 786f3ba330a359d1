"""Services whose response times are known: pure, in nanoseconds of the caller's clock.

Both have as many servers as there are requests: nobody waits for another, so that the distribution
of response times in an open loop is the one written here.
"""

import random
from dataclasses import dataclass
from typing import Protocol

_MS = 1_000_000
_SECOND = 1000 * _MS
_BLOCK = 10_000


class Service(Protocol):
    """When a request that came at one moment is answered."""

    def finish_ns(self, received_ns: int) -> int:
        """Return when the request is answered."""

    def quantile_s(self, probability: float) -> float:
        """Return the quantile of the response time in an open loop."""


@dataclass(frozen=True, slots=True)
class Stalling:
    """Takes 5 ms, but takes nothing up in the last second of every five."""

    start_ns: int
    service_ns: int = 5 * _MS
    stall_ns: int = _SECOND
    period_ns: int = 5 * _SECOND

    def finish_ns(self, received_ns: int) -> int:
        """Return when the request is answered: during a stall it waits for its end."""
        phase_ns = (received_ns - self.start_ns) % self.period_ns
        if phase_ns < self.period_ns - self.stall_ns:
            return received_ns + self.service_ns
        return received_ns + self.period_ns - phase_ns + self.service_ns

    def quantile_s(self, probability: float) -> float:
        """Return the quantile for arrivals spread evenly over whole periods."""
        beyond_ns = (1 - probability) * self.period_ns
        return (self.service_ns + max(0.0, self.stall_ns - beyond_ns)) / _SECOND


class HeavyTailed:
    """Takes a Pareto-distributed time: at least 2 ms, 43 ms at p99, seconds at the worst.

    Every 10,000 requests get the distribution's 10,000 mid-quantiles, in an order drawn from a
    seed: the sample holds no luck, so that two runs can be compared.
    """

    def __init__(self, *, least_s: float = 0.002, shape: float = 1.5, seed: int = 1) -> None:
        self._least_s = least_s
        self._shape = shape
        self._draw = random.Random(seed)  # noqa: S311 - nothing here is a secret
        self._block: list[int] = []

    def finish_ns(self, received_ns: int) -> int:
        """Return when the request is answered."""
        if not self._block:
            self._block = [
                round(self.quantile_s((number + 0.5) / _BLOCK) * _SECOND)
                for number in range(_BLOCK)
            ]
            self._draw.shuffle(self._block)
        return received_ns + self._block.pop()

    def quantile_s(self, probability: float) -> float:
        """Return the quantile of the Pareto distribution."""
        return float(self._least_s * (1 - probability) ** (-1 / self._shape))


NAMES = ("stalling", "heavy-tailed")


def service(name: str, *, start_ns: int) -> Service:
    """Make a service by its name; KeyError."""
    if name == "stalling":
        return Stalling(start_ns=start_ns)
    return {"heavy-tailed": HeavyTailed}[name]()
