"""Slopes with intervals that allow for inertia."""

import numpy as np
import pytest

from servelab.stats.trends import trend


def test_a_straight_line_is_found_exactly() -> None:
    moments_s = np.array([0.0, 1.0, 2.5, 3.0, 4.0, 5.5, 6.0, 7.0, 8.0, 9.5])
    found = trend(moments_s, 3 + 2 * moments_s)
    assert found is not None
    assert found.per_s == pytest.approx(2.0)
    assert found.half_width_per_s == pytest.approx(0.0, abs=1e-9)


def test_too_few_values_or_a_single_moment_have_no_slope() -> None:
    assert trend(np.arange(9.0), np.arange(9.0)) is None
    assert trend(np.zeros(20), np.arange(20.0)) is None


def test_the_interval_covers_the_slope_of_independent_scatter() -> None:
    chance = np.random.default_rng(5)
    moments_s = np.arange(30.0)
    hits = 0
    for _ in range(1000):
        found = trend(moments_s, 0.5 * moments_s + chance.normal(size=30))
        assert found is not None
        hits += abs(found.per_s - 0.5) <= found.half_width_per_s
    assert hits > 930


def test_values_that_resemble_their_neighbours_have_a_wider_interval() -> None:
    chance = np.random.default_rng(6)
    scatter = chance.normal(size=200)
    walk = np.cumsum(scatter)
    shuffled = chance.permutation(walk)
    moments_s = np.arange(200.0)
    found, unlike = trend(moments_s, walk), trend(moments_s, shuffled)
    assert found is not None
    assert unlike is not None
    assert found.half_width_per_s > 2 * unlike.half_width_per_s


@pytest.mark.parametrize("count", [10, 15, 30])
def test_a_single_step_among_level_values_is_no_slope(count: int) -> None:
    chance = np.random.default_rng(7)
    moments_s = np.arange(count, dtype=float)
    for step_at in range(1, count):
        values = np.where(moments_s >= step_at, 1.0, 0.0) + chance.normal(scale=0.01, size=count)
        found = trend(moments_s, values)
        assert found is not None
        assert abs(found.per_s) < found.half_width_per_s


def test_the_interval_covers_no_slope_of_inert_values() -> None:
    chance = np.random.default_rng(8)
    moments_s = np.arange(30.0)
    hits = 0
    for _ in range(1000):
        values = np.zeros(60)
        for at in range(1, 60):
            values[at] = 0.6 * values[at - 1] + chance.normal()
        found = trend(moments_s, values[30:])
        assert found is not None
        hits += abs(found.per_s) <= found.half_width_per_s
    assert hits > 890


def test_what_grows_in_bursts_is_found_to_grow() -> None:
    chance = np.random.default_rng(9)
    moments_s = np.arange(15.0)
    found = [
        trend(moments_s, np.cumsum(np.exp(chance.normal(scale=0.7, size=5).repeat(3))))
        for _ in range(200)
    ]
    assert sum(each is not None and each.per_s > each.half_width_per_s for each in found) > 170
