"""Where a warm-up ends, and whether there is a steady state."""

import numpy as np
import pytest
from numpy.typing import NDArray

from servelab.model.warm_up import Settling
from servelab.stats.warm_up import (
    buckets,
    find_warm_up,
    mser_cut,
    shared_warm_up_s,
    slope,
    steadiness,
)


def completions(rates_per_s: NDArray[np.float64], *, seed: int) -> NDArray[np.float64]:
    """Return as many times in each second as chance has it at its rate."""
    generator = np.random.default_rng(seed)
    counts = generator.poisson(rates_per_s)
    starts = np.repeat(np.arange(len(rates_per_s)), counts)
    return starts + generator.random(len(starts))


def regular(*counts: int) -> NDArray[np.float64]:
    """Return so many times in each second, at equal distances."""
    return np.concatenate([second + np.arange(n) / n for second, n in enumerate(counts) if n])


def test_completions_are_counted_in_whole_seconds_in_any_order() -> None:
    times = np.array([0.2, 3.9, 1.0, 1.5, 2.999, 3.0])
    assert buckets(times, start_s=0.0, end_s=3.7).tolist() == [1.0, 2.0, 1.0]
    assert buckets(times, start_s=1.0, end_s=3.0).tolist() == [2.0, 1.0]
    assert buckets(times, start_s=1.0, end_s=1.5).tolist() == []


def test_a_slow_start_is_cut_off_where_it_ends() -> None:
    found = find_warm_up(regular(2, 40, 80, *[100] * 17), length_s=20.0)
    assert found.cut_s == 3.0
    assert found.after.settling is Settling.STEADY
    assert found.after.rate_per_s == 100.0


def test_a_rate_that_never_changes_needs_no_warm_up() -> None:
    found = find_warm_up(regular(*[100] * 20), length_s=20.0)
    assert (found.cut_s, found.is_steady) == (0.0, True)
    assert found.after.slope is not None
    assert found.after.slope.per_minute == pytest.approx(0.0)


def test_the_cut_minimises_the_standard_error_of_what_remains() -> None:
    values = np.random.default_rng(3).normal(100, 5, size=40)
    values[:7] -= np.linspace(60, 10, 7)
    errors = [np.var(values[cut:]) / (40 - cut) for cut in range(36)]
    assert mser_cut(values) == int(np.argmin(errors))
    assert 5 <= mser_cut(values) <= 10


def test_a_cut_in_the_second_half_means_that_it_settled_late() -> None:
    found = find_warm_up(regular(*[50] * 13, *[100] * 7), length_s=20.0)
    assert found.cut_s == 13.0
    assert found.after.settling is Settling.LATE
    assert not found.is_steady


def test_a_rate_that_goes_on_growing_is_not_steady_and_its_slope_is_shown() -> None:
    rates = 1000 * (1 + 0.5 * np.arange(60) / 60)
    found = steadiness(completions(rates, seed=1), start_s=0.0, end_s=60.0)
    assert found.settling in {Settling.HALVES_DIFFER, Settling.SLOW_START}
    assert found.change == pytest.approx(0.222, abs=0.02)
    assert found.slope is not None
    assert found.slope.per_minute == pytest.approx(0.4, abs=0.05)
    assert found.slope.low > 0.3


def test_a_slow_first_second_is_an_outlier() -> None:
    found = steadiness(regular(20, *[100, 101] * 10), start_s=0.0, end_s=21.0)
    assert found.settling is Settling.SLOW_START


def test_halves_that_differ_by_less_than_a_tenth_do_when_quartiles_do() -> None:
    found = steadiness(regular(*[100, 101] * 5, *[108, 109] * 5), start_s=0.0, end_s=20.0)
    assert found.settling is Settling.HALVES_DIFFER
    assert found.change == pytest.approx(0.0796, abs=1e-4)


def test_few_answers_that_scatter_by_chance_are_steady() -> None:
    rates = np.full(20, 8.0)
    labels = [
        steadiness(completions(rates, seed=seed), start_s=0.0, end_s=20.0).settling
        for seed in range(200)
    ]
    assert labels.count(Settling.HALVES_DIFFER) <= 8


def test_short_and_idle_stretches_say_so() -> None:
    assert find_warm_up(regular(*[9] * 6), length_s=6.0).after.settling is Settling.TOO_SHORT
    nothing = find_warm_up(np.array([]), length_s=20.0)
    assert nothing.after.settling is Settling.IDLE
    assert (nothing.after.change, nothing.after.slope) == (None, None)
    assert find_warm_up(np.array([]), length_s=0.3).after.settling is Settling.TOO_SHORT


def test_the_slopes_interval_holds_the_truth_even_where_seconds_resemble_each_other() -> None:
    held = []
    for seed in range(300):
        shocks = np.random.default_rng(seed).normal(size=70)
        noise = np.zeros(70)
        for second in range(1, 70):
            noise[second] = 0.5 * noise[second - 1] + shocks[second]
        found = slope(100 + noise[10:] * 3)
        assert found is not None
        held.append(found.low <= 0.0 <= found.high)
    assert np.mean(held) >= 0.88


def test_one_length_serves_all_deployments() -> None:
    quick = find_warm_up(regular(*[100] * 20), length_s=20.0)
    slow = find_warm_up(regular(2, 40, 80, *[100] * 17), length_s=20.0)
    late = find_warm_up(regular(*[50] * 13, *[100] * 7), length_s=20.0)
    assert shared_warm_up_s([quick]) == 1.0
    assert shared_warm_up_s([quick, slow]) == 3.0
    assert shared_warm_up_s([quick, slow, late]) == 10.0
    assert shared_warm_up_s([], least_s=2.0) == 2.0
