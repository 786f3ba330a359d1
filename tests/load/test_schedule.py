import statistics
from itertools import islice, pairwise

import pytest

from servelab.load.schedule import (
    SECOND_NS,
    ClosedSchedule,
    bounded,
    constant_arrivals,
    poisson_arrivals,
)


def test_a_closed_loop_starts_again_at_the_moment_the_caller_is_free() -> None:
    schedule = ClosedSchedule(requests=10)

    assert schedule.next_start(123) == 123


def test_a_closed_loop_ends_after_its_number_of_requests() -> None:
    schedule = ClosedSchedule(requests=2)

    assert [schedule.next_start(now) for now in (1, 2, 3, 4)] == [1, 2, None, None]


def test_a_closed_loop_starts_nothing_at_or_after_its_end() -> None:
    schedule = ClosedSchedule(end_ns=100)

    assert [schedule.next_start(now) for now in (0, 99, 100, 101)] == [0, 99, None, None]


def test_a_thinking_caller_starts_later_and_not_after_the_end() -> None:
    schedule = ClosedSchedule(end_ns=100, think_ns=30)

    assert [schedule.next_start(now) for now in (0, 69, 70)] == [30, 99, None]


def test_a_stopped_closed_loop_tells_what_it_did_not_plan_and_plans_nothing_more() -> None:
    schedule = ClosedSchedule(requests=5)
    schedule.next_start(0)

    assert schedule.stop() == 4
    assert schedule.next_start(1) is None


def test_a_stopped_closed_loop_without_a_number_left_nothing_unplanned_but_ends_too() -> None:
    schedule = ClosedSchedule(end_ns=100)

    assert schedule.stop() == 0
    assert schedule.next_start(1) is None


def test_constant_arrivals_do_not_drift() -> None:
    arrivals = constant_arrivals(rate_per_s=3, start_ns=7)

    assert list(islice(arrivals, 300_001))[-1] == 7 + 100_000 * SECOND_NS


def test_poisson_arrivals_are_the_same_for_the_same_seed_and_only_then() -> None:
    def first(seed: int) -> list[int]:
        return list(islice(poisson_arrivals(rate_per_s=100, start_ns=0, seed=seed), 50))

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_poisson_gaps_have_mean_and_deviation_of_one_over_the_rate() -> None:
    arrivals = list(islice(poisson_arrivals(rate_per_s=1000, start_ns=0, seed=3), 50_000))
    gaps_s = [(later - earlier) / SECOND_NS for earlier, later in pairwise(arrivals)]

    assert statistics.mean(gaps_s) == pytest.approx(0.001, rel=0.02)
    assert statistics.stdev(gaps_s) == pytest.approx(0.001, rel=0.03)
    assert min(gaps_s) >= 0


def test_arrivals_are_bounded_by_number_and_by_time() -> None:
    def arrivals() -> list[int]:
        return list(bounded(constant_arrivals(rate_per_s=10, start_ns=0), end_ns=SECOND_NS))

    assert len(arrivals()) == 10
    assert len(list(bounded(constant_arrivals(rate_per_s=10, start_ns=0), requests=4))) == 4
