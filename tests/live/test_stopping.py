"""Every server of the catalogue loses a worker, is asked to end, loses its master, finds no port.

None of it leaves a process, a listener or a note. The figures are in docs/results/stopping.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests import representatives

from servelab import catalogue
from servelab.linux import sockets
from servelab.measure.attempt import Attempt
from servelab.model.deployment import Deployment
from servelab.model.outcome import Outcome
from servelab.model.trial import TrialStatus
from stop_cases import chosen
from stop_cases.trials import (
    CALLERS,
    Case,
    WorkerKill,
    kill_generators,
    kill_master,
    left_processes,
    never,
)

pytestmark = pytest.mark.live

LOAD_S, ACT_AFTER_S = 1.0, 0.3

QUICK = representatives.one_of_each(lambda each: each.server)
WITH_WORKERS = [each for each in QUICK if (each.processes or 1) > 1]
"""In the others the worker that is killed is the master, too."""


def every_deployment(*, quick: Sequence[Deployment]) -> pytest.MarkDecorator:
    """Ask for these, and for all others in the long run, which takes ten minutes more."""
    cases = [
        pytest.param(each, id=each.name, marks=() if each in quick else pytest.mark.slow)
        for each in representatives.and_the_others(quick)
    ]
    return pytest.mark.parametrize("case", cases, indirect=True)


@pytest.fixture
def case(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Case]:
    # Servers inherit it, which tells ours from those of others.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    state = tmp_path / "state"
    monkeypatch.setenv("SERVELAB_STATE", str(state))
    deployment: Deployment = request.param
    case = Case(
        deployment=deployment, folder=tmp_path / "results", load_s=LOAD_S, act_after_s=ACT_AFTER_S
    )
    yield case
    assert left_processes(b"TMPDIR=" + bytes(tmp_path)) == ()
    assert list((state / "servers").iterdir()) == []
    assert not [each for each in sockets.listeners() if each.port in case.ports]


def test_every_deployment_of_the_catalogue_is_among_them() -> None:
    asked = {each.name for stack in catalogue.stacks() for each in stack.deployments}
    assert {each.name for each in chosen.deployments()} == asked
    servers = sorted({each.server for each in chosen.deployments()})
    assert sorted(each.server for each in QUICK) == servers


@every_deployment(quick=QUICK)
def test_sigterm_under_load_tells_the_fate_of_every_request_in_flight(case: Case) -> None:
    attempt = case.attempt(stops_under_load=True)
    assert attempt.status is TrialStatus.OK, attempt.reason
    stop = attempt.graceful_stop
    assert stop is not None
    assert stop.in_flight == CALLERS
    assert stop.answered + sum(stop.lost.values()) == stop.in_flight
    assert stop.in_work is not None
    assert 0 <= stop.in_work <= CALLERS
    assert stop.records is not None
    assert (case.folder / stop.records).exists()
    assert attempt.stop is not None
    assert not attempt.stop.exited_before_stop
    # What was measured before has nothing to do with it.
    assert attempt.load is not None
    assert attempt.load.outcomes == {"ok": attempt.load.scheduled}
    assert sum(each.answered for each in attempt.workers) == attempt.load.scheduled


@every_deployment(quick=QUICK)
def test_a_worker_that_is_killed_under_load_costs_counted_requests_and_leaves_nothing(
    case: Case,
) -> None:
    kill = WorkerKill(case.world.read_counts)
    attempt = case.attempt(kill, until=kill.has_cost_calls)
    assert kill.pid
    assert_every_request_has_one_end(attempt)
    assert kill.lost(attempt) > abandoned_by_us(attempt)
    if kill.was_first:
        assert attempt.status is TrialStatus.FAILED
        assert "SIGKILL" in (attempt.reason or "")


@every_deployment(quick=WITH_WORKERS)
def test_a_master_that_is_killed_alone_fails_the_trial_and_leaves_nothing(case: Case) -> None:
    attempt = case.attempt(kill_master, until=never)
    assert attempt.status is TrialStatus.FAILED
    assert "signal SIGKILL under load" in (attempt.reason or "")
    assert_every_request_has_one_end(attempt)


@pytest.mark.parametrize("case", [chosen.deployments()[0]], ids=["any"], indirect=True)
def test_a_generator_that_is_killed_takes_the_server_along_at_once(case: Case) -> None:
    attempt = case.attempt(lambda _server, _counters: kill_generators(), until=never)
    assert attempt.status is TrialStatus.INVALID
    assert attempt.stop is not None
    assert attempt.stop.was_killed
    assert attempt.stop.seconds < 10


@every_deployment(quick=QUICK)
def test_a_port_that_is_taken_is_refused_and_a_race_for_it_leaves_nothing(case: Case) -> None:
    assert "is taken" in case.refuse_busy_port()
    assert case.start_on_busy_port()


def assert_every_request_has_one_end(attempt: Attempt) -> None:
    assert attempt.load is not None
    assert attempt.records is not None
    assert sum(attempt.load.outcomes.values()) == attempt.load.scheduled
    unsent = attempt.load.outcomes.get(Outcome.UNSENT.label, 0)
    assert len(attempt.records) >= attempt.load.scheduled - unsent


def abandoned_by_us(attempt: Attempt) -> int:
    """Return what was in flight when this test ended the load: servelab ends only a failed one."""
    assert attempt.load is not None
    is_ours = attempt.status is not TrialStatus.FAILED
    return attempt.load.outcomes.get(Outcome.ABANDONED.label, 0) if is_ours else 0
