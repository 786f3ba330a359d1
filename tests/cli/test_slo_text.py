"""Objectives as they are typed."""

import msgspec
import pytest

from servelab.cli import amounts, slo_text
from servelab.errors import UsageError
from servelab.model.slo import QUANTILES, Slo


@pytest.mark.parametrize(
    ("text", "quantile", "target_s"),
    [
        ("p99<200ms", "p99", 0.2),
        ("p99.9<1s", "p99.9", 1.0),
        ("p90<=50ms", "p90", 0.05),
        ("p50<2.5ms", "p50", 0.0025),
        (" p95 < .5 s ", "p95", 0.5),
        ("p75<800us", "p75", 0.0008),
    ],
)
def test_a_quantile_has_a_target(text: str, quantile: str, target_s: float) -> None:
    slo = slo_text.parse(text)
    assert (slo.quantile, slo.failure_limit) == (quantile, 0.001)
    assert slo.target_s == pytest.approx(target_s)


@pytest.mark.parametrize("text", ["p99<200ms,failures<0.5%", "p99<200ms, failures <= .5 %"])
def test_failures_may_have_a_limit(text: str) -> None:
    assert slo_text.parse(text).failure_limit == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "p99<200ms"),
        ("p99", "no target"),
        ("p99<200", "no target"),
        ("p99>200ms", "no target"),
        ("mean<200ms", "no target"),
        ("p99<nan ms", "no target"),
        ("p99<-1s", "no target"),
        ("p99<0ms", "no request takes less"),
        ("p98<1s", "there are p50, p60"),
        ("p99.99<1s", "is not measured"),
        ("p99<1s,failures<1", "no limit for failures"),
        ("p99<1s,errors<1%", "no limit for failures"),
        ("p99<1s,failures<100%", "every request may fail"),
        ("p99<1s,failures<1%,p50<1s", "3 parts"),
    ],
)
def test_anything_else_is_a_sentence_with_an_example(text: str, words: str) -> None:
    with pytest.raises(UsageError, match="--slo") as caught:
        slo_text.parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["p99<200ms", "p99.9<1.5s", "p50<2.5ms", "p99<200ms,failures<0.5%"]
)
def test_an_objective_is_printed_as_it_is_typed(text: str) -> None:
    assert str(slo_text.parse(text)) == text


@pytest.mark.parametrize("quantile", QUANTILES)
def test_every_quantile_of_a_trial_can_be_asked_for_and_stored(quantile: str) -> None:
    slo = slo_text.parse(f"{quantile}<1s")
    assert msgspec.json.decode(msgspec.json.encode(slo), type=Slo) == slo


def test_it_reads_its_own_quantile_from_a_trials_times() -> None:
    slo = Slo(quantile="p99.9", target_s=1)
    assert slo.beyond_share == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("text", "seconds"), [("15m", 900), ("15min", 900), ("90s", 90), ("2h", 7200), ("1.5", 1.5)]
)
def test_a_budget_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert amounts.seconds(text, option="--budget") == seconds


@pytest.mark.parametrize("text", ["", "m", "-5m", "0s", "5 weeks", "nan"])
def test_a_budget_that_is_none_is_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="--budget"):
        amounts.seconds(text, option="--budget")
