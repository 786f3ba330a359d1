"""The self-test of `tune`: its applications, its hosts, and what it demands of a few of them."""

import msgspec
import numpy as np
import pytest

import tune_selftest as selftest
from servelab.model.tuning import Candidate
from simulated_hosts.hosts import Weather
from tune_simulation import SHAPES, SURFACES, Gates, Host, cpu, mixed, race, truth, waiting


@pytest.mark.parametrize("shape", SHAPES)
def test_every_grid_has_24_settings_and_a_race_can_reach_its_best(shape: str) -> None:
    asked = truth(np.random.default_rng(1), surface="cpu", shape=shape, seed=1)
    assert len(set(asked.grid)) == 24
    values = {
        (way.stack, axis.setting): axis.values
        for way in asked.tuning.space
        for axis in way.variant.axes
    }
    for candidate in asked.grid:
        for setting, value in candidate.settings:
            assert value in values[candidate.stack, setting]


def test_computing_work_is_best_with_a_process_per_core_and_one_thread() -> None:
    rate = cpu(np.random.default_rng(1), 4)
    settings = [(processes, threads) for processes in (1, 2, 4, 8, 16) for threads in (1, 4, 16)]
    assert max(settings, key=lambda each: rate(*each)) == (4, 1)


def test_waiting_work_grows_with_what_runs_at_once() -> None:
    rate = waiting(np.random.default_rng(1), 4)
    assert rate(4, 1) < rate(4, 4) < rate(4, 16)


def test_mixed_work_is_best_with_neither_the_fewest_nor_the_most_threads() -> None:
    rate = mixed(np.random.default_rng(1), 4)
    assert max((1, 2, 4, 8, 16, 64), key=lambda threads: rate(4, threads)) not in {1, 64}


def test_a_host_without_noise_measures_the_truth_but_for_what_a_round_does_to_all() -> None:
    host = Host(np.random.default_rng(1), spread=0.0, weather=Weather.CALM)
    first, second = (host.measured(rate, slot=place, number=1) for place, rate in enumerate((9, 3)))
    assert first / second == pytest.approx(3)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("shape", SHAPES)
def test_on_a_calm_host_the_winner_is_near_the_best_for_half_of_the_grids_trials(
    surface: str, shape: str
) -> None:
    asked = truth(np.random.default_rng(5), surface=surface, shape=shape, seed=5)
    host = Host(np.random.default_rng(5), spread=0.01, weather=Weather.CALM)
    found = race(asked, host=host, seed=5, gates=Gates.WATCH)
    assert found.share is not None
    assert found.share >= selftest.GOOD_ENOUGH
    assert found.trials <= selftest.GRID_TRIALS / 2


def test_a_line_of_the_result_is_read_as_it_was_written() -> None:
    case = selftest._Case(selftest.SKIES[0], "cpu", "8 stacks * 3", 48, 1)
    made = selftest.line(case, seed=1)
    assert msgspec.json.decode(msgspec.json.encode(made), type=selftest.Line) == made
    assert made.raced.trials <= 48


def test_a_row_counts_winners_below_what_is_good_enough() -> None:
    case = selftest._Case(selftest.SKIES[0], "cpu", "8 stacks * 3", None, 1)
    made = selftest.line(case, seed=1)
    lines = [
        msgspec.structs.replace(made, raced=msgspec.structs.replace(made.raced, share=share))
        for share in (0.96, 0.97, 1.0, None)
    ]
    assert "| 33.3% |" in selftest.row("x", lines)


def test_candidates_of_the_folklore_have_a_rate_too() -> None:
    asked = truth(np.random.default_rng(1), surface="mixed", shape="8 stacks * 3", seed=1)
    (folklore,) = asked.tuning.benchmarks
    assert isinstance(folklore, Candidate)
    assert asked.rates[folklore] > 0
