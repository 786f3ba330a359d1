"""The answer of a race in words: what to serve with, and how sure that is."""

from servelab.cli import race_space
from servelab.model.tuning import Candidate, RaceEnding, RunnerUp, Tuned, Tuning
from servelab.model.verdict import (
    Comparison,
    Equivalent,
    Method,
    RatioInterval,
    Undecided,
    Verdict,
)
from servelab.report import race_words
from tests.report.own_runs import SERVICE, race_order

WINNER = Candidate(stack="granian")
EQUIVALENT = Equivalent(largest_difference=0.02)
UNDECIDED = Undecided(more_rounds=None)


def ratio(estimate: float) -> RatioInterval:
    return RatioInterval(
        estimate=estimate,
        low=estimate - 0.01,
        high=estimate + 0.01,
        confidence=0.95,
        rounds=8,
        method=Method.PAIRED_T,
    )


def beside(name: str, verdict: Verdict, *, memory: float = 1.0) -> RunnerUp:
    comparison = Comparison(leader="granian", other=name, ratio=ratio(1.0), verdict=verdict)
    return RunnerUp(
        candidate=Candidate(stack=name),
        comparison=comparison,
        memory_ratio=ratio(memory),
        is_lighter=memory < 0.95,
    )


def words(*runners_up: RunnerUp) -> list[str]:
    space = race_space.lay_out(SERVICE, only=("gunicorn-sync",), cpu_count=2)
    order = race_order(Tuning(space=space.ways))
    found = Tuned(
        ending=RaceEnding.JUDGED,
        winner=WINNER,
        rate_per_s=50.0,
        runners_up=runners_up,
        rounds=8,
        trials=80,
    )
    return list(race_words.answer(found, order=order, title=lambda each: each.stack))


def test_who_is_as_good_stands_beside_the_answer_and_who_of_them_is_lighter() -> None:
    (answer, equals) = words(beside("waitress", EQUIVALENT), beside("cheroot", EQUIVALENT))
    assert answer.endswith("with granian: 50.00 answers/s.")
    assert equals == "As good, within 3.0 %: waitress, cheroot."
    (_, equals) = words(
        beside("waitress", EQUIVALENT, memory=0.9), beside("cheroot", EQUIVALENT, memory=0.6)
    )
    assert equals == "As good, within 3.0 %: waitress, cheroot; cheroot takes 40 % less memory."


def test_who_could_not_be_told_from_the_winner_is_not_called_as_good() -> None:
    (_, equals, others) = words(
        beside("waitress", EQUIVALENT),
        *(beside(name, UNDECIDED, memory=0.5) for name in ("one", "two", "three", "four", "five")),
    )
    assert equals == "As good, within 3.0 %: waitress."
    assert others.startswith("Undecided beside it: one, two, three and 2 more; the rows say")


def test_where_nobody_else_is_left_nobody_is_named() -> None:
    assert len(words()) == 1
