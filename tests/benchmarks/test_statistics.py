"""The self-test of the statistics: its hosts are what they say, and a small run keeps the goals.

Few hosts, so that the limits are wide, but not so wide that the mistakes named beside them pass.
"""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from servelab.model.verdict import Better, NextStep, Verdicts
from servelab.stats.comparison import judge
from servelab.stats.quantiles import corrected_quantile
from simulated_hosts import report
from simulated_hosts.cases import Comparisons, SelfTest
from simulated_hosts.hosts import Weather, log_rates, queue_times, spreads, true_queue_time
from simulated_hosts.trials import (
    count_comparisons,
    count_power,
    count_quantiles,
    experiment,
    is_false_winner,
    is_wrong,
    quantiles_by_round,
)
from statistics_selftest import equal, main, various

ROOT = Path(__file__).parents[2]
STORED = ROOT / "benchmarks" / "measured" / "statistics.json"
PAGE = ROOT / "docs" / "method.md"


def counted(
    *, hosts: int, deployments: int, rounds: int, weather: Weather, spread: float | None = None
) -> Comparisons:
    generator = np.random.default_rng([9, deployments])
    truths = equal(generator, hosts=hosts, deployments=deployments)
    of_hosts = spreads(generator, hosts=hosts) if spread is None else np.full(hosts, spread)
    logs = log_rates(generator, truth=truths, spread=of_hosts, rounds=rounds, weather=weather)
    return count_comparisons(
        logs, truths=truths, truth_name="equal", weather=weather, spread=spread
    )


# ---- the hosts


def test_the_spread_is_that_of_the_log_ratio() -> None:
    logs = log_rates(
        np.random.default_rng(1),
        truth=np.tile([0.0, 0.4], (200, 1)),
        spread=np.full(200, 0.05),
        rounds=50,
        weather=Weather.CALM,
    )
    ratios = logs[:, :, 1] - logs[:, :, 0]
    assert ratios.std() == pytest.approx(0.05, rel=0.03)
    assert ratios.mean() == pytest.approx(0.4, abs=0.002)
    # Rounds differ by more, and that cancels.
    assert logs[:, :, 0].std() > 0.1


def test_drift_and_bursts_widen_the_ratio_and_favour_nobody() -> None:
    found = {}
    for weather in Weather:
        logs = log_rates(
            np.random.default_rng(2),
            truth=np.zeros((500, 2)),
            spread=np.full(500, 0.02),
            rounds=30,
            weather=weather,
        )
        ratios = logs[:, :, 1] - logs[:, :, 0]
        found[weather] = ratios.std()
        assert abs(ratios.mean()) < 4 * ratios.std() / np.sqrt(ratios.size) * 2
    assert found[Weather.CALM] < found[Weather.DRIFT] < found[Weather.BURSTS]


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_queues_are_in_equilibrium_from_the_first_request(load: float) -> None:
    times = queue_times(np.random.default_rng(3), load=load, shape=(4000,), requests=50)
    for request in (0, 49):
        assert times[:, request].mean() == pytest.approx(1 / (1 - load), rel=0.08)
    p90 = np.quantile(times, 0.9)
    assert p90 == pytest.approx(true_queue_time(load=load, probability=0.9), rel=0.05)


def test_quantiles_of_all_rounds_at_once_are_those_that_servelab_corrects() -> None:
    times = queue_times(np.random.default_rng(4), load=0.5, shape=(2, 3), requests=400)
    corrected, _ = quantiles_by_round(times, probabilities=(0.9,))[:, 0]
    own = [[corrected_quantile(each, probability=0.9) for each in host] for host in times]
    assert corrected == pytest.approx(np.array(own, dtype=np.float64))


def test_various_truths_lag_and_never_lead() -> None:
    truths = various(np.random.default_rng(5), hosts=4000, deployments=2)
    assert truths.max() == 0.0
    assert truths.min() == pytest.approx(-np.log(1.5), abs=0.01)
    assert np.isclose(truths, -np.log(1.03)).mean() == pytest.approx(0.25, abs=0.03)


# ---- what is called wrong


def said(ratio: float) -> Verdicts:
    return judge({"0": [1.0] * 8, "1": [ratio] * 8})


def test_a_winner_is_false_up_to_delta_and_equality_is_wrong_from_there_on() -> None:
    (better,) = said(1.2).comparisons
    assert isinstance(better.verdict, Better)
    assert is_false_winner(better, truth=np.array([0.0, np.log(1.03)]))
    assert is_false_winner(better, truth=np.array([0.0, -0.5]))
    assert not is_false_winner(better, truth=np.array([0.0, np.log(1.031)]))
    (same,) = said(1.001).comparisons
    assert is_wrong(same, truth=np.array([0.0, -np.log(1.03)]))
    assert not is_wrong(same, truth=np.array([0.0, -np.log(1.029)]))


def test_an_experiment_ends_by_itself_or_with_its_budget() -> None:
    clear = np.log([[1.0, 2.0]] * 12)
    assert (experiment(clear).rounds, experiment(clear).step) == (8, NextStep.DECIDED)
    wild = np.random.default_rng(6).normal(0, 1, size=(12, 2))
    assert (experiment(wild).rounds, experiment(wild).step) == (12, NextStep.SPENT)


# ---- a small run


@pytest.mark.parametrize("weather", [Weather.CALM, Weather.BOTH])
def test_intervals_of_two_hold_and_are_hardly_wider_than_the_narrowest(weather: Weather) -> None:
    case = counted(hosts=600, deployments=2, rounds=24, weather=weather)
    # 95 % less four standard errors; the percentile bootstrap has 90 %.
    assert case.held / case.intervals >= 0.915
    assert case.candidates[0].mean_width <= 1.3 * report.narrowest(case).mean_width
    assert case.false_winners / case.hosts <= 0.05
    assert set(case.stops) >= {"narrow enough", "budget spent"}


def test_luck_makes_few_winners_of_six_equals_though_the_leader_is_chosen_by_it() -> None:
    case = counted(hosts=200, deployments=6, rounds=12, weather=Weather.CALM, spread=0.3)
    # Each pair at 5 % by itself makes winners on a fifth of the hosts. An error shared by the
    # printed pairs alone lets all intervals hold on 90 %.
    assert case.false_winners / case.hosts <= 0.05
    assert case.all_held / case.hosts >= 0.93


def test_looking_after_every_round_makes_no_winners() -> None:
    case = counted(hosts=400, deployments=2, rounds=30, weather=Weather.CALM, spread=0.3)
    # Ending as soon as an error of 5 % is reached makes winners on 5.5 %, though delta helps.
    assert case.false_winners / case.hosts <= 0.03
    assert case.mean_rounds > 29


def test_ten_percent_are_found_in_eight_rounds() -> None:
    found = count_power(np.random.default_rng(7), ratio=1.1, spread=0.05, rounds=8, hosts=500)
    assert 0.75 <= found.found / found.hosts < found.excludes_equality / found.hosts


def test_the_interval_of_a_quantile_holds_in_a_queue_and_that_of_its_samples_does_not() -> None:
    (found,) = count_quantiles(
        np.random.default_rng(8),
        load=0.7,
        probabilities=(0.99,),
        rounds=12,
        requests=2000,
        hosts=300,
    )
    assert found.held / found.hosts >= 0.88
    assert found.held_without_correction / found.hosts < 0.85
    assert found.held_by_order_statistics / found.hosts < 0.5
    assert abs(found.bias) < abs(found.bias_without_correction) / 3


# ---- the page


def test_the_page_shows_what_was_counted() -> None:
    stored = msgspec.json.decode(STORED.read_bytes(), type=SelfTest)
    page = PAGE.read_text(encoding="utf-8")
    assert report.renewed(page, counted=stored) == page
    assert stored.hosts >= 5000


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    stored = msgspec.json.decode(STORED.read_bytes(), type=SelfTest)
    with pytest.raises(ValueError, match="0 places for the table 'goals'"):
        report.renewed("nothing", counted=stored)


def test_a_run_is_stored_and_renews_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, stored = tmp_path / "page.md", tmp_path / "counts.json"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    places = ["--stored", str(stored), "--page", str(page)]
    assert main(["run", "--hosts", "8", "--seed", "1", *places]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = msgspec.json.decode(stored.read_bytes(), type=SelfTest)
    assert len(lines) == len(found.comparisons) + len(found.quantiles) + len(found.power)
    assert report.renewed(page.read_text(encoding="utf-8"), counted=found) == page.read_text(
        encoding="utf-8"
    )
