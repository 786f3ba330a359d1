"""Who comes closest to an objective that nobody meets."""

import msgspec

from servelab.model.slo import Slo
from servelab.model.tuning import Candidate, Closest, Measured, Outcome
from servelab.tuning.book import Book
from servelab.tuning.closest import closest

A, B, C = (Candidate(stack=stack) for stack in "abc")
SLO = Slo(quantile="p99", target_s=0.1)


def trial(of: Candidate, number: int, value_s: float | None, failures: float = 0.0) -> Measured:
    return Measured(
        candidate=of,
        round=number,
        rate_per_s=1.0,
        meets_slo=False,
        slo_value_s=value_s,
        failure_share=failures,
    )


def found(*trials: Measured, slo: Slo = SLO) -> Closest:
    rounds = [
        [each for each in trials if each.round == number]
        for number in sorted({each.round for each in trials})
    ]
    one = closest((A, B, C), book=Book(rounds), slo=slo)
    assert one is not None
    return one


def test_it_is_told_with_its_median_and_its_rounds() -> None:
    values_s = (0.15, 0.9, 0.2)
    made = found(*(trial(A, number, each) for number, each in enumerate(values_s, start=1)))
    assert made == Closest(candidate=A, value_s=0.2, failure_share=0.0, rounds=3)


def test_failures_count_as_a_multiple_of_what_is_allowed_as_the_time_does() -> None:
    # Twice as long as allowed against ten times as many failures as allowed.
    assert found(trial(A, 1, 0.2), trial(B, 1, 0.05, failures=0.01)).candidate == A
    assert found(trial(A, 1, 2.0), trial(B, 1, 0.05, failures=0.01)).candidate == B


def test_where_no_failure_is_allowed_any_is_infinitely_far() -> None:
    none = msgspec.structs.replace(SLO, failure_limit=0.0)
    assert found(trial(A, 1, 9.0), trial(B, 1, 0.05, failures=0.001), slo=none).candidate == A


def test_one_lucky_round_does_not_make_it() -> None:
    often = [trial(A, number, 0.3) for number in (1, 2, 3)]
    assert found(*often, trial(B, 1, 0.11)).candidate == A
    assert found(trial(A, 1, 0.3), trial(B, 1, 0.11)).candidate == B


def test_too_few_requests_for_a_quantile_are_worse_than_any_time() -> None:
    assert found(trial(A, 1, None), trial(B, 1, 50.0)).candidate == B
    assert found(trial(A, 1, None)).value_s is None


def test_who_was_not_measured_is_not_close() -> None:
    invalid = msgspec.structs.replace(trial(A, 1, 0.11), outcome=Outcome.INVALID)
    assert found(invalid, trial(B, 1, 5.0)).candidate == B
    assert closest((A,), book=Book([[invalid]]), slo=SLO) is None
