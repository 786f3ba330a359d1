"""Faults of the tool's own surroundings: interrupts, kills, a full disk, damaged results."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from servelab.explain.disturbance import OTHER_RUN
from servelab.linux import ports, sockets
from servelab.load.generator import read_records
from servelab.model.address import LOOPBACK, Address
from servelab.model.outcome import Outcome
from servelab.model.trial import Trial, TrialStatus
from servelab.store import folder as stored
from stop_cases.trials import generators
from tests.faults import world
from tests.faults.conftest import DEADLINE_S, MARK, Books, eventually, marked
from tests.load.fault_server import right, serving

pytestmark = pytest.mark.live

CHECKOUT = Path(__file__).parents[2]
LOAD = ("cpu", "--param", f"num={world.WORK}", "-c", "4", "--think-time", "0.01")
ENDLESS = ("-n", "1000000")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tests.faults.tool", *words]


@contextmanager
def tool(*words: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run the tool with the faulty server in its catalogue; results go to `folder`/results."""
    with subprocess.Popen(
        command(*words, "--out", str(folder / "results")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run_tool(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*words),
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
        cwd=CHECKOUT,
    )


def trials_in(folder: Path) -> tuple[Trial, ...]:
    return stored.read(folder / "results").trials


def has_begun(folder: Path, trial: str) -> bool:
    """Tell whether a trial's server has answered calls of the load."""
    return any(
        trial in path.name and path.stat().st_size
        for path in (folder / "results" / "logs").glob("*.books")
    )


def has_recorded(folder: Path, trial: str) -> bool:
    """Tell whether a trial's generator has written records of its load, as it does every tick."""
    return any(
        trial in path.name and path.stat().st_size
        for path in (folder / "results" / "records").glob("*.raw*")
    )


def require_equal_books(folder: Path, trial: Trial) -> None:
    """Demand that a stored trial has as ok exactly what its server answered."""
    books = Books.read(folder / "results" / "logs" / f"{trial.id}.books")
    records = read_records(folder / "results" / "records" / f"{trial.id}.parquet")
    ok = records.sequence[records.outcome == Outcome.OK]
    assert frozenset(int(number) for number in ok) == books.answered
    assert trial.ledger["ok"] == len(books.answered)


def test_fault_01_after_a_server_that_exits_the_other_deployments_go_on(
    port: int, tmp_path: Path
) -> None:
    names = [world.name_of("exits"), world.name_of("healthy")]
    done = run_tool(
        "run", *names, *LOAD, "-n", "20", "--port", str(port), "--json",
        "--out", str(tmp_path / "results"),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    failed, healthy = json.loads(done.stdout)["trials"]
    assert failed["status"] == "failed"
    assert "exit code 3" in failed["reason"]
    assert healthy["status"] == "ok"
    assert healthy["ledger"] == {"scheduled": 20, "sent": 20, "ok": 20}
    require_equal_books(tmp_path, trials_in(tmp_path)[1])


@pytest.mark.parametrize("after_s", [None, 0.0, 0.05, 0.2])
def test_fault_27_ctrl_c_once_or_twice_saves_and_marks_what_there_is(
    port: int, tmp_path: Path, after_s: float | None
) -> None:
    names = [world.name_of("healthy"), world.name_of("ignores-sigterm")]
    with tool(
        "run", *names, *LOAD, "--duration", "0.5", "--rounds", "100", "--warm-up", "0",
        "--port", str(port), folder=tmp_path,
    ) as process:  # fmt: skip
        assert eventually(lambda: len(finished(tmp_path)) > 0)
        assert eventually(lambda: has_begun(tmp_path, "ignores-sigterm"))
        process.send_signal(signal.SIGINT)
        if after_s is not None:
            time.sleep(after_s)  # the second Ctrl-C is to come at different moments
            process.send_signal(signal.SIGINT)
        _, notes = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130, notes
    run = stored.read(tmp_path / "results")
    assert run.trials
    assert run.broken == ()
    assert run.end.interrupted
    for trial in run.trials:
        require_equal_books(tmp_path, trial)
    assert run_tool("show", str(tmp_path / "results")).returncode == 0
    assert ports.is_free(Address(LOOPBACK, port))


def finished(folder: Path) -> Sequence[bytes]:
    file = folder / "results" / "trials.jsonl"
    return file.read_bytes().splitlines() if file.exists() else ()


@pytest.mark.parametrize("fault", ["healthy", "ignores-sigterm"])
def test_fault_28_nothing_outlives_a_servelab_that_was_killed(
    port: int, tmp_path: Path, fault: str
) -> None:
    name = world.name_of(fault, workers=2)
    with tool("run", name, *LOAD, *ENDLESS, "--port", str(port), folder=tmp_path) as process:
        assert eventually(lambda: has_begun(tmp_path, fault))
        mark = os.environ[MARK]
        # The supervisor, the server and its workers, the generator.
        assert len(marked(mark)) >= 3
        process.kill()
        process.wait()
        assert eventually(lambda: not marked(mark), within_s=10)
    assert sockets.listeners(port=port) == ()
    assert ports.is_free(Address(LOOPBACK, port))


def kill_generator(of: int) -> None:
    assert eventually(lambda: bool(generators(of)))
    for pid in generators(of):
        os.kill(pid, signal.SIGKILL)


def test_fault_28_a_generator_that_is_killed_makes_the_trial_invalid_and_keeps_its_records(
    port: int, tmp_path: Path
) -> None:
    name = world.name_of("ignores-sigterm")
    with tool("run", name, *LOAD, *ENDLESS, "--port", str(port), folder=tmp_path) as process:
        assert eventually(lambda: has_begun(tmp_path, "ignores-sigterm"))
        assert eventually(lambda: has_recorded(tmp_path, "ignores-sigterm"))
        kill_generator(process.pid)
        printed, notes = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 3, notes
    assert "please report" not in printed + notes
    (trial,) = trials_in(tmp_path)
    assert trial.status is TrialStatus.INVALID
    assert "the load generator was killed by signal 9 (SIGKILL)" in (trial.reason or "")
    assert trial.audit_errors == []
    assert trial.stop is not None
    assert trial.stop.was_killed
    kept = read_records(tmp_path / "results" / "records" / f"{trial.id}.parquet")
    books = Books.read(tmp_path / "results" / "logs" / f"{trial.id}.books")
    assert len(kept) > 0
    assert {int(number) for number in kept.sequence} <= books.answered


def test_fault_28_load_alone_without_its_generator_is_stored_as_invalid(tmp_path: Path) -> None:
    with serving(right) as server:
        words = [sys.executable, "-m", "servelab", "load", f"http://{server.address}/", "-c", "1",
                 "--think-time", "0.01", *ENDLESS, "--json",
                 "--out", str(tmp_path / "results")]  # fmt: skip
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert eventually(lambda: server.answered > 10)
            kill_generator(process.pid)
            printed, notes = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 3, notes
    (trial,) = json.loads(printed)["trials"]
    assert trial["status"] == "invalid"
    assert "killed by signal 9" in trial["reason"]
    assert trials_in(tmp_path)[0].reason == trial["reason"]
    assert run_tool("show", str(tmp_path / "results")).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of a few MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_fault_29_a_full_disk_ends_the_run_and_earlier_rounds_are_readable(
    port: int, small_disk: Path
) -> None:
    with tool(
        "run", world.name_of("healthy"), *LOAD, "-n", "60", "--rounds", "100",
        "--port", str(port), folder=small_disk,
    ) as process:  # fmt: skip
        assert eventually(lambda: len(finished(small_disk)) > 1)
        fill(small_disk)
        _, notes = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 2, notes
    assert "No space left" in notes
    assert "Traceback" not in notes
    run = stored.read(small_disk / "results")
    assert len(run.trials) > 1
    assert [trial.round for trial in run.trials] == list(range(1, len(run.trials) + 1))
    require_equal_books(small_disk, run.trials[0])
    shown = run_tool("show", str(small_disk / "results"))
    assert shown.returncode == 0, shown.stderr
    assert ports.is_free(Address(LOOPBACK, port))


def fill(folder: Path) -> None:
    """Write until nothing more fits."""
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


def test_fault_30_damaged_lines_are_reported_skipped_and_measured_again_on_resume(
    port: int, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    first = run_tool(
        "run", world.name_of("healthy"), *LOAD, "-n", "20", "--rounds", "4",
        "--port", str(port), "--out", str(results),
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    file = results / "trials.jsonl"
    whole = file.read_bytes().splitlines(keepends=True)
    flipped = whole[1].replace(b'"ok"', b'"oh"', 1)
    # One line is corrupt, and the last was being written when the power failed.
    file.write_bytes(b"".join([whole[0], flipped, whole[2], whole[3][: len(whole[3]) // 2]]))
    shown = run_tool("show", str(results))
    assert shown.returncode == 0
    for number in (2, 4):
        assert f"line {number}: its checksum does not fit" in shown.stderr
    again = run_tool("run", "--resume", str(results))
    assert again.returncode == 0, again.stderr
    run = stored.read(results)
    assert Counter(trial.round for trial in run.trials) == {1: 1, 2: 1, 3: 1, 4: 1}
    assert [trial.round for trial in run.trials] == [1, 3, 2, 4]
    assert [broken.number for broken in run.broken] == [2, 4]


def test_fault_34_two_servelab_at_once_are_told_and_marked_even_if_one_is_brief(
    tmp_path: Path,
) -> None:
    with serving(right) as server:
        words = [sys.executable, "-m", "servelab", "load", f"http://{server.address}/", "-c", "1",
                 "--think-time", "0.01", "--json"]  # fmt: skip
        long = subprocess.Popen(
            [*words, "-n", "100000000"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        with long:
            try:
                assert eventually(lambda: server.answered > 0)
                # It comes and goes while the first goes on.
                brief = subprocess.run(
                    [*words, "-n", "20"],
                    capture_output=True,
                    text=True,
                    timeout=DEADLINE_S,
                    check=False,
                    cwd=tmp_path,
                )
                long.send_signal(signal.SIGINT)
                printed, notes = long.communicate(timeout=DEADLINE_S)
            finally:
                long.kill()
    assert long.returncode == 130, notes
    assert brief.stdout, brief.stderr
    assert "measuring on this machine: the results of all of them will be marked" in brief.stderr
    for text in (printed, brief.stdout):
        (trial,) = json.loads(text)["trials"]
        assert trial["noise"]["other_runs"] >= 1
        assert OTHER_RUN in {warning["kind"] for warning in trial["warnings"]}
    ok = sum(json.loads(text)["trials"][0]["ledger"]["ok"] for text in (printed, brief.stdout))
    assert ok == server.answered or ok == server.answered - 1  # one may have been in flight


def test_fault_34_two_runs_at_once_do_not_meet_on_a_port(tmp_path: Path) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "servelab", "run", "sync-devserver-threaded", "io",
             "--param", "delay_s=0.05", "-n", "40", "-c", "4", "--json",
             "--out", str(tmp_path / name)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    used = []
    for run in runs:
        printed, notes = run.communicate(timeout=2 * DEADLINE_S)
        assert run.returncode == 0, notes + printed
        (trial,) = json.loads(printed)["trials"]
        assert trial["ledger"] == {"scheduled": 40, "sent": 40, "ok": 40}
        used.append(trial["port"])
    assert used[0] != used[1]
