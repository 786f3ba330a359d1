"""Figures of a trial from its records."""

from typing import Any

import numpy as np

from servelab.load.records import Records
from servelab.measure import figures
from servelab.model.outcome import Outcome


def records(times_s: list[float], *, sequence: list[int], outcome: list[Outcome]) -> Records:
    zeros = np.zeros(len(times_s), dtype=np.int64)
    columns: dict[str, Any] = {
        "planned_ns": zeros,
        "taken_up_ns": zeros,
        "connection_ready_ns": zeros,
        "sent_ns": zeros,
        "first_byte_ns": zeros,
        "finished_ns": np.round(np.array(times_s) * 1e9).astype(np.int64),
        "connection": zeros,
        "body_bytes": zeros,
        "worker_pid": zeros,
        "status": zeros,
    }
    return Records(
        sequence=np.array(sequence), outcome=np.array([int(each) for each in outcome]), **columns
    )


KINDS = ("fast", "slow", "fast")


def test_the_number_of_a_request_tells_its_kind_wherever_it_stands_in_the_records() -> None:
    found = figures.by_kind(
        records([0.3, 1.0, 0.1, 2.0, 0.2], sequence=[5, 4, 0, 1, 3], outcome=[Outcome.OK] * 5),
        kinds=KINDS,
    )
    assert [(kind.name, kind.calls) for kind in found] == [("fast", 3), ("slow", 2)]
    assert [kind.response_time_s.max for kind in found] == [0.3, 2.0]


def test_a_failed_call_counts_as_no_faster_than_the_slowest_right_one_of_any_kind() -> None:
    fast, _ = figures.by_kind(
        records([0.1, 2.0], sequence=[0, 1], outcome=[Outcome.REFUSED, Outcome.OK]), kinds=KINDS
    )
    assert fast.response_time_s.max == 2.0


def test_a_kind_without_a_request_is_left_out() -> None:
    (fast,) = figures.by_kind(
        records([0.1, 0.2], sequence=[0, 2], outcome=[Outcome.OK] * 2), kinds=KINDS
    )
    assert (fast.name, fast.calls) == ("fast", 2)


def test_calls_that_are_alike_have_no_kinds() -> None:
    assert figures.by_kind(records([0.1], sequence=[0], outcome=[Outcome.OK]), kinds=()) == []
