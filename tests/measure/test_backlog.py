"""Whether a server kept up, from planned starts and ends."""

import numpy as np
import pytest

from capacity_simulation import one_queue
from servelab.measure.backlog import backlog
from servelab.model.trial import Backlog


def constant_service(rate_per_s: float, *, able_per_s: float, seconds: float = 100.0) -> Backlog:
    planned_s = np.arange(0.0, seconds, 1 / rate_per_s)
    ended_s = one_queue(planned_s, np.full(len(planned_s), 1 / able_per_s))
    found = backlog(planned_s, ended_s)
    assert found is not None
    return found


def test_a_server_that_keeps_up_completes_all_and_nothing_piles_up() -> None:
    found = constant_service(50, able_per_s=100)
    assert found.completed_share == pytest.approx(1, abs=0.001)
    assert found.growth_per_s == pytest.approx(0, abs=0.001)


def test_an_overloaded_server_completes_what_it_can_and_the_rest_piles_up() -> None:
    found = constant_service(100, able_per_s=80)
    assert found.completed_share == pytest.approx(0.8, abs=0.01)
    assert found.growth_per_s == pytest.approx(20, rel=0.01)
    assert found.growth_low_per_s > 19


def test_what_was_in_flight_at_the_beginning_counts_for_nobody() -> None:
    # Each request takes 8 s of a 100 s schedule: many are always in flight, and none pile up.
    planned_s = np.arange(0.0, 100.0, 0.1)
    found = backlog(planned_s, planned_s + 8.0)
    assert found is not None
    assert found.completed_share == pytest.approx(1, abs=0.01)
    assert found.growth_low_per_s <= found.growth_per_s <= found.growth_high_per_s
    assert found.growth_per_s == pytest.approx(0, abs=0.01)


def test_a_noisy_queue_that_is_stable_is_rarely_called_growing() -> None:
    growing = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        planned_s = np.sort(random.uniform(0, 60, random.poisson(60 * 80)))
        ended_s = one_queue(planned_s, random.exponential(0.01, len(planned_s)))
        found = backlog(planned_s, ended_s)
        assert found is not None
        growing += found.growth_low_per_s > 0 and found.growth_per_s > 0.8
    assert growing <= 4


def test_chance_does_not_make_a_short_trial_look_overloaded() -> None:
    behind = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        planned_s = np.sort(random.uniform(0, 5, random.poisson(5 * 30)))
        found = backlog(planned_s, planned_s + random.exponential(0.065, len(planned_s)))
        assert found is not None
        behind += found.completed_share_high < 0.98
        behind += found.growth_low_per_s > 0 and found.growth_per_s > 0.3
    assert behind <= 4


@pytest.mark.parametrize("count", [0, 5])
def test_few_requests_tell_nothing(count: int) -> None:
    planned_s = np.arange(count, dtype=float)
    assert backlog(planned_s, planned_s + 1) is None


def test_requests_that_all_start_at_once_tell_nothing() -> None:
    assert backlog(np.zeros(100), np.ones(100)) is None
