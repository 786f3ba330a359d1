"""Quantiles of one trial."""

import numpy as np
import pytest

from servelab.stats.quantiles import corrected_quantile, nearest_rank, quantile, summarise


@pytest.mark.parametrize(
    ("count", "probability", "rank"),
    [(300, 0.5, 150), (300, 0.9, 270), (301, 0.5, 151), (1, 0.5, 1), (1000, 0.99, 990)],
)
def test_the_rank_is_the_smallest_that_covers_the_probability(
    count: int, probability: float, rank: int
) -> None:
    assert nearest_rank(count, probability=probability) == rank


def test_a_quantile_is_a_sample_that_happened() -> None:
    samples = np.arange(1, 101, dtype=float)
    assert quantile(samples, probability=0.5) == 50.0


def test_ten_samples_beyond_are_enough_and_nine_are_not() -> None:
    assert quantile(np.arange(100, dtype=float), probability=0.9) == 89.0
    assert quantile(np.arange(99, dtype=float), probability=0.9) is None
    assert quantile(np.arange(1000, dtype=float), probability=0.99) == 989.0
    assert quantile(np.arange(999, dtype=float), probability=0.99) is None


def test_the_order_of_the_samples_does_not_matter() -> None:
    shuffled = np.random.default_rng(1).permutation(np.arange(1000, dtype=float))
    summary = summarise(shuffled)
    assert summary is not None
    assert (summary.p50, summary.p99, summary.max) == (499.0, 989.0, 999.0)
    assert summary.mean == 499.5


def test_no_samples_have_no_summary() -> None:
    assert summarise(np.array([])) is None


def test_the_correction_moves_away_from_the_halves_by_as_much_as_they_differ() -> None:
    first, second = np.arange(1.0, 101.0), np.arange(101.0, 201.0)
    whole = np.concatenate((first, second))
    found = corrected_quantile(whole, probability=0.9)
    assert found == pytest.approx(180.0**2 / np.sqrt(90.0 * 190.0))


def test_equal_samples_need_no_correction() -> None:
    assert corrected_quantile(np.full(4000, 0.25), probability=0.99) == pytest.approx(0.25)


def test_both_halves_need_ten_samples_beyond() -> None:
    assert corrected_quantile(np.arange(1.0, 2001.0), probability=0.99) is not None
    assert corrected_quantile(np.arange(1.0, 2000.0), probability=0.99) is None
    assert corrected_quantile(np.array([]), probability=0.5) is None
