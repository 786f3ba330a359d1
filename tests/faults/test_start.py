"""Faults of a server that is starting, and of the place where it is to listen."""

import os
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servelab.catalogue import served_path
from servelab.linux import ports, procfs, sockets
from servelab.load.probe import WaryTarget
from servelab.measure import attempt
from servelab.measure.machinery import Generate
from servelab.measure.trial import TrialMeasurer
from servelab.model.address import LOOPBACK, Address
from servelab.model.load import ClosedLoop, LoadPlan, LoadResult
from servelab.model.outcome import Outcome
from servelab.model.progress import Event, Progress, Stage
from servelab.model.trial import TrialStatus
from servelab.served import workloads
from tests.faults import world
from tests.faults.conftest import (
    DEADLINE_S,
    Books,
    Measure,
    eventually,
    in_another_world,
    kinds,
)

pytestmark = pytest.mark.live


def test_fault_01_a_server_that_exits_at_start_fails_with_its_code_and_last_lines(
    measure: Measure,
) -> None:
    began_s = time.monotonic()
    made = measure("exits", requests=10)
    assert time.monotonic() - began_s < DEADLINE_S
    assert made.trial.status is TrialStatus.FAILED
    assert made.trial.reason is not None
    assert "exit code 3" in made.trial.reason
    assert "no such setting: speed" in made.trial.reason
    assert made.trial.throughput_per_s is None
    assert made.trial.stop is not None
    assert made.trial.stop.exited_before_stop


def test_fault_02_a_server_that_never_opens_its_port_fails_after_the_start_up_time(
    measure: Measure, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "READY_TIMEOUT_S", 0.5)
    made = measure("never-listens", requests=10)
    assert made.trial.status is TrialStatus.FAILED
    assert made.trial.reason is not None
    assert f"nothing listens on {LOOPBACK}:{port}" in made.trial.reason
    assert ports.is_free(Address(LOOPBACK, port))


def test_fault_03_a_server_that_listens_and_never_answers_fails_and_has_no_rate(
    measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "READY_TIMEOUT_S", 1.0)
    made = measure("never-answers", requests=10)
    assert made.trial.status is TrialStatus.FAILED
    assert made.trial.reason is not None
    assert "no correct answer within 1 s" in made.trial.reason
    assert made.trial.throughput_per_s is None


CALLERS = 4


class Intruder:
    """A foreign program that shares the server's port while the server is under load."""

    def __init__(self, port: int, *, folder: Path, leaves: bool) -> None:
        self._port = port
        self._counters = folder / "intruder.counters"
        self._leaves = leaves
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def was_heard(self) -> bool:
        """Tell whether the generator has read an answer of it.

        Its books say what it answered before the answer goes out. But a caller that has called it
        again has read what it answered before, and of more calls than callers one is a second.
        """
        return len(Books.read(self._counters.with_suffix(".books")).answered) > CALLERS

    def observe(self, event: Event) -> None:
        """Come when the load has begun; leave, if it does, before the load ends."""
        if not isinstance(event, Progress) or event.stage is not Stage.LOADING or not event.done:
            return
        if self._process is None:
            before = len(sockets.listeners(port=self._port))
            words = ["shares-its-port", str(self._port), "1"]
            self._process = subprocess.Popen(
                [sys.executable, str(world.PROGRAM), *words],
                env={
                    **os.environ,
                    "PYTHONPATH": str(served_path()),
                    workloads.COUNTERS_VARIABLE: str(self._counters),
                },
            )
            assert eventually(lambda: len(sockets.listeners(port=self._port)) > before)
        elif self._leaves and self.was_heard:
            self.end()

    def generating(self, generate: Generate) -> Generate:
        """Return a load that ends early once all has happened."""

        def generate_until(
            plan: LoadPlan, *, should_stop: Callable[[], str | None], **rest: Any
        ) -> LoadResult:
            return generate(plan, should_stop=lambda: should_stop() or self._why_to_end(), **rest)

        return generate_until

    def _why_to_end(self) -> str | None:
        if self._process is None or not self.was_heard:
            return None
        return None if self._leaves and self._process.returncode is None else "all has happened"

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.mark.parametrize("leaves", [False, True])
def test_fault_04_a_program_that_shares_the_port_under_load_makes_the_trial_invalid(
    measure: Measure, measurer: TrialMeasurer, port: int, tmp_path: Path, *, leaves: bool
) -> None:
    intruder = Intruder(port, folder=tmp_path, leaves=leaves)
    generate = intruder.generating(measurer._machinery.generate)
    try:
        made = measure(
            "shares-its-port",
            load=ClosedLoop(callers=CALLERS, think_time_s=0.01),
            duration_s=DEADLINE_S,
            observe=intruder.observe,
            measurer=in_another_world(measurer, generate=generate),
        )
        if not leaves:
            stat = procfs.read_stat(intruder.pid)
            assert stat is not None  # somebody else's: never killed
            assert stat.is_alive
    finally:
        intruder.end()
    assert made.trial.status is TrialStatus.INVALID
    assert made.trial.reason is not None
    assert f"process {intruder.pid}" in made.trial.reason
    assert made.trial.audit_errors == []
    assert made.records is not None
    foreign = int((made.records.worker_pid == intruder.pid).sum())
    assert foreign > 0
    if leaves:
        assert f"gave {foreign} of the answers" in made.trial.reason
    # All answers are somebody's, and each side has its own in its books; of those of the server
    # some may have been on their way when the load was ended.
    own = made.books.answered - made.numbers(Outcome.ABANDONED)
    assert len(made.numbers(Outcome.OK)) == len(own) + foreign


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look as somebody else")
def test_fault_04_an_owner_that_cannot_be_seen_is_named_by_its_user(port: int) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    asked = (
        "import os, sys\n"
        "from servelab.linux import ports\n"
        "from servelab.model.address import Address\n"
        "ports.next_free_port(1)\n"  # nobody may not read what Python loads later
        "os.setgroups([])\n"
        f"os.setuid({nobody})\n"
        "try:\n"
        f"    ports.refuse_if_busy(Address('127.0.0.1', {port}))\n"
        "except Exception as error:\n"
        "    print(error)\n"
    )
    with socket.create_server((LOOPBACK, port)):
        said = subprocess.run(
            [sys.executable, "-c", asked], capture_output=True, text=True, check=True
        )
    assert f"Port {port} is taken: a process of user root" in said.stdout


def test_fault_05_a_poll_that_connects_to_itself_is_refused() -> None:
    """Poll a closed port of the ephemeral range until the kernel gives it as the own port."""
    lowest, highest = ports.ephemeral_range()
    target = Address(LOOPBACK, (lowest + highest) // 4 * 2)
    assert ports.next_free_port(lowest) > highest  # no server of ours gets one of these
    polls, met_itself = 0, 0
    deadline = time.monotonic() + DEADLINE_S
    while not met_itself:
        polls += 1
        assert time.monotonic() < deadline, f"none of {polls} connections met itself"
        try:
            connection = WaryTarget(target.host, target.port).connect()
        except ConnectionRefusedError as error:
            met_itself += "itself" in str(error)
        else:
            assert connection.getsockname()[1] != target.port
            connection.close()


def test_fault_06_fewer_workers_than_asked_for_are_flagged(measure: Measure) -> None:
    made = measure("lacks-one-worker", workers=4, requests=60)
    assert made.trial.workforce is not None
    assert made.trial.workforce.came_up == 3
    (said,) = [each.text for each in made.trial.warnings if each.kind == "workers-missing"]
    assert said.startswith("3 of 4 workers came up")
    made.require_equal_books()


def test_fault_06_all_workers_that_came_up_are_no_reason_to_flag(measure: Measure) -> None:
    made = measure("healthy", workers=3, requests=60)
    assert made.trial.workforce is not None
    assert len(made.trial.workforce.at_start) == len(made.trial.workforce.at_end) == 3
    assert "workers-missing" not in kinds(made.trial)
    assert "workers-replaced" not in kinds(made.trial)
    made.require_equal_books()
