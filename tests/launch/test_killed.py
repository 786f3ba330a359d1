"""What is left when servelab, supervisor and guard are killed, in every combination."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from servelab.errors import TrialInvalid
from servelab.launch import leftovers, notes
from servelab.linux import procfs, sockets
from servelab.model.address import Address
from servelab.model.leftover import Leftover
from tests.launch.conftest import DEADLINE_S, Launch, ask, eventually
from tests.launch.test_server import alive, read_pids, start_driver

pytestmark = pytest.mark.live


class Running(NamedTuple):
    servelab: "subprocess.Popen[bytes]"
    guard: int
    supervisor: int
    tree: list[int]

    def kill(self, *names: str) -> None:
        """Kill these at once: none of them gets to see the others go."""
        pids = {
            "servelab": self.servelab.pid,
            "guard": self.guard,
            "supervisor": self.supervisor,
        }
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for name in names:
                os.kill(pids[name], number)
        assert eventually(lambda: not any(alive(pids[name]) for name in names))


@contextmanager
def running(fault: str, *, tmp_path: Path, address: Address) -> Iterator[Running]:
    driver = start_driver(fault, tmp_path=tmp_path, address=address)
    guard, supervisor, *tree = read_pids(driver)
    try:
        yield Running(driver, guard, supervisor, tree)
    finally:
        driver.kill()
        driver.wait()
        assert driver.stdout is not None
        driver.stdout.close()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERVELAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "servers"


ONE_IS_LEFT = [
    ("servelab",),
    ("guard",),
    ("supervisor",),
    ("servelab", "guard"),
    ("servelab", "supervisor"),
    ("guard", "supervisor"),
]


@pytest.mark.parametrize("fault", ["workers", "daemon_child"])
@pytest.mark.parametrize("killed", ONE_IS_LEFT, ids="+".join)
def test_fault_28_nothing_outlives_any_two_of_servelab_supervisor_and_guard(
    killed: tuple[str, ...], fault: str, tmp_path: Path, address: Address, state: Path
) -> None:
    with running(fault, tmp_path=tmp_path, address=address) as run:
        assert len(list(state.iterdir())) == 1
        run.kill(*killed)
        assert eventually(lambda: not any(alive(pid) for pid in run.tree), within_s=10)
        assert eventually(lambda: not sockets.listeners(port=address.port))
        if "servelab" not in killed:
            run.servelab.send_signal(signal.SIGINT)
        run.servelab.wait(DEADLINE_S)
        assert eventually(lambda: not (alive(run.guard) or alive(run.supervisor)))
    assert eventually(lambda: not list(state.iterdir()))


def test_a_supervisor_that_was_stopped_is_killed_with_the_server_and_named(
    launch: Launch, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servelab.launch.server._ANSWER_PATIENCE_S", 1.0)
    tree: frozenset[int] = frozenset()
    supervisor = 0
    began_s = time.monotonic()

    def stop_supervisor() -> None:
        nonlocal tree, supervisor
        with launch("workers") as server:
            server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
            tree, supervisor = server.process_ids(), server.supervisor_pid
            os.kill(supervisor, signal.SIGSTOP)

    with pytest.raises(TrialInvalid, match="did not respond, as one that was sent SIGSTOP") as why:
        stop_supervisor()
    assert f"(process {supervisor})" in str(why.value)
    assert time.monotonic() - began_s < DEADLINE_S
    assert tree
    assert not any(alive(pid) for pid in (supervisor, *tree))
    assert not sockets.listeners(port=address.port)


def test_fault_28_a_supervisor_that_was_stopped_lets_nothing_outlive_a_killed_servelab(
    tmp_path: Path, address: Address, state: Path
) -> None:
    with running("workers", tmp_path=tmp_path, address=address) as run:
        os.kill(run.supervisor, signal.SIGSTOP)
        run.kill("servelab")
        assert eventually(
            lambda: not any(alive(pid) for pid in (run.guard, run.supervisor, *run.tree))
        )
    assert not sockets.listeners(port=address.port)
    assert not list(state.iterdir())


def test_a_guard_that_was_stopped_keeps_nobody_waiting(
    launch: Launch, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servelab.launch.server._CLOSE_PATIENCE_S", 1.0)
    with launch("workers") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        pids = (server.guard_pid, server.supervisor_pid, *server.process_ids())
        os.kill(server.guard_pid, signal.SIGSTOP)
    assert server.stop().exit_code is not None
    assert not any(alive(pid) for pid in pids)


def test_what_the_death_of_all_three_left_is_found_named_and_removed_only_when_asked(
    tmp_path: Path, address: Address, state: Path
) -> None:
    with running("workers", tmp_path=tmp_path, address=address) as run:
        assert leftovers.find() == ()  # its watchers live
        run.kill("servelab", "guard", "supervisor")
        # The first process is bound to the supervisor; its workers are not.
        assert eventually(lambda: sum(map(alive, run.tree)) == 2)
        left = only(leftovers.find())
        workers = [pid for pid in run.tree if alive(pid)]
        assert [each.pid for each in left.processes] == sorted(workers)
        assert left.log == tmp_path / "log"
        assert not left.is_from_another_boot
        assert leftovers.find() == (left,)  # looking removes nothing
        done = leftovers.remove(left)
        assert (done.killed, done.is_complete) == (2, True)
        assert not any(alive(pid) for pid in run.tree)
    assert leftovers.find() == ()
    assert not list(state.iterdir())


def test_a_leftover_that_hides_its_environment_is_found_by_number_and_start(
    tmp_path: Path, address: Address, state: Path
) -> None:
    with running("daemon_child", tmp_path=tmp_path, address=address) as run:
        note = next(state.iterdir())
        # The daemon has neither tag nor parent; the supervisor saw it a moment later, and perhaps
        # the process between them, which does not live long.
        assert eventually(lambda: any(map(is_daemon, noted(note))))
        assert eventually(lambda: sum(map(alive, noted(note))) == 2)
        run.kill("servelab", "guard", "supervisor")
        assert eventually(lambda: sum(map(alive, noted(note))) == 1)
        left = only(leftovers.find())
        assert [each.pid for each in left.processes] == [pid for pid in noted(note) if alive(pid)]
        assert leftovers.remove(left).is_complete
    assert not sockets.listeners(port=address.port)


def test_a_process_that_has_got_the_number_of_a_leftover_is_not_touched(
    launch: Launch, address: Address, state: Path, tmp_path: Path
) -> None:
    with launch("healthy") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        now = procfs.read_stat(server.pid)
        assert now is not None
        forged = forge(state, tmp_path, processes=[(server.pid, now.start_ticks - 1)])
        assert leftovers.find() == ()
        assert not forged.exists()  # nothing is left of it, so it is forgotten
        assert server.is_alive()


@pytest.mark.parametrize("change", ["boot_id", "host", "pid_namespace"])
def test_what_was_noted_elsewhere_is_not_touched(
    launch: Launch, address: Address, state: Path, tmp_path: Path, change: str
) -> None:
    with launch("healthy") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        now = procfs.read_stat(server.pid)
        assert now is not None
        forge(state, tmp_path, processes=[now.identity], where={change: "another"})
        assert leftovers.find() == ()
        assert server.is_alive()


def test_this_process_and_those_above_it_are_never_leftovers(state: Path, tmp_path: Path) -> None:
    stats = procfs.all_stats()
    line = [stats[pid].identity for pid in procfs.ancestry(os.getpid(), stats=stats)]
    assert len(line) > 1
    forge(state, tmp_path, processes=line)
    assert leftovers.find() == ()


def test_a_power_cut_leaves_the_unfinished_results_which_are_named_and_kept(
    state: Path, tmp_path: Path
) -> None:
    results = unfinished_results(tmp_path)
    halves = tuple(results / "records" / f"a-cpu-1.parquet.{end}" for end in ("part", "raw0"))
    for half in halves:
        half.write_bytes(b"half of it")
    forge(
        state,
        tmp_path,
        processes=[(1, 1)],
        log=results / "logs" / "a.log",
        where={"boot_id": "before"},
    )
    left = only(leftovers.find())
    assert left.is_from_another_boot
    assert left.processes == ()
    assert (left.files, left.unfinished) == (halves, results)
    assert leftovers.remove(left).is_complete
    assert not any(half.exists() for half in halves)
    assert (results / "plan.json").exists()
    assert leftovers.find() == ()


def test_files_of_a_run_that_goes_on_again_are_not_leftovers(state: Path, tmp_path: Path) -> None:
    results = unfinished_results(tmp_path)
    (results / "records" / "a-cpu-1.parquet.raw0").write_bytes(b"being written")
    log = results / "logs" / "a.log"
    forge(state, tmp_path, processes=[], log=log, where={"boot_id": "before"})
    writer = notes.Note(str(state / f"live{notes.SUFFIX}"))
    writer.begin(tag="live", program="gunicorn", log=str(log), groups=[])
    assert leftovers.find() == ()
    writer.remove()
    writer.close()


def test_a_garbled_note_stops_nobody(state: Path, tmp_path: Path) -> None:
    state.mkdir(parents=True)
    (state / f"empty{notes.SUFFIX}").touch()
    (state / f"garbled{notes.SUFFIX}").write_bytes(b'{"format": 1, "boot_id": \xff\n[1,2')
    (state / f"link{notes.SUFFIX}").symlink_to("/dev/zero")
    results = unfinished_results(tmp_path)
    cut = forge(
        state, tmp_path, processes=[], log=results / "logs" / "a.log", where={"boot_id": "before"}
    )
    with cut.open("ab") as note:
        note.write(b'{"processes": [[1, 2], [3')
    assert only(leftovers.find()).unfinished == results


def test_a_folder_that_cannot_be_written_costs_the_note_only(
    launch: Launch, address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SERVELAB_STATE", str(tmp_path / "file"))
    with launch("healthy") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
    assert leftovers.find() == ()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SERVELAB_STATE": "/s", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/s/servers"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/servelab/servers"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/servelab/servers"),
        ({"HOME": "/h"}, "/h/.local/state/servelab/servers"),
    ],
)
def test_notes_lie_in_the_users_state_folder(variables: dict[str, str], expected: str) -> None:
    assert notes.notes_folder(variables) == Path(expected)


def only(found: tuple[Leftover, ...]) -> Leftover:
    assert len(found) == 1
    return found[0]


def is_daemon(pid: int) -> bool:
    """Tell whether a process runs the program of the `daemon_child`'s grandchild."""
    return b"time.sleep(600)" in (procfs.read_bytes(f"/proc/{pid}/cmdline") or b"")


def noted(note: Path) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        read = leftovers._read(note)
        assert read is not None
        return sorted(each.pid for each in read.seen)
    return []


def forge(
    state: Path,
    tmp_path: Path,
    *,
    processes: list[tuple[int, int]] | list[procfs.Identity],
    log: Path | None = None,
    where: dict[str, str] | None = None,
) -> Path:
    """Write a note whose writers are gone."""
    path = state / f"forged{notes.SUFFIX}"
    note = notes.Note(str(path))
    place = notes.place()._replace(**(where or {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notes, "place", lambda: place)
        note.begin(tag="forged", program="gunicorn", log=str(log or tmp_path / "log"), groups=[])
    note.add(procfs.Identity(*each) for each in processes)
    assert note._descriptor is not None
    os.close(note._descriptor)
    return path


def unfinished_results(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    for folder in ("records", "logs"):
        (results / folder).mkdir(parents=True)
    (results / "run.json").write_text("{}")
    (results / "plan.json").write_text("{}")
    return results
