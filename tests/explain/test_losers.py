"""Losers of a race: a line each."""

import msgspec
import pytest

from servelab.explain.losers import losers
from servelab.model.slo import Slo
from servelab.model.trial import Trial
from servelab.model.tuning import Candidate, Loss, LossCause, RaceEnding, Tuned
from servelab.model.verdict import Method, RatioInterval
from tests.explain.test_causes import BASE, usage

WINNER = Candidate(stack="gunicorn", settings=(("processes", 2),))
LOSER = Candidate(stack="gunicorn-gthread", settings=(("processes", 9), ("threads", 8)))
OTHER = Candidate(stack="waitress")
CONTENDING = msgspec.structs.replace(
    BASE,
    stack="gunicorn-gthread",
    heading="9 processes * 8 threads",
    work_share=0.6,
    voluntary_switches_per_call=2000,
)
PUZZLING = msgspec.structs.replace(CONTENDING, work_share=1.0, usage=usage(20.0))
LOSS = Loss(candidate=LOSER, cause=LossCause.WORSE, round=8, beside=WINNER, rounds=8)


def ratio(estimate: float, low: float, high: float) -> RatioInterval:
    return RatioInterval(
        estimate=estimate,
        low=low,
        high=high,
        confidence=0.95,
        rounds=8,
        method=Method.PAIRED_T,
    )


def line(loss: Loss, *trials: Trial, slo: Slo | None = None, limit: int | None = None) -> str:
    tuned = Tuned(ending=RaceEnding.JUDGED, winner=WINNER, losses=(loss,))
    (found,) = losers(tuned, trials={LOSER: trials}, slo=slo, memory_limit_bytes=limit)
    return f"{found.title}: {found.line}"


def changed(**fields: object) -> Loss:
    return msgspec.structs.replace(LOSS, **fields)


def test_a_slower_one_is_told_with_interval_rounds_and_cause() -> None:
    told = line(changed(ratio=ratio(0.85, 0.82, 0.88)), CONTENDING, CONTENDING, PUZZLING)
    assert told == (
        "gunicorn-gthread 9 processes * 8 threads: "
        "12 to 18 % slower than the winner (8 rounds); threads contend"
    )


def test_a_cause_that_tells_nothing_is_left_out() -> None:
    told = line(changed(ratio=ratio(0.85, 0.82, 0.88)), PUZZLING)
    assert told.endswith("slower than the winner (8 rounds)")


def test_without_trials_the_name_stands_for_the_title() -> None:
    told = line(changed(ratio=ratio(0.85, 0.82, 0.88)))
    assert told.startswith("gunicorn-gthread:processes=9,threads=8: 12 to 18 % slower")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (ratio(0.95, 0.89, 1.01), "about 5 % slower than the winner"),
        (ratio(1.01, 0.98, 1.04), "about as fast as the winner"),
        (ratio(0.85, 0.849, 0.851), "about 15 % slower than the winner"),
    ],
)
def test_a_wide_or_a_very_narrow_interval_is_told_by_its_middle(
    found: RatioInterval, words: str
) -> None:
    assert words in line(changed(ratio=found))


def test_one_that_never_ran_with_the_winner_is_told_beside_who_led() -> None:
    told = line(changed(beside=OTHER, share=0.31, rounds=1))
    assert told.endswith("69 % slower than waitress, which then led (1 round)")


def test_one_that_others_outplaced_is_told_so() -> None:
    told = line(changed(cause=LossCause.OUTPLACED, ratio=ratio(0.95, 0.93, 0.97), rounds=5))
    assert told.endswith("3 to 7 % slower than the winner (5 rounds): others were closer")


def test_a_failure_is_told_with_its_reason() -> None:
    told = line(changed(cause=LossCause.FAILED, round=2, reason="it died"))
    assert told.endswith(": failed in round 2: it died")


def test_invalid_trials_are_told_with_the_reason() -> None:
    told = line(changed(cause=LossCause.UNMEASURABLE, reason="client-bound"))
    assert told.endswith(": most of its trials were invalid: client-bound")


def test_memory_over_the_limit_is_told_with_both() -> None:
    loss = changed(cause=LossCause.OVER_MEMORY, peak_memory_bytes=1_240_000_000)
    assert line(loss, limit=800_000_000).endswith("took 1.2 GB, over the limit of 800 MB")


def test_a_missed_objective_is_told_with_the_objective_and_what_held_it_back() -> None:
    slo = Slo(quantile="p99", target_s=0.2)
    told = line(changed(cause=LossCause.MISSES_SLO), CONTENDING, slo=slo)
    assert told.endswith("misses p99<200ms (8 rounds); threads contend")
    by = changed(cause=LossCause.MISSES_SLO, slo_value_s=0.4123)
    assert line(by, slo=slo).endswith("misses p99<200ms with 412 ms (8 rounds)")
    by = changed(cause=LossCause.MISSES_SLO, slo_value_s=1.5)
    assert line(by, slo=slo).endswith("misses p99<200ms with 1.5 s (8 rounds)")
