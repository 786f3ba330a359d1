"""The soak's books allow for nothing but what each number foretold."""

from collections.abc import Mapping

import pytest

from servelab.model.outcome import Outcome
from soaking.loads import CALLERS, TIMEOUT_S, Books, End
from soaking.turns import Turn
from tests.faults import behaviours
from tests.load.fault_server import right

RIGHT = Turn(0, right, Outcome.OK)
SILENT = Turn(0, behaviours.close_silently, Outcome.OK)
RESET = Turn(0, behaviours.reset_before, Outcome.RESET)

ENDS = {
    0: End(Outcome.OK, 1, 0.1),
    1: End(Outcome.OK, 1, 0.1),
    2: End(Outcome.RESET, 1, 0.1),
    3: End(Outcome.OK, 2, 0.1),
    4: End(Outcome.RESET, 2, 0.1),
}
FORETOLD = {0: RIGHT, 1: SILENT, 2: RIGHT, 3: RIGHT, 4: RESET}
RECEIVED = frozenset({0, 1, 3, 4})


def complaints(
    *,
    ends: Mapping[int, End] | None = None,
    foretold: Mapping[int, Turn] | None = None,
    received: frozenset[int] = RECEIVED,
    idle_closes: int = 0,
) -> list[str]:
    books = Books(
        ended={**ENDS, **(ends or {})},
        received=received,
        foretold={**FORETOLD, **(foretold or {})},
    )
    return list(books.complaints(idle_closes=idle_closes))


def test_a_request_that_met_a_silent_close_is_accounted_for() -> None:
    assert complaints() == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ends": {0: End(Outcome.RESET, 1, 0.1)}}, "0 ended with reset instead of ok"),
        ({"foretold": {1: RIGHT}}, "2 ended with reset, and the server never saw it"),
        ({"ends": {2: End(Outcome.RESET, 3, 0.1)}}, "2 ended with reset, and the server never"),
        ({"ends": {3: End(Outcome.OK, 1, 0.1)}}, "2 ended with reset, and the server never saw"),
        ({"ends": {2: End(Outcome.TRUNCATED, 1, 0.1)}}, "2 ended with truncated, and the server"),
        ({"received": RECEIVED - {4}}, "4 ended with reset, and the server never saw it"),
        ({"ends": {0: End(Outcome.TIMEOUT, 1, 0.1)}}, "0 is a timeout after only 0.100 s"),
        ({"idle_closes": 1}, "1 connections were closed silently, 2 of that noticed"),
    ],
)
def test_whatever_is_not_foretold_is_told(change: dict[str, object], complaint: str) -> None:
    assert any(complaint in each for each in complaints(**change))  # type: ignore[arg-type]


def test_an_answer_after_the_deadline_is_late_and_nothing_else() -> None:
    ends = {**ENDS, 0: End(Outcome.TIMEOUT, 1, TIMEOUT_S)}
    books = Books(ended=ends, received=RECEIVED, foretold=FORETOLD)
    assert list(books.complaints(idle_closes=0)) == []
    assert list(books.late()) == [0]


def test_closes_that_nobody_noticed_are_told_beyond_the_last_of_each_caller() -> None:
    many = range(CALLERS + 1)
    books = Books(
        ended={number: End(Outcome.OK, number, 0.1) for number in many},
        received=frozenset(many),
        foretold=dict.fromkeys(many, SILENT),
    )
    assert list(books.complaints(idle_closes=1)) == []
    assert list(books.complaints(idle_closes=0)) == [
        f"{CALLERS + 1} connections were closed silently, 0 of that noticed"
    ]
