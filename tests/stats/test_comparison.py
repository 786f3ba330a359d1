"""Verdicts on deployments."""

from collections.abc import Sequence
from math import exp, isfinite, log, sqrt

import numpy as np
import pytest
from scipy import stats

from servelab.model.verdict import (
    Better,
    CannotTell,
    Direction,
    Doubt,
    Equivalent,
    Judging,
    Method,
    Undecided,
    Verdicts,
)
from servelab.stats.comparison import holm_levels, judge

STEPS = (-0.02, 0.01, 0.0, 0.02, -0.01, 0.015, -0.015, 0.0)
"""Log ratios of mean 0 and standard deviation .0146."""


def beside(base: Sequence[float], *, ratio: float, steps: Sequence[float] = STEPS) -> list[float]:
    """Return values which are `ratio` times the base, up to the steps."""
    return [value * ratio * exp(step) for value, step in zip(base, steps, strict=True)]


BASE = [100.0, 130.0, 80.0, 95.0, 100.0, 140.0, 70.0, 100.0]


def only_verdict(verdicts: Verdicts) -> object:
    (comparison,) = verdicts.comparisons
    return comparison.verdict


def test_what_slows_a_whole_round_down_cancels() -> None:
    found = judge({"slow": BASE, "quick": beside(BASE, ratio=1.3)})
    (comparison,) = found.comparisons
    assert (found.leader, comparison.other) == ("quick", "slow")
    assert comparison.ratio is not None
    half = stats.t.ppf(0.98, 7) * np.std(STEPS, ddof=1) / sqrt(8)
    assert comparison.ratio.estimate == pytest.approx(1.3)
    assert comparison.ratio.low == pytest.approx(1.3 * exp(-half))
    assert comparison.ratio.high == pytest.approx(1.3 * exp(half))
    assert comparison.ratio.half_width == pytest.approx(exp(half) - 1)
    assert (comparison.ratio.rounds, comparison.ratio.method) == (8, Method.PAIRED_T)
    assert comparison.ratio.confidence == pytest.approx(0.95)
    assert comparison.verdict == Better()


def test_a_difference_that_does_not_matter_is_called_none_and_its_limit_is_told() -> None:
    found = judge({"one": BASE, "other": beside(BASE, ratio=1.005)})
    verdict = only_verdict(found)
    ratio = found.comparisons[0].ratio
    assert isinstance(verdict, Equivalent)
    assert ratio is not None
    assert verdict.largest_difference == pytest.approx(ratio.high - 1)
    assert verdict.largest_difference == pytest.approx(ratio.largest_difference)
    assert found.is_decided


def test_the_largest_difference_counts_both_ways() -> None:
    found = judge({"one": BASE, "other": beside(BASE, ratio=1.0)}, judging=Judging(delta=0.05))
    verdict, ratio = only_verdict(found), found.comparisons[0].ratio
    assert isinstance(verdict, Equivalent)
    assert ratio is not None
    assert verdict.largest_difference == pytest.approx(1 / ratio.low - 1)


def test_an_interval_across_delta_is_undecided_and_says_how_many_rounds_would_tell() -> None:
    found = judge({"one": BASE, "other": beside(BASE, ratio=1.035)})
    verdict = only_verdict(found)
    assert isinstance(verdict, Undecided)
    assert verdict.more_rounds is not None
    spread, distance = np.std(STEPS, ddof=1), log(1.035 / 1.03)
    enough = 8 + verdict.more_rounds
    assert stats.t.ppf(0.98, enough - 1) * spread / sqrt(enough) <= distance
    assert stats.t.ppf(0.98, enough - 2) * spread / sqrt(enough - 1) > distance
    assert not found.is_decided


def test_a_ratio_of_one_plus_delta_itself_is_never_decided() -> None:
    verdict = only_verdict(judge({"one": BASE, "other": beside(BASE, ratio=1.03)}))
    assert verdict == Undecided(more_rounds=None)


def test_there_is_no_verdict_before_the_eighth_round() -> None:
    values = {"one": BASE[:7], "other": [value * 2 for value in BASE[:7]]}
    assert only_verdict(judge(values)) == Undecided(more_rounds=1)


def test_rounds_without_a_figure_of_both_are_left_out() -> None:
    one: list[float | None] = [*BASE, 1e6, None, None]
    other: list[float | None] = [*beside(BASE, ratio=1.3), None, 1e-6, None]
    whole = judge({"one": BASE, "other": beside(BASE, ratio=1.3)})
    gaps = judge({"one": one, "other": other})
    assert gaps.comparisons == whole.comparisons
    assert (gaps.leader, gaps.rounds, whole.rounds) == ("other", 11, 8)


def test_who_missed_the_bad_rounds_does_not_lead_for_it() -> None:
    steady = [100.0] * 10 + [50.0] * 10
    absent = [95.0 + index % 2 for index in range(10)] + [None] * 10
    found = judge({"absent": absent, "steady": steady})
    assert found.leader == "steady"


def test_a_single_lucky_round_does_not_make_a_leader() -> None:
    lucky: list[float | None] = [900.0, *[None] * 7]
    found = judge({"lucky": lucky, "one": BASE, "other": beside(BASE, ratio=1.3)})
    assert found.leader == "other"
    last = found.comparisons[-1]
    assert (last.other, last.ratio, last.verdict) == ("lucky", None, Undecided(more_rounds=7))


def test_a_deployment_without_any_figure_cannot_be_told() -> None:
    found = judge({"one": BASE, "none": [None] * 8})
    assert found.leader == "one"
    assert only_verdict(found) == CannotTell(reason=Doubt.NO_PAIRS)
    nobody = judge({"none": [None] * 8})
    assert (nobody.leader, nobody.comparisons) == (None, ())
    assert judge({}).rounds == 0


def test_where_less_is_better_the_lowest_leads_and_its_ratio_is_above_one() -> None:
    judging = Judging(direction=Direction.LOWER)
    found = judge({"slow": beside(BASE, ratio=1.3), "quick": BASE}, judging=judging)
    (comparison,) = found.comparisons
    assert found.leader == "quick"
    assert comparison.ratio is not None
    assert comparison.ratio.estimate == pytest.approx(1.3)
    assert comparison.verdict == Better()


def test_a_control_that_differs_from_itself_forbids_every_verdict() -> None:
    values = {"one": BASE, "other": beside(BASE, ratio=1.5), "twin": beside(BASE, ratio=1.08)}
    found = judge(values, control=("one", "twin"))
    assert [each.other for each in found.comparisons] == ["one"]
    assert found.control is not None
    assert found.control.ratio is not None
    assert not found.control.is_sound
    verdict = only_verdict(found)
    assert isinstance(verdict, CannotTell)
    assert verdict.smallest_difference is not None
    assert verdict.reason is Doubt.CONTROL
    assert verdict.smallest_difference == pytest.approx(1 / found.control.ratio.low - 1)
    assert verdict.smallest_difference > 0.08


def test_a_control_within_delta_lets_verdicts_pass_though_it_excludes_equality() -> None:
    values = {"one": BASE, "other": beside(BASE, ratio=1.5), "twin": beside(BASE, ratio=1.02)}
    found = judge(values, control=("one", "twin"))
    assert found.control is not None
    assert found.control.ratio is not None
    assert found.control.ratio.high < 1
    assert found.control.is_sound
    assert only_verdict(found) == Better()
    assert found.resolution == pytest.approx(found.control.ratio.half_width)


def test_too_many_voided_rounds_forbid_every_verdict() -> None:
    one: list[float | None] = [*BASE, *[None] * 4]
    other: list[float | None] = [*beside(BASE, ratio=1.5), *[None] * 4]
    assert only_verdict(judge({"one": one, "other": other}, voided_rounds=3)) == Better()
    doubted = only_verdict(judge({"one": one, "other": other}, voided_rounds=4))
    assert isinstance(doubted, CannotTell)
    assert doubted.reason is Doubt.NOISE
    assert doubted.smallest_difference is not None


def test_the_resolution_without_control_is_the_widest_interval() -> None:
    rough = beside(BASE, ratio=2.0, steps=[8 * step for step in STEPS])
    found = judge({"one": BASE, "fine": beside(BASE, ratio=1.9), "rough": rough})
    widths = [each.ratio.half_width for each in found.comparisons if each.ratio]
    assert found.resolution == max(widths)


def test_levels_are_holms() -> None:
    assert holm_levels([0.04, 0.001, 0.02], error=0.06) == pytest.approx([0.06, 0.02, 0.03])
    # The second clearest fails at .03: it and the third are judged there.
    assert holm_levels([0.031, 0.001, 0.04], error=0.06) == pytest.approx([0.03, 0.02, 0.03])
    assert holm_levels([], error=0.05) == []


def test_all_pairs_share_the_error_because_any_may_become_the_leaders() -> None:
    rough = np.random.default_rng(2).lognormal(0, 0.3, size=(4, 8))
    found = judge({str(index): row for index, row in enumerate(rough.tolist())})
    levels = [each.ratio.confidence for each in found.comparisons if each.ratio]
    assert levels == [pytest.approx(1 - 0.05 / 6)] * 3


def test_from_fifteen_rounds_on_ranks_decide_and_a_burst_does_no_harm() -> None:
    generator = np.random.default_rng(5)
    one = generator.lognormal(5, 0.02, size=20)
    other = generator.lognormal(5, 0.02, size=20) * 1.1
    other[3] /= 5
    found = judge({"one": one.tolist(), "other": other.tolist()})
    (comparison,) = found.comparisons
    assert comparison.ratio is not None
    assert comparison.ratio.method is Method.SIGNED_RANK
    assert comparison.ratio.estimate == pytest.approx(1.1, abs=0.02)
    assert comparison.verdict == Better()


def test_equal_figures_without_any_noise_are_equivalent_at_once() -> None:
    found = judge({"one": [10.0] * 8, "other": [10.0] * 8})
    assert only_verdict(found) == Equivalent(largest_difference=0.0)
    assert only_verdict(judge({"one": [10.0] * 8, "other": [12.0] * 8})) == Better()


def test_two_wild_rounds_of_many_deployments_still_give_numbers() -> None:
    values = {str(index): [1.0, 10.0 ** (index % 7)] for index in range(20)}
    found = judge(values)
    assert len(found.comparisons) == 19
    assert all(each.ratio and isfinite(each.ratio.half_width) for each in found.comparisons)


def test_deployments_have_as_many_rounds_and_figures_above_zero() -> None:
    with pytest.raises(ValueError, match="different numbers of rounds"):
        judge({"one": [1.0], "other": [1.0, 2.0]})
    with pytest.raises(ValueError, match="logarithmic"):
        judge({"one": [1.0, 0.0], "other": [1.0, 2.0]})
