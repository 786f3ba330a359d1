"""`servelab leftovers`, and what a run and the doctor say of them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.fake_world import Script, World
from tests.launch.conftest import eventually
from tests.launch.test_killed import forge, unfinished_results
from tests.launch.test_server import alive

from servelab.launch import leftovers
from servelab.launch.supervisor import RUN_VARIABLE
from servelab.linux import procfs
from servelab.model.finding import Verdict
from servelab.report import leftovers_view

NOTHING = World({})


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERVELAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "servers"


@pytest.fixture
def stray() -> Iterator[int]:
    """Yield a process that only its tag tells, as a worker whose number nobody noted."""
    program = "import time; time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", program], env={RUN_VARIABLE: "forged"}
    ) as it:
        yield it.pid
        it.kill()


def test_nothing_left_is_said_so(run: Run, state: Path) -> None:
    assert run(NOTHING, "leftovers") == (0, "Nothing is left of earlier runs.\n", "")
    assert run(NOTHING, "leftovers", "--remove") == (0, "Nothing is left of earlier runs.\n", "")
    assert not state.exists()


@pytest.mark.live
def test_what_still_runs_is_named_and_ended_only_when_asked(
    run: Run, state: Path, stray: int, tmp_path: Path
) -> None:
    forge(state, tmp_path, processes=[])
    assert eventually(lambda: bool(leftovers.find()))  # once it has become what it is to be
    status, printed, _ = run(NOTHING, "leftovers")
    assert status == 0
    assert f"still running: {named(stray)}" in printed
    assert f"output in {tmp_path / 'log'}" in printed
    assert "servelab leftovers --remove" in printed
    status, _, notes = run(World({"flask": Script()}), "run", "sync-devserver", "cpu", "-n", "9")
    assert status == 0
    assert f"left 1 process running: {named(stray)}; see: servelab leftovers" in notes
    assert alive(stray)
    status, printed, _ = run(NOTHING, "leftovers", "--remove")
    assert status == 0
    assert "1 process killed; nothing is left" in printed
    assert not alive(stray)
    assert run(NOTHING, "leftovers")[1] == "Nothing is left of earlier runs.\n"


def named(pid: int) -> str:
    stat = procfs.read_stat(pid)
    assert stat is not None
    return f"{stat.name} ({pid})"


@pytest.mark.live
def test_programs_get_the_same_as_one_object(
    run: Run, state: Path, stray: int, tmp_path: Path
) -> None:
    forge(state, tmp_path, processes=[])
    assert eventually(lambda: bool(leftovers.find()))
    found = json.loads(run(NOTHING, "leftovers", "--json")[1])
    (leftover,) = found["leftovers"]
    assert [each["pid"] for each in leftover["processes"]] == [stray]
    assert found["removed"] == []
    removed = json.loads(run(NOTHING, "leftovers", "--remove", "--json")[1])["removed"]
    assert [(each["killed"], each["is_complete"]) for each in removed] == [(1, True)]


def test_what_a_power_cut_left_unfinished_can_be_gone_on_with(
    run: Run, state: Path, tmp_path: Path
) -> None:
    results = unfinished_results(tmp_path)
    log = results / "logs" / "a.log"
    forge(state, tmp_path, processes=[], log=log, where={"boot_id": "before"})
    _, printed, _ = run(NOTHING, "leftovers")
    assert "the machine was restarted since; nothing of it runs" in printed
    assert f"go on with: servelab run --resume {results}" in printed
    assert "forget it with: servelab leftovers --remove" in printed
    _, printed, _ = run(NOTHING, "leftovers", "--remove")
    assert "0 processes killed; nothing is left" in printed
    assert (results / "plan.json").exists()
    assert run(NOTHING, "leftovers")[1] == "Nothing is left of earlier runs.\n"


def test_a_race_that_a_power_cut_left_unfinished_is_gone_on_with_by_tune(
    run: Run, state: Path, tmp_path: Path
) -> None:
    results = unfinished_results(tmp_path)
    (results / "plan.json").rename(results / "tuning.json")
    log = results / "logs" / "a.log"
    forge(state, tmp_path, processes=[], log=log, where={"boot_id": "before"})
    assert f"go on with: servelab tune --resume {results}" in run(NOTHING, "leftovers")[1]


def test_a_process_that_is_left_makes_a_machine_unfit_and_a_file_does_not(
    state: Path, tmp_path: Path
) -> None:
    assert leftovers_view.findings(leftovers.find()) == ()
    results = unfinished_results(tmp_path)
    log = results / "logs" / "a.log"
    forge(state, tmp_path, processes=[], log=log, where={"boot_id": "before"})
    (finding,) = leftovers_view.findings(leftovers.find())
    assert (finding.verdict, finding.advice) == (
        Verdict.NOTE,
        "remove them with: servelab leftovers --remove",
    )


def test_control_codes_in_a_note_do_not_reach_the_terminal(
    run: Run, state: Path, tmp_path: Path
) -> None:
    results = unfinished_results(tmp_path / "\x1b[31mred")
    log = results / "logs" / "a.log"
    forge(state, tmp_path, processes=[], log=log, where={"boot_id": "before"})
    assert "\x1b" not in run(NOTHING, "leftovers")[1]
