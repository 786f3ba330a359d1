"""What rounds say of figures that cannot be."""

import pytest

from servelab.explain.rounds import arrange
from servelab.model.figure import Figure
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
