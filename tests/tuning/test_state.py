"""How the candidates of a race stand to one another."""

from math import exp, sqrt

import pytest

from servelab.model.tuning import Candidate, Measured
from servelab.tuning.state import USUAL_ROUNDS, USUAL_SPREAD, State

LEADER, OTHER, GONE = (Candidate(stack=stack) for stack in ("leader", "other", "gone"))


def state(shares: dict[Candidate, tuple[float, ...]]) -> State:
    """Return a race in which all have these shares of the leader's rate, as logarithms."""
    rounds = max(map(len, shares.values()), default=0)
    made = [
        [
            Measured(candidate=LEADER, round=number + 1, rate_per_s=100.0),
            *(
                Measured(candidate=each, round=number + 1, rate_per_s=100.0 * exp(found[number]))
                for each, found in shares.items()
                if number < len(found)
            ),
        ]
        for number in range(rounds)
    ]
    return State(
        rounds=tuple(map(tuple, made)),
        running=(LEADER, OTHER),
        tried=frozenset({LEADER, OTHER, GONE}),
    )


def test_before_anything_is_known_the_spread_is_the_usual_one() -> None:
    assert state({}).spread == pytest.approx(USUAL_SPREAD)
    assert state({OTHER: (-0.5,), GONE: (-2.0,)}).spread == pytest.approx(USUAL_SPREAD)


def test_how_far_somebody_is_behind_is_no_spread() -> None:
    still = state({OTHER: (-0.5,) * 4, GONE: (-2.0,) * 3}).spread
    usual = USUAL_ROUNDS * USUAL_SPREAD**2
    assert still == pytest.approx(sqrt(usual / (USUAL_ROUNDS + 3 + 2)))


def test_the_spread_is_that_of_all_that_were_tried_about_their_own_means() -> None:
    found = state({OTHER: (-0.6, -0.4), GONE: (-2.3, -2.0, -1.7)})
    usual = USUAL_ROUNDS * USUAL_SPREAD**2
    squares = 2 * 0.1**2 + 2 * 0.3**2
    assert found.spread == pytest.approx(sqrt((usual + squares) / (USUAL_ROUNDS + 1 + 2)))
