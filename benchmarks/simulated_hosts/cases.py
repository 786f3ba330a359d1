"""What was counted: one value for each set of simulated hosts, as it is stored."""

from msgspec import Struct


class Candidate(Struct, frozen=True, kw_only=True):
    """One way to make an interval, on the very rounds on which servelab stopped."""

    name: str
    hosts: int
    held: int
    """Hosts of which every interval held the truth."""
    mean_width: float
    """Of the log ratio."""


class Comparisons(Struct, frozen=True, kw_only=True, tag="comparisons"):
    """servelab's own answers, with its stopping rule, beside the truth."""

    truth: str
    weather: str
    spread: float | None
    """Of every host; None: hosts differ."""
    deployments: int
    hosts: int
    most_rounds: int
    mean_rounds: float
    stops: dict[str, int]
    """Why the rounds ended -> hosts."""
    intervals: int
    held: int
    """Intervals that held the truth."""
    all_held: int
    """Hosts of which every interval did."""
    false_winners: int
    """Hosts where one was called better that is not so by delta."""
    wrong: int
    """Hosts with any verdict that is not so."""
    decided: int
    """Intervals with a verdict, better or equivalent."""
    candidates: tuple[Candidate, ...]
    """servelab's own first."""


class Quantiles(Struct, frozen=True, kw_only=True, tag="quantiles"):
    """Intervals of a response-time quantile over rounds, of M/M/1 queues."""

    load: float
    probability: float
    rounds: int
    requests: int
    """Of each round."""
    hosts: int
    held: int
    held_without_correction: int
    """The same interval of the nearest ranks themselves."""
    held_by_order_statistics: int
    """The textbook interval of all requests as if they were independent."""
    mean_width: float
    """Of the logarithm."""
    mean_width_without_correction: float
    bias: float
    """Of the estimate's mean logarithm."""
    bias_without_correction: float


class Power(Struct, frozen=True, kw_only=True, tag="power"):
    """How often a true difference is found."""

    ratio: float
    spread: float
    """Standard deviation of the log ratio."""
    rounds: int
    hosts: int
    found: int
    """Called better."""
    excludes_equality: int


class SelfTest(Struct, frozen=True, kw_only=True):
    """All that one run counted."""

    seed: int
    hosts: int
    comparisons: tuple[Comparisons, ...]
    quantiles: tuple[Quantiles, ...]
    power: tuple[Power, ...]
