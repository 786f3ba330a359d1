"""Rates from completion times."""

import numpy as np
import pytest

from servelab.stats.rates import median_rate_per_s


def test_processes_add_up() -> None:
    steady = np.arange(0, 10.01, 0.1)
    rate = median_rate_per_s([steady, steady + 0.05], start_s=0.05, end_s=9.9)
    assert rate == pytest.approx(20.0)


def test_a_pause_of_one_process_does_not_move_the_median() -> None:
    steady = np.arange(0, 10.01, 0.1)
    paused = np.concatenate([steady[steady < 4], steady[steady >= 5]])
    assert median_rate_per_s([paused], start_s=0, end_s=10) == pytest.approx(10.0)


def test_calls_longer_than_a_window_count_in_part() -> None:
    slow = np.arange(0, 31, 3.0)
    assert median_rate_per_s([slow], start_s=0, end_s=30) == pytest.approx(1 / 3)


def test_several_calls_can_end_at_each_moment() -> None:
    steady = np.arange(0, 10.01, 0.1)
    rate = median_rate_per_s([steady, steady], start_s=0, end_s=10, calls_each=[3, 5])
    assert rate == pytest.approx(80.0)


def test_processes_without_a_common_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="no common interval"):
        median_rate_per_s([np.array([10.0, 20.0])], start_s=25, end_s=20)


def test_a_process_which_does_not_span_the_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="no completions on both sides"):
        median_rate_per_s([np.array([1.0, 2.0])], start_s=0, end_s=2)
