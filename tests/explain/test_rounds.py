"""Which rounds count, and for whom."""

import msgspec
import pytest

from servelab.explain.rounds import arrange
from servelab.model.figure import Figure
from servelab.model.trial import CLIENT_BOUND
from servelab.model.trial import Warning as Remark
from tests.explain.test_own_causes import times, trial


@pytest.mark.parametrize("impossible", [0.0, -1.0])
def test_a_quantile_that_cannot_be_is_no_figure_of_its_round(impossible: float) -> None:
    rounds = arrange(
        [
            trial(id="1", round=1, response_time_s=times(0.5)),
            trial(id="2", round=2, response_time_s=times(impossible)),
        ]
    )
    (contestant,) = rounds.contestants
    found = rounds.interval_of(contestant, figure=Figure.P50)
    assert found is not None
    assert found.estimate == pytest.approx(0.5)
    assert (found.rounds, found.missing) == (1, 1)


HELD_BACK = [Remark(kind=CLIENT_BOUND, text="the generator was the limit")]


def test_a_round_in_which_the_generator_was_the_limit_counts_like_the_others() -> None:
    rates = (10.0, 20.0, 90.0)
    made = [trial(id=str(n), round=n, throughput_per_s=rate) for n, rate in enumerate(rates, 1)]
    made[2] = msgspec.structs.replace(made[2], warnings=HELD_BACK)
    rounds = arrange(made)
    (rated,) = rounds.values(Figure.THROUGHPUT).values()
    assert rated == rates


def test_one_that_the_generator_limited_in_most_rounds_is_not_ranked() -> None:
    rounds = arrange([trial(id=str(n), round=n, warnings=HELD_BACK) for n in (1, 2)])
    assert not rounds.ranked
    assert rounds.contestants[0].why_unranked == "the generator was the limit"
