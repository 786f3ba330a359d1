"""A figure over rounds."""

from math import exp, sqrt

import numpy as np
import pytest
from scipy import stats

from servelab.stats.intervals import over_rounds, quantile_over_rounds


def test_the_estimate_is_the_geometric_mean_and_the_limits_are_students() -> None:
    values = [exp(each) for each in (1.0, 1.1, 0.9, 1.2)]
    found = over_rounds(values)
    assert found is not None
    low, high = stats.t.interval(0.95, 3, loc=1.05, scale=stats.sem([1.0, 1.1, 0.9, 1.2]))
    assert found.estimate == pytest.approx(exp(1.05))
    assert found.low == pytest.approx(exp(low))
    assert found.high == pytest.approx(exp(high))
    assert (found.rounds, found.missing, found.confidence) == (4, 0, 0.95)


def test_one_round_has_an_estimate_and_no_limits() -> None:
    found = over_rounds([7.0])
    assert found is not None
    assert found.estimate == pytest.approx(7.0)
    assert (found.low, found.high) == (None, None)


def test_no_value_at_all_has_no_interval() -> None:
    assert over_rounds([]) is None
    assert over_rounds([None, None]) is None


def test_a_few_rounds_may_lack_the_figure_and_are_counted() -> None:
    found = over_rounds([1.0, 2.0, None, 1.5, 1.2])
    assert found is not None
    assert (found.rounds, found.missing) == (4, 1)
    assert found.low is not None


def test_a_figure_that_many_rounds_lack_has_no_limits() -> None:
    found = over_rounds([1.0, 2.0, None, 1.5])
    assert found is not None
    assert (found.low, found.high, found.missing) == (None, None, 1)


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("inf"), float("nan")])
def test_a_value_without_logarithm_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        over_rounds([1.0, wrong])


def test_the_limits_hold_the_truth_as_often_as_they_say() -> None:
    values = np.random.default_rng(11).lognormal(0.0, 0.2, size=(1500, 8))
    found = [over_rounds(row) for row in values.tolist()]
    held = [each.low <= 1 <= each.high for each in found if each and each.low and each.high]
    assert len(held) == 1500
    assert np.mean(held) == pytest.approx(0.95, abs=4 * sqrt(0.05 * 0.95 / 1500))


def test_a_quantile_has_the_limits_of_the_corrected_values() -> None:
    corrected = [1.0, 1.1, 0.9, 1.2]
    assert quantile_over_rounds([5.0] * 4, corrected=corrected) == over_rounds(corrected)


def test_rounds_too_short_to_correct_have_their_own_quantile_without_limits() -> None:
    found = quantile_over_rounds([1.0, 2.0, 4.0], corrected=[None, None, 3.9])
    assert found is not None
    assert found.estimate == pytest.approx(2.0)
    assert (found.low, found.high, found.rounds) == (None, None, 3)
    assert quantile_over_rounds([None], corrected=[None]) is None
