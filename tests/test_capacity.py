"""The controller of a search for capacity, on servers that exist on paper only."""

from collections import Counter
from collections.abc import Callable

import pytest

import capacity_selftest as selftest
from capacity_simulation import Server, search, servers
from servelab import capacity
from servelab.model.capacity import (
    Answer,
    CapacityGoal,
    Ending,
    Observation,
    Probe,
    Verdict,
)
from servelab.model.slo import Slo
from servelab.model.step import Step
from servelab.model.trial import Backlog

SLO = Slo(quantile="p99", target_s=0.2)
GOAL = CapacityGoal(slo=SLO, first_rate_per_s=20, lowest_rate_per_s=2)
SIMULATED = servers()

Play = Callable[[Probe], Observation]


def below(capacity_per_s: float) -> Play:
    """Return a server without noise, whose quantile is in proportion to the rate."""

    def play(probe: Probe) -> Observation:
        share = probe.rate_per_s / capacity_per_s
        return Observation(
            step=probe.step,
            rate_per_s=probe.rate_per_s,
            verdict=Verdict.PASS if share < 1 else Verdict.FAIL,
            quantile_s=SLO.target_s * share,
        )

    return play


def played(
    play: Play, *, goal: CapacityGoal = GOAL, at_most: int = 300
) -> tuple[list[Probe], Answer]:
    past: list[Observation] = []
    probes: list[Probe] = []
    while (probe := capacity.next_probe(past, goal=goal)) is not None:
        assert len(past) < at_most, "the search does not end"
        probes.append(probe)
        past.append(play(probe))
    return probes, capacity.answer(past, goal=goal)


def rates(probes: list[Probe], step: Step) -> list[float]:
    return [probe.rate_per_s for probe in probes if probe.step is step]


def test_the_rate_doubles_until_it_fails_and_the_bracket_is_halved_until_it_is_narrow() -> None:
    probes, _ = played(below(300))
    assert rates(probes, Step.DOUBLING) == [20, 40, 80, 160, 320]
    assert rates(probes, Step.BISECTION) == [226, 269]
    assert [probe.number for probe in probes] == list(range(1, len(probes) + 1))


def test_a_first_rate_that_fails_is_halved_until_one_passes() -> None:
    probes, answer = played(below(7))
    assert rates(probes, Step.DOUBLING) == [20, 10, 5]
    assert answer.ending is Ending.CONFIRMED


def test_the_ladder_has_six_rates_around_the_bracket_three_times_each_in_random_order() -> None:
    probes, _ = played(below(300))
    ladder = rates(probes, Step.LADDER)
    rounds = [ladder[:6], ladder[6:12], ladder[12:]]
    assert {tuple(sorted(each)) for each in rounds} == {tuple(sorted(set(ladder)))}
    assert len({tuple(each) for each in rounds}) == 3
    assert min(ladder) == pytest.approx(0.9 * 269, rel=0.01)
    assert max(ladder) == pytest.approx(1.08 * 320, rel=0.01)


def test_another_seed_is_another_order_and_the_same_seed_the_same() -> None:
    def order(seed: int) -> list[float]:
        goal = CapacityGoal(slo=SLO, first_rate_per_s=20, lowest_rate_per_s=2, seed=seed)
        return rates(played(below(300), goal=goal)[0], Step.LADDER)

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted(order(2))


def test_a_ladder_that_noise_put_too_low_is_lengthened_until_it_reaches_the_target() -> None:
    unlucky, real = below(150), below(220)

    def play(probe: Probe) -> Observation:
        single = probe.step in {Step.DOUBLING, Step.BISECTION}
        return (unlucky if single else real)(probe)

    probes, answer = played(play)
    assert max(rates(probes, Step.LADDER)) > 220
    assert Counter(Counter(rates(probes, Step.LADDER)).values()).keys() == {3}
    assert answer.confirmed_per_s == pytest.approx(0.95 * 220, rel=0.01)


def test_a_ladder_that_noise_put_too_high_is_lengthened_downwards() -> None:
    lucky, real = below(260), below(180)

    def play(probe: Probe) -> Observation:
        single = probe.step in {Step.DOUBLING, Step.BISECTION}
        return (lucky if single else real)(probe)

    probes, answer = played(play)
    assert min(rates(probes, Step.LADDER)) < 180
    assert answer.confirmed_per_s == pytest.approx(0.95 * 180, rel=0.01)


def test_confirmation_begins_below_the_solution_and_ends_with_the_third_pass() -> None:
    probes, answer = played(below(300))
    assert rates(probes, Step.CONFIRMATION) == [285, 285, 285]
    assert answer.ending is Ending.CONFIRMED
    assert (answer.confirmed_per_s, answer.passes, answer.trials) == (285, 3, 3)
    assert answer.solved_per_s == pytest.approx(300, rel=0.001)
    assert answer.failed_per_s is not None
    assert 300 <= answer.failed_per_s < 320


def test_three_failures_lower_the_rate_by_three_percent_until_three_of_five_pass() -> None:
    verdicts = iter("FFF" + "FPFF" + "FPPFP")

    def play(probe: Probe) -> Observation:
        seen = below(300)(probe)
        if probe.step is not Step.CONFIRMATION:
            return seen
        verdict = Verdict.PASS if next(verdicts) == "P" else Verdict.FAIL
        return Observation(step=seen.step, rate_per_s=seen.rate_per_s, verdict=verdict)

    probes, answer = played(play)
    assert Counter(rates(probes, Step.CONFIRMATION)) == {285: 3, 276: 4, 268: 5}
    assert (answer.confirmed_per_s, answer.passes, answer.trials) == (268, 3, 5)
    assert answer.failed_per_s == 276


def test_each_probe_has_enough_requests_for_its_quantile_and_lasts_as_long_as_its_step() -> None:
    probes, _ = played(below(3000))
    for probe in probes:
        assert probe.duration_s * probe.rate_per_s >= 1000 + 4 * 1000**0.5
    assert {p.duration_s for p in probes if p.step is Step.CONFIRMATION} == {60.0}
    assert {p.duration_s for p in probes if p.step is Step.LADDER} == {20.0}
    assert {p.duration_s for p in probes if p.step is Step.BISECTION} == {10.0}


@pytest.mark.parametrize(
    ("quantile", "least"), [("p50", 20), ("p90", 100), ("p99", 1000), ("p99.9", 10_000)]
)
def test_ten_requests_must_lie_beyond_the_quantile(quantile: str, least: int) -> None:
    slo = Slo(quantile=quantile, target_s=1)
    assert slo.least_requests == least
    assert capacity.lowest_rate_per_s(slo) * 600 >= least
    assert capacity.default_first_rate_per_s(slo) >= capacity.lowest_rate_per_s(slo)


def test_a_server_that_fails_at_the_lowest_rate_is_too_slow() -> None:
    probes, answer = played(below(1))
    assert rates(probes, Step.DOUBLING) == [20, 10, 5, 2.5, 2]
    assert answer.ending is Ending.TOO_SLOW
    assert (answer.confirmed_per_s, answer.failed_per_s) == (None, 2)


def test_a_server_that_nothing_can_overload_ends_the_search() -> None:
    _, answer = played(below(1e9))
    assert answer.ending is Ending.NO_FAILURE
    assert answer.passed_per_s is not None
    assert answer.passed_per_s > 200_000


def test_an_invalid_trial_is_made_again_and_four_in_a_row_end_the_search() -> None:
    turns = iter([True, True, True, False])

    def play(probe: Probe) -> Observation:
        if probe.rate_per_s == 80 and next(turns, False):
            return Observation(
                step=probe.step, rate_per_s=80, verdict=Verdict.NOTHING, reason="late"
            )
        return below(300)(probe)

    probes, answer = played(play)
    assert rates(probes, Step.DOUBLING) == [20, 40, 80, 80, 80, 80, 160, 320]
    assert answer.ending is Ending.CONFIRMED

    def never(probe: Probe) -> Observation:
        return Observation(step=probe.step, rate_per_s=probe.rate_per_s, verdict=Verdict.NOTHING)

    probes, answer = played(never)
    assert rates(probes, Step.DOUBLING) == [20, 20, 20, 20]
    assert answer.ending is Ending.NOTHING_SAID


def test_a_search_that_confirms_nothing_gives_up() -> None:
    def play(probe: Probe) -> Observation:
        seen = below(300)(probe)
        if probe.step is not Step.CONFIRMATION:
            return seen
        return Observation(step=seen.step, rate_per_s=seen.rate_per_s, verdict=Verdict.FAIL)

    probes, answer = played(play)
    assert len(set(rates(probes, Step.CONFIRMATION))) == capacity.MOST_ATTEMPTS
    assert answer.ending is Ending.NOT_CONFIRMED


def test_a_search_cut_short_says_what_single_trials_showed() -> None:
    past = [
        Observation(step=Step.DOUBLING, rate_per_s=20, verdict=Verdict.PASS, quantile_s=0.1),
        Observation(step=Step.DOUBLING, rate_per_s=40, verdict=Verdict.FAIL, quantile_s=0.3),
    ]
    answer = capacity.answer(past, goal=GOAL)
    assert answer.ending is Ending.UNFINISHED
    assert (answer.confirmed_per_s, answer.passed_per_s, answer.failed_per_s) == (None, 20, 40)
    assert [point.quantile_s for point in answer.curve] == [0.1, 0.3]


def test_nothing_measured_is_an_answer_too() -> None:
    assert capacity.answer([], goal=GOAL).ending is Ending.UNFINISHED


def test_the_expected_duration_is_that_of_a_search_without_noise() -> None:
    probes, _ = played(below(300))
    alone_s = sum(probe.duration_s for probe in probes)
    found_s = capacity.expected_s(GOAL, capacity_per_s=300, overhead_s=2)
    assert found_s == pytest.approx(alone_s + 2 * len(probes))


def test_a_good_quantile_is_no_pass_where_the_server_falls_behind() -> None:
    def verdict(completed: float, growth: float, low: float) -> Verdict:
        backlog = Backlog(
            completed_share=completed - 0.02,
            completed_share_high=completed,
            growth_per_s=growth,
            growth_low_per_s=low,
            growth_high_per_s=2 * growth - low,
        )
        return capacity.judged(0.1, backlog=backlog, rate_per_s=100, slo=SLO)[0]

    assert verdict(0.99, 0.5, 0.1) is Verdict.PASS
    assert verdict(0.99, 5.0, -1.0) is Verdict.PASS
    assert verdict(0.97, 0.0, -1.0) is Verdict.FAIL
    assert verdict(0.99, 2.0, 0.1) is Verdict.FAIL


def test_the_target_itself_is_missed() -> None:
    assert capacity.judged(0.2, backlog=None, rate_per_s=1, slo=SLO) == (
        Verdict.FAIL,
        "p99 was 200 ms",
    )


@pytest.mark.parametrize("server", SIMULATED, ids=lambda server: server.name)
def test_noise_hardly_ever_lets_more_be_confirmed_than_is_true(server: Server) -> None:
    found = [search(server, seed=seed) for seed in range(25)]
    errors = selftest.errors(found, server=server)
    assert sum(error > 0.03 for error in errors) <= 2
    assert sum(error < -0.15 for error in errors) <= 1
    assert all(each.answer.failed_per_s for each in found)


@pytest.mark.slow
@pytest.mark.parametrize("server", SIMULATED, ids=lambda server: server.name)
def test_two_hundred_searches_keep_the_promise(server: Server) -> None:
    errors = selftest.errors([search(server, seed=seed) for seed in range(200)], server=server)
    assert sum(error <= 0.03 for error in errors) >= 190
    assert sum(error >= -0.10 for error in errors) >= 180
    assert sum(error >= -0.15 for error in errors) >= 190
