from itertools import product
from statistics import median

import pytest

from load_generator.ratios import (
    MedianInterval,
    Verdict,
    confidence_of_rank,
    median_interval,
    paired_ratios,
    verdict,
)


def test_the_confidence_of_a_rank_is_the_binomial_one() -> None:
    assert confidence_of_rank(15, rank=4) == 1 - 2 * (1 + 15 + 105 + 455) / 2**15
    assert confidence_of_rank(15, rank=1) == 1 - 2 / 2**15
    assert confidence_of_rank(6, rank=1) == 0.96875
    assert confidence_of_rank(5, rank=1) == 0.9375


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_confidence_of_a_rank_is_its_share_of_all_equally_likely_sign_patterns(
    rank: int,
) -> None:
    # Each value lies above (1) or below (-1) the median 0: all patterns are equally likely.
    patterns = [sorted(pattern) for pattern in product((-1, 1), repeat=7)]
    covering = [each for each in patterns if each[rank - 1] < 0 < each[7 - rank]]
    assert confidence_of_rank(7, rank=rank) == len(covering) / len(patterns)


def test_fifteen_values_give_the_interval_from_the_fourth_to_the_twelfth() -> None:
    values = [float(number) for number in (9, 1, 14, 3, 15, 5, 2, 8, 12, 7, 4, 6, 13, 10, 11)]
    assert median_interval(values) == MedianInterval(8.0, 4.0, 12.0, 0.96484375, 15)


def test_more_values_attain_at_least_the_confidence_and_narrowly_so() -> None:
    for count in range(6, 60):
        interval = median_interval([float(value) for value in range(count)])
        assert interval.low is not None
        assert interval.high is not None
        assert interval.confidence >= 0.95
        rank = int(interval.low) + 1
        assert interval.high == count - rank
        assert rank == count // 2 or confidence_of_rank(count, rank=rank + 1) < 0.95


def test_five_values_have_a_median_but_no_interval() -> None:
    assert median_interval([5, 1, 4, 2, 3]) == MedianInterval(3, None, None, 0.0, 5)


def test_an_even_number_of_values_has_the_middle_of_the_two_central_ones_as_median() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert median_interval(values) == MedianInterval(median(values), 1.0, 32.0, 0.96875, 6)


def test_no_values_have_no_median() -> None:
    with pytest.raises(ValueError, match="no values"):
        median_interval([])


def test_ratios_are_taken_within_pairs() -> None:
    assert paired_ratios([3.0, 8.0], theirs=[2.0, 4.0]) == [1.5, 2.0]
    with pytest.raises(ValueError, match="longer"):
        paired_ratios([3.0], theirs=[2.0, 4.0])


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1.0, 1.2, Verdict.MET),
        (1.1, 1.3, Verdict.UNDECIDED),
        (1.2, 1.3, Verdict.UNDECIDED),
        (1.21, 1.3, Verdict.MISSED),
        (None, None, Verdict.UNDECIDED),
    ],
)
def test_a_goal_is_met_only_where_the_whole_interval_meets_it(
    low: float | None, high: float | None, said: Verdict
) -> None:
    assert verdict(MedianInterval(1.2, low, high, 0.96, 15), goal=1.2) is said
