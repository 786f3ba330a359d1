"""nginx for real, in front of servers on unix sockets and on ports, and of gRPC."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import quick_servelab

from servelab import catalogue
from servelab.linux import sockets
from servelab.measure import machinery
from servelab.model.outcome import Outcome
from servelab.model.trial import TrialStatus
from stop_cases.trials import CALLERS, Case, WorkerKill, kill_master, left_processes, never

pytestmark = pytest.mark.live

REQUESTS, CLIENTS = 240, 6
DEADLINE_S = 300
ON_SOCKET = {
    "sync-gunicorn-sync:processes=2,worker_class=sync": 2,
    "async-fastapi:processes=2": 2,
}
"""Deployment -> how many of its workers take connections."""
ON_PORT = ("sync-devserver-threaded", "sync-grpc")
KILLED = "sync-gunicorn-sync:processes=2+nginx"


def behind(name: str) -> str:
    (found, *_) = catalogue.find_deployments(f"{name}+nginx")
    return found.name


@pytest.fixture(scope="module", autouse=True)
def _nginx() -> None:
    front = catalogue.front("nginx")
    if machinery.real().find_program(front.program) is None:
        pytest.fail(f"{front.name} is not installed; install it ({front.installing}).")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("with space")


@pytest.fixture(scope="module")
def trials(folder: Path) -> dict[str, dict[str, Any]]:
    names = [behind(each) for each in (*ON_SOCKET, *ON_PORT)]
    done = subprocess.run(
        [
            *(*quick_servelab.COMMAND, "run", *names, "hello", "--json"),
            *("-n", str(REQUESTS), "-c", str(CLIENTS), "--connections", "kept"),
            *("--out", str(folder / "results")),
        ],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        # Servers inherit it, which tells ours from those of others; sockets lie there.
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    assert left_processes(b"TMPDIR=" + bytes(folder)) == ()
    return {trial["deployment"]: trial for trial in json.loads(done.stdout)["trials"]}


@pytest.mark.parametrize("name", [*ON_SOCKET, *ON_PORT])
def test_every_request_is_answered_through_the_front_and_counted(
    name: str, trials: dict[str, dict[str, Any]], folder: Path
) -> None:
    trial = trials[behind(name)]
    assert trial["status"] == "ok", trial["reason"]
    assert trial["ledger"] == {"scheduled": REQUESTS, "sent": REQUESTS, "ok": REQUESTS}
    assert sum(trial["calls_per_worker"].values()) == REQUESTS
    front = trial["front"]
    assert front["upstream"].startswith("unix:" if name in ON_SOCKET else "127.0.0.1:")
    assert front["usage"]["peak_memory_bytes"] > 1_000_000
    assert front["usage"]["peak_processes"] >= 2
    configuration = (folder / "results" / front["configuration"]).read_text()
    assert f'server "{front["upstream"]}";' in configuration
    assert f"listen 127.0.0.1:{trial['port']} " in configuration
    assert "[emerg]" not in (folder / "results" / front["log"]).read_text()


@pytest.mark.parametrize(("name", "workers"), ON_SOCKET.items())
def test_workers_on_a_unix_socket_are_counted(
    name: str, workers: int, trials: dict[str, dict[str, Any]]
) -> None:
    found = trials[behind(name)]["workforce"]
    assert len(found["at_start"]) == len(found["at_end"]) == workers
    assert trials[behind(name)]["calls_per_worker"].keys() <= {
        str(pid) for pid in (*found["at_start"], *found["at_end"])
    }


def test_clients_keep_their_connections_where_the_server_alone_would_close_them(
    trials: dict[str, dict[str, Any]],
) -> None:
    # gunicorn's sync worker closes after each answer; the front does not pass that on.
    assert trials[behind(next(iter(ON_SOCKET)))]["generator"]["connections_opened"] <= CLIENTS


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (deployment,) = catalogue.find_deployments(KILLED)
    case = Case(deployment=deployment, folder=tmp_path / "results", load_s=2.0)
    yield case
    assert left_processes(b"TMPDIR=" + bytes(tmp_path)) == ()
    assert not [each for each in sockets.listeners() if each.port in case.ports]


def test_a_server_that_is_killed_behind_its_front_fails_the_trial(case: Case) -> None:
    attempt = case.attempt(kill_master, until=never)
    assert attempt.status is TrialStatus.FAILED
    assert "the server ended with signal SIGKILL under load" in (attempt.reason or "")


def test_a_worker_that_is_killed_behind_its_front_is_an_answer_of_500_and_more(case: Case) -> None:
    kill = WorkerKill(case.world.read_counts)
    attempt = case.attempt(kill, until=kill.has_cost_calls)
    assert kill.pid
    assert attempt.load is not None
    assert attempt.load.outcomes.get(Outcome.SERVER_ERROR.label, 0) > 0
    assert attempt.workforce is not None
    assert kill.pid in attempt.workforce.lost


def test_what_is_in_flight_is_answered_through_the_front_while_the_server_ends(case: Case) -> None:
    attempt = case.attempt(stops_under_load=True)
    assert attempt.status is TrialStatus.OK, attempt.reason
    stop = attempt.graceful_stop
    assert stop is not None
    assert stop.in_flight == CALLERS
    assert stop.answered > 0
    # The front is still there: nobody is refused, as one is by a port without a listener.
    assert stop.later[Outcome.SERVER_ERROR.label] > 0
    assert {Outcome.REFUSED.label, Outcome.RESET.label}.isdisjoint([*stop.lost, *stop.later])
    assert attempt.stop is not None
    assert attempt.stop.exit_code == 0


def test_a_port_that_is_taken_is_refused_for_the_front(case: Case) -> None:
    assert "is taken" in case.refuse_busy_port()
