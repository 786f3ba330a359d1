"""The exact signed-rank interval."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from servelab.stats.signed_rank import chance_of_more, limits, pseudo_median, walsh_averages


def test_the_pseudo_median_is_the_median_of_all_means_of_two() -> None:
    averages = walsh_averages(np.array([3.0, 1.0, 8.0]))
    assert averages.tolist() == [1.0, 2.0, 3.0, 4.5, 5.5, 8.0]
    assert pseudo_median(averages) == 3.75


@pytest.mark.parametrize(
    ("count", "error", "outside"), [(8, 0.05, 4), (10, 0.05, 9), (20, 0.01, 38)]
)
def test_the_limits_are_at_the_ranks_of_published_tables(
    count: int, error: float, outside: int
) -> None:
    # F. Wilcoxon & R. A. Wilcox, Some Rapid Approximate Statistical Procedures, 1964: critical
    # values 3, 8 and 37; the limit is the next Walsh average.
    averages = walsh_averages(np.random.default_rng(count).normal(size=count))
    found = limits(averages, count=count, error=error)
    assert found == (averages[outside - 1], averages[-outside])


def test_too_few_values_have_no_limits_and_just_enough_have_the_extremes() -> None:
    five = walsh_averages(np.arange(5.0))
    six = walsh_averages(np.arange(6.0))
    assert limits(five, count=5, error=0.05) is None
    assert limits(six, count=6, error=2 / 2**6) == (0.0, 5.0)


def test_chances_are_those_of_all_signs() -> None:
    values = np.array([0.3, -0.1, 0.9, 0.55, -0.2, 0.7])
    ranks = np.argsort(np.argsort(np.abs(values))) + 1
    seen = ranks[values > 0].sum()
    sums = [float(np.dot(signs, ranks)) for signs in product((0, 1), repeat=len(values))]
    exact = np.mean([each >= seen for each in sums])
    assert chance_of_more(walsh_averages(values), count=6, centre=0.0) == pytest.approx(exact)


@pytest.mark.parametrize("seed", range(20))
def test_test_and_interval_agree(seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.4, size=17)
    averages = walsh_averages(values)
    found = limits(averages, count=17, error=0.05)
    assert found is not None
    assert (chance_of_more(averages, count=17, centre=0.1) <= 0.025) == (found[0] > 0.1)
    scipy_says = stats.wilcoxon(values - 0.1, alternative="greater", method="exact").pvalue
    assert chance_of_more(averages, count=17, centre=0.1) == pytest.approx(scipy_says)
