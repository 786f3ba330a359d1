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
