"""When to stop."""

from math import exp

import numpy as np
import pytest

from servelab.model.verdict import Budget, Judging, NextStep
from servelab.stats.stopping import next_step
from tests.stats.test_comparison import BASE, STEPS, beside

ENDLESS = Budget()


def test_nothing_stops_before_the_eighth_round_but_the_budget() -> None:
    values = {"one": BASE[:7], "other": [value * 2 for value in BASE[:7]]}
    assert next_step(values, budget=ENDLESS) is NextStep.CONTINUE
    assert next_step(values, budget=Budget(rounds=7)) is NextStep.SPENT


def test_a_difference_beyond_doubt_stops() -> None:
    values = {"one": BASE, "other": beside(BASE, ratio=1.3)}
    assert next_step(values, budget=ENDLESS) is NextStep.DECIDED


def test_a_difference_that_is_merely_significant_does_not() -> None:
    rough = [4 * step for step in STEPS]
    values = {"one": BASE, "other": beside(BASE, ratio=1.1, steps=rough)}
    assert next_step(values, budget=ENDLESS) is NextStep.CONTINUE


def test_narrow_intervals_stop_whatever_they_say() -> None:
    values = {"one": BASE, "other": beside(BASE, ratio=1.03)}
    assert next_step(values, budget=ENDLESS) is NextStep.NARROW
    strict = Judging(target=0.01)
    assert next_step(values, budget=ENDLESS, judging=strict) is NextStep.CONTINUE


def test_one_open_comparison_keeps_all_going() -> None:
    rough = [4 * step for step in STEPS]
    values = {
        "best": beside(BASE, ratio=2.0),
        "far": BASE,
        "near": beside(BASE, ratio=1.9, steps=rough),
    }
    assert next_step(values, budget=ENDLESS) is NextStep.CONTINUE
    values["near"] = beside(BASE, ratio=1.2)
    assert next_step(values, budget=ENDLESS) is NextStep.DECIDED


def test_the_controls_twin_plays_no_part() -> None:
    rough = [10 * step for step in STEPS]
    values = {
        "one": BASE,
        "other": beside(BASE, ratio=1.3),
        "twin": beside(BASE, ratio=1.0, steps=rough),
    }
    assert next_step(values, budget=ENDLESS, twin="twin") is NextStep.DECIDED
    assert next_step(values, budget=ENDLESS) is not NextStep.DECIDED


def test_a_round_that_would_not_fit_into_the_time_is_not_begun() -> None:
    values: dict[str, list[float | None]] = {"one": [1.0, 2.0], "other": [2.0, 1.0]}
    budget = Budget(time_s=100.0)
    assert next_step(values, budget=budget, elapsed_s=66.0) is NextStep.CONTINUE
    assert next_step(values, budget=budget, elapsed_s=67.0) is NextStep.SPENT
    assert next_step({"one": [], "other": []}, budget=budget) is NextStep.CONTINUE


def test_a_single_deployment_uses_its_budget() -> None:
    assert next_step({"one": BASE}, budget=ENDLESS) is NextStep.CONTINUE
    assert next_step({"one": BASE}, budget=Budget(rounds=8)) is NextStep.SPENT


@pytest.mark.parametrize("spread", [0.1, 0.4])
def test_looking_after_every_round_seldom_stops_between_equals(spread: float) -> None:
    generator = np.random.default_rng(17)
    stopped = 0
    for _ in range(150):
        ratios = generator.normal(0, spread, size=24)
        values = {"one": [1.0] * 24, "other": [exp(each) for each in ratios]}
        stopped += any(
            next_step({name: row[:count] for name, row in values.items()}, budget=ENDLESS)
            is NextStep.DECIDED
            for count in range(8, 25)
        )
    # At an error of 5 % a look, about one in six would stop.
    assert stopped <= 6
