"""The books."""

from pathlib import Path

import msgspec
import pytest

from servelab.measure import audit, gates
from servelab.model.load import LoadResult
from servelab.model.outcome import Outcome
from servelab.model.trial import GeneratorUsage, TrialStatus
from servelab.model.worker import WorkerCount


def result(outcomes: dict[str, int], *, scheduled: int | None = None) -> LoadResult:
    return LoadResult(
        records=Path("r"),
        scheduled=sum(outcomes.values()) if scheduled is None else scheduled,
        outcomes=outcomes,
        begun_s=0,
        started_s=0,
        ended_s=10,
        connections_opened=1,
        cpu_s=1,
        generator_processes=1,
        in_flight_area_s=100.0,
        response_time_sum_s=100.0,
    )


def test_the_ledger_names_what_was_scheduled_sent_and_ok_first() -> None:
    books = audit.ledger(result({"timeout": 2, "unsent": 3, "ok": 5, "reset": 0}))
    assert list(books.items())[:3] == [("scheduled", 10), ("sent", 7), ("ok", 5)]
    assert books["timeout"] == 2
    assert "reset" not in books


def test_balanced_books_have_no_errors() -> None:
    assert not list(audit.errors_of_generator(result({"ok": 9, "unsent": 1}), sent=9))


@pytest.mark.parametrize(
    ("change", "recorded", "words"),
    [
        ({"scheduled": 11}, 10, "11 requests were scheduled and 10 ended"),
        ({}, 9, "10 requests were sent and 9 recorded"),
        ({"in_flight_area_s": 100.001}, 10, "request-seconds"),
    ],
)
def test_each_contradiction_is_named(change: dict[str, float], recorded: int, words: str) -> None:
    books = msgspec.structs.replace(result({"ok": 10}), **change)
    assert any(words in error for error in audit.errors_of_generator(books, sent=recorded))


@pytest.mark.parametrize(
    ("received", "answered", "is_wrong"),
    [(10, 10, False), (10, 9, False), (10, 8, True), (9, 10, True), (11, 10, True)],
)
def test_workers_counts_lie_between_ok_and_sent(
    received: int, answered: int, *, is_wrong: bool
) -> None:
    books = {"scheduled": 10, "sent": 10, "ok": 9}
    workers = [WorkerCount(pid=1, received=received, answered=answered)]
    assert bool(list(audit.errors_of_workers(books, workers))) is is_wrong


def test_a_generator_without_ports_makes_a_trial_invalid_not_failed() -> None:
    status, reason = gates.status_of({"scheduled": 10, "ok": 5, Outcome.CLIENT_RESOURCE.label: 5})
    assert status is TrialStatus.INVALID
    assert "ports or files" in (reason or "")


def test_no_requests_at_all_are_invalid() -> None:
    assert gates.status_of({"scheduled": 0, "ok": 0})[0] is TrialStatus.INVALID


def usage(*, cpu_share: float, part: float | None) -> GeneratorUsage:
    return GeneratorUsage(
        cpu_s=1,
        cpu_share=cpu_share,
        share_of_all_cpu=part,
        processes=1,
        delay_p99_s=None,
        connections_opened=1,
    )


@pytest.mark.parametrize(
    ("cpu_share", "part", "kinds"),
    [
        (0.7, 0.05, []),
        (0.71, None, ["client-bound"]),
        (0.1, 0.06, ["includes-generator"]),
        (0.1, 0.16, ["generator-heavy"]),
        (0.9, 0.3, ["client-bound", "generator-heavy"]),
    ],
)
def test_what_the_generator_takes_is_said_in_steps(
    cpu_share: float, part: float | None, kinds: list[str]
) -> None:
    cost = usage(cpu_share=cpu_share, part=part)
    found = [*gates.warnings_on_generator(cost), *gates.warnings_on_shared_cores(cost)]
    assert [warning.kind for warning in found] == kinds


def test_efficiency_above_the_noise_is_doubted_and_not_clamped() -> None:
    assert not list(gates.warnings_on_efficiency(1.05))
    assert [warning.kind for warning in gates.warnings_on_efficiency(1.06)] == ["above-ceiling"]
