"""A cause: what held a deployment back, in words."""

from dataclasses import dataclass

MANY_SWITCHES_PER_CALL = 20
LOSS = 0.9
"""Share of the cores below which it is worth a sentence."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What held a deployment back, or that nothing did."""

    short: str
    """For a table."""
    sentence: str
    """With the evidence."""
    factor: float
    """What it left of the efficiency, 1 is no loss."""
