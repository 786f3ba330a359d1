"""Why a race has no winner, in words and as an exit status."""

import pytest

from servelab.model.tuning import Candidate, Loss, LossCause, RaceEnding, Tuned
from servelab.report import no_winner

MB = 1_000_000


def lost(stack: str, cause: LossCause, memory_mb: int | None = None) -> Loss:
    peak_bytes = None if memory_mb is None else memory_mb * MB
    return Loss(
        candidate=Candidate(stack=stack), cause=cause, round=1, peak_memory_bytes=peak_bytes
    )


def of(*losses: Loss, ending: RaceEnding | None = RaceEnding.NOTHING_RUNS) -> Tuned:
    return Tuned(ending=ending, winner=None, meets_slo=False, losses=losses, rounds=1)


def told(found: Tuned) -> str:
    return no_winner.sentence(
        found, label="shop:app", memory_limit_bytes=800 * MB, title=lambda each: each.stack
    )


FAILED = lost("a", LossCause.FAILED)
HEAVY = lost("b", LossCause.OVER_MEMORY, 960)
LESS_HEAVY = lost("c", LossCause.OVER_MEMORY, 900)
INVALID = lost("d", LossCause.UNMEASURABLE)


def test_where_all_fail_nothing_serves() -> None:
    assert told(of(FAILED)) == "Nothing serves shop:app as it should; the rows below say why."


def test_where_all_take_too_much_the_least_is_named() -> None:
    assert told(of(HEAVY, LESS_HEAVY)) == (
        "All that were raced for shop:app took more than 800 MB; the least was 900 MB with c."
    )


def test_where_nothing_could_be_measured_no_server_is_blamed() -> None:
    said = told(of(INVALID))
    assert "Nothing can be said of shop:app" in said
    assert "by no fault of a server" in said


def test_where_each_lost_for_a_reason_of_its_own_all_are_counted() -> None:
    assert told(of(FAILED, HEAVY, LESS_HEAVY, INVALID, lost("e", LossCause.WORSE))) == (
        "Nothing is left that serves shop:app as asked: 1 failed, 2 took more than 800 MB (the "
        "least 900 MB with c), most trials of 1 were invalid, 1 had left before; the rows below "
        "say why."
    )


def test_a_race_that_did_not_come_to_its_end_says_so() -> None:
    assert told(of(HEAVY, ending=RaceEnding.SPENT)).endswith(
        "the least was 960 MB with b. The budget was spent before others could be tried: raise "
        "--budget."
    )
    assert told(of(HEAVY, ending=None)).endswith("The race is not over.")


@pytest.mark.parametrize(
    ("found", "is_nothing"),
    [
        (of(FAILED), True),
        (of(), True),
        (of(HEAVY), False),
        (of(INVALID), False),
        (of(FAILED, HEAVY), False),
        (of(FAILED, ending=None), False),
    ],
)
def test_nothing_serves_only_where_servers_failed(found: Tuned, *, is_nothing: bool) -> None:
    assert no_winner.nothing_serves(found) is is_nothing
