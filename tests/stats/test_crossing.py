"""Where a line crosses zero."""

import pytest

from servelab.stats.crossing import crossing


def test_points_on_a_line_give_its_zero() -> None:
    assert crossing([1, 2, 4], [-3, -1, 3]) == pytest.approx(2.5)


def test_the_zero_stays_within_the_points() -> None:
    assert crossing([1, 2, 3], [1, 2, 3]) == 1
    assert crossing([1, 2, 3], [-3, -2, -1]) == 3


def test_a_line_that_does_not_rise_gives_the_end_on_whose_side_its_values_are() -> None:
    assert crossing([1, 2, 3], [-1, -1, -1]) == 3
    assert crossing([1, 2, 3], [2, 1, 0.5]) == 1


def test_no_points_are_no_line() -> None:
    with pytest.raises(ValueError, match="points"):
        crossing([], [])
