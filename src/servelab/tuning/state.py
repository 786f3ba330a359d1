"""A race after some rounds, and how its candidates stand to one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum, log, sqrt

from servelab.model.tuning import Candidate, Loss, Measured, RaceEnding, StackVariant, Tuning
from servelab.model.verdict import Direction
from servelab.stats.comparison import Field
from servelab.stats.pairs import log_ratios
from servelab.tuning import space
from servelab.tuning.book import Book

LEAD_ROUNDS = 2
"""That a leader has run, unless nobody has."""
USUAL_SPREAD, USUAL_ROUNDS = 0.06, 4
"""The spread before a race has shown its own, and the rounds that this guess is worth."""


@dataclass(frozen=True, kw_only=True)
class State:
    """A race after its complete rounds."""

    rounds: tuple[tuple[Measured, ...], ...] = ()
    running: tuple[Candidate, ...] = ()
    """In the order in which they joined."""
    tried: frozenset[Candidate] = frozenset()
    """All that have ever joined."""
    centres: tuple[tuple[str, Candidate], ...] = ()
    """Way -> the one of it whose neighbours have joined last."""
    lightened: tuple[tuple[StackVariant, Candidate], ...] = ()
    """Way -> where its search begins instead, because it began with too much memory."""
    losses: tuple[Loss, ...] = ()
    ending: RaceEnding | None = None

    @cached_property
    def book(self) -> Book:
        """Return what the rounds showed."""
        return Book(self.rounds)

    @cached_property
    def leader(self) -> Candidate | None:
        """Return the best of those that are running; None before the first rate."""
        return best_of(self.running, book=self.book)

    @cached_property
    def spread(self) -> float:
        """Return by how much ln(rate / rate of the leader) moves from one round to the next.

        That is its standard deviation within a candidate, of all that were ever tried together.
        """
        leader = self.leader
        if leader is None:
            return USUAL_SPREAD
        found = [shares(self.book, each, beside=leader) for each in self.tried - {leader}]
        # Rounded once, so that the order of a set does not matter.
        squares = fsum(map(_squares, found))
        rounds = sum(max(0, len(each) - 1) for each in found)
        usual = USUAL_ROUNDS * USUAL_SPREAD**2
        return sqrt((usual + squares) / (USUAL_ROUNDS + rounds))

    def best_of_way(self, way: str) -> Candidate | None:
        """Return the best of one way; None where none of it is running and has a rate."""
        return self._bests.get(way)

    @cached_property
    def _bests(self) -> dict[str, Candidate | None]:
        ways = dict.fromkeys(each.way for each in self.running)
        return {way: self._best_of_way(way) for way in ways}

    def _best_of_way(self, way: str) -> Candidate | None:
        own = [each for each in self.running if each.way == way]
        return self.leader if self.leader in own else best_of(own, book=self.book)

    def start(self, way: StackVariant) -> Candidate:
        """Return where the search of a way begins."""
        return dict(self.lightened).get(way, space.start(way))

    def centre(self, way: str) -> Candidate | None:
        """Return the one whose neighbours have joined last."""
        return dict(self.centres).get(way)


def best_of(candidates: Sequence[Candidate], *, book: Book) -> Candidate | None:
    """Return whom no other beats among those that meet the objective; among all, where none does.

    None where nobody has a rate.
    """
    able = [each for each in candidates if book.count(each)]
    fit = [each for each in able if book.meets_slo(each)] or able
    field = Field(book.rates(fit), twin=None, direction=Direction.HIGHER)
    name = field.leader(least_rounds=LEAD_ROUNDS)
    return next((each for each in fit if each.name == name), None)


def shares(book: Book, candidate: Candidate, *, beside: Candidate) -> list[float]:
    """Return ln(rate / rate of the other) of each round that has both."""
    return log_ratios(book.rates_of(candidate), book.rates_of(beside))


def _squares(values: Sequence[float]) -> float:
    """Return the sum of the squared deviations from their mean."""
    mean = sum(values) / max(1, len(values))
    return sum((each - mean) ** 2 for each in values)


def mean_share(book: Book, candidate: Candidate, *, beside: Candidate) -> float:
    """Return the mean logarithm; that of an equal where no round has both."""
    found = shares(book, candidate, beside=beside)
    return sum(found) / len(found) if found else log(1)


def remaining_trials(state: State, *, tuning: Tuning) -> float:
    """Return how many more trials the budget allows, each as long as those before on average."""
    made = [each for of_round in state.rounds for each in of_round]
    left = float("inf") if tuning.most_trials is None else float(tuning.most_trials - len(made))
    spent_s = sum(each.seconds for each in made)
    if tuning.most_s is None or spent_s <= 0:
        return left
    return min(left, (tuning.most_s - spent_s) * len(made) // spent_s)
