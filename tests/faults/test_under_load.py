"""Faults of a server under load: it crashes, loses a worker, stands still, leaks."""

import functools
import time

import pytest

from servelab.launch import sampling
from servelab.launch.sampling import sampled
from servelab.measure.trial import TrialMeasurer
from servelab.model.load import ClosedLoop, Connections, OpenLoop
from servelab.model.outcome import Outcome
from servelab.model.trial import TrialStatus
from tests.faults.conftest import DEADLINE_S, Measure, in_another_world, kinds

pytestmark = pytest.mark.live

IN_FLIGHT = (Outcome.CLOSED_EARLY, Outcome.RESET, Outcome.ABANDONED)
"""How a request can end that a server had taken up when it died."""


def test_fault_07_a_crash_under_load_keeps_the_answers_and_fails_at_once(measure: Measure) -> None:
    made = measure("crashes", duration_s=DEADLINE_S)
    trial = made.trial
    assert trial.status is TrialStatus.FAILED
    assert trial.reason is not None
    assert "exit code 7 under load" in trial.reason
    assert "out of luck" in trial.reason
    assert len(made.books.answered) == 6
    made.require_equal_books(*IN_FLIGHT)
    assert trial.load_s is not None
    assert trial.load_s < DEADLINE_S / 2
    # Four callers who wait 50 ms after each refusal.
    assert trial.ledger.get("refused", 0) <= 4 * (20 * trial.load_s + 2)


def test_fault_08_a_worker_that_dies_and_is_replaced_is_noticed(measure: Measure) -> None:
    made = measure("loses-a-worker", workers=2, duration_s=1.5)
    trial, workforce = made.trial, made.trial.workforce
    assert workforce is not None
    (lost,), (new,) = workforce.lost, workforce.replacements
    assert kinds(trial).count("workers-replaced") == 1
    text = next(each.text for each in trial.warnings if each.kind == "workers-replaced")
    assert f"process {lost} of the server's workers ended under load" in text
    assert f"process {new} came instead" in text
    made.require_equal_books(*IN_FLIGHT)
    assert made.books.received - made.books.answered
    assert trial.ledger["ok"] < trial.ledger["scheduled"]
    assert {str(lost), str(new)} <= set(trial.calls_per_worker)


def test_fault_09_a_server_that_stops_responding_does_not_stop_the_schedule(
    measure: Measure,
) -> None:
    began_s = time.monotonic()
    made = measure(
        "stops",
        load=OpenLoop(rate_per_s=50, arrivals="constant"),
        duration_s=1.0,
        timeout_s=5.0,
    )
    trial = made.trial
    assert time.monotonic() - began_s < DEADLINE_S
    assert made.records is not None
    assert trial.ledger["scheduled"] == len(made.records) == 50
    gaps_ns = made.records.planned_ns[made.records.sequence.argsort()]
    assert set(gaps_ns[1:] - gaps_ns[:-1]) <= {20_000_000}
    assert len(made.books.answered) == 6
    made.require_equal_books(Outcome.TIMEOUT)
    assert trial.ledger["timeout"] == 44
    assert trial.status is not TrialStatus.OK
    assert trial.load_s is not None
    assert 5.9 < trial.load_s < 15.0
    assert trial.stop is not None
    assert trial.stop.was_killed


@pytest.fixture
def watchful(measurer: TrialMeasurer, monkeypatch: pytest.MonkeyPatch) -> TrialMeasurer:
    """Look at memory and files twenty times a second, so that seconds tell what minutes do."""
    monkeypatch.setattr(sampling, "DEEP_INTERVAL_S", 0.05)
    monkeypatch.setattr(sampling, "SHARE", 1.0)
    return in_another_world(measurer, sample=functools.partial(sampled, interval_s=0.05))


WATCHED_S = 14.0
"""So long that a process which stands still for a second or two neither bends a line nor leaves
too few figures for one."""


def test_fault_23_a_server_that_leaks_shows_by_how_much(
    measure: Measure, watchful: TrialMeasurer
) -> None:
    made = measure(
        "leaks",
        load=OpenLoop(rate_per_s=40, arrivals="constant"),
        duration_s=WATCHED_S,
        measurer=watchful,
    )
    trial = made.trial
    assert kinds(trial).count("grows") == 2
    memory, files = trial.memory_growth_bytes, trial.open_files_growth
    assert memory is not None
    assert files is not None
    # 40 calls a second, each of which keeps 200 kB and a file.
    assert memory.low * 0.7 < 60 * 40 * 200_000 < memory.high * 1.3
    assert files.low * 0.7 < 60 * 40 < files.high * 1.3
    made.require_equal_books()


def test_fault_23_a_server_that_takes_all_memory_is_stopped_at_a_cap(
    measure: Measure, measurer: TrialMeasurer
) -> None:
    began_s = time.monotonic()
    made = measure(
        "devours",
        load=ClosedLoop(callers=1, think_time_s=0.02),
        duration_s=DEADLINE_S,
        measurer=in_another_world(measurer, spare_memory_bytes=lambda: 300_000_000),
    )
    assert time.monotonic() - began_s < DEADLINE_S
    assert made.trial.status is TrialStatus.FAILED
    assert made.trial.reason is not None
    assert made.trial.reason.startswith("stopped when it took ")
    assert "--memory" in made.trial.reason
    assert made.trial.peak_memory_bytes is not None
    made.require_equal_books(*IN_FLIGHT)


def test_fault_23_a_server_that_keeps_nothing_is_not_said_to_grow(
    measure: Measure, watchful: TrialMeasurer
) -> None:
    made = measure(
        "healthy",
        # Whatever stands still: these have four connections, and no more.
        load=ClosedLoop(callers=4, think_time_s=0.01),
        duration_s=WATCHED_S,
        connections=Connections.KEPT,
        measurer=watchful,
    )
    assert made.trial.memory_growth_bytes is not None
    assert "grows" not in kinds(made.trial)
    made.require_equal_books()
