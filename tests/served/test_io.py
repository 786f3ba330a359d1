"""The workload io: the check of its answers; its work is tested live, on the servers."""

from typing import Any

import pytest

from servelab.served.workloads import io


def answers(count: int = 10, *, delay_s: float = 1.0) -> list[dict[str, Any]]:
    return [{"delay_s": delay_s, "number": number} for number in range(count)]


def test_ten_different_answers_pass() -> None:
    assert io.check(io.Parameters(), {"answers": answers()}) is None


def test_a_whole_number_of_seconds_passes_as_what_it_is() -> None:
    assert io.check(io.Parameters(delay_s=2), {"answers": answers(delay_s=2.0)}) is None


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "no list of answers"),
        ({"answers": 10}, "no list of answers"),
        ({"answers": answers(9)}, "9 answers of the slow API instead of 10"),
        ({"answers": answers(11)}, "11 answers"),
        ({"answers": answers(delay_s=0.1)}, "the slow API answered"),
        ({"answers": [*answers(9), {"error": "busy"}]}, "the slow API answered"),
        ({"answers": [*answers(9), answers(1)[0]]}, "only 9 different answers"),
    ],
)
def test_other_results_are_wrong(result: object, reason: str) -> None:
    assert (io.check(io.Parameters(), result) or "").startswith(reason)
