import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from servelab.errors import PortBusy, ServerExited, ServerFailed, ServerNotReady, TrialInvalid
from servelab.launch import supervisor
from servelab.launch.server import LOG_LIMIT_BYTES, RunningServer, launched, server_environment
from servelab.linux import procfs, sockets
from servelab.model.address import LOOPBACK, Address
from servelab.model.launch import LaunchCommand

from .conftest import DEADLINE_S, FAULTY, MARK, Launch, ask, eventually, foreign

pytestmark = pytest.mark.live


def test_a_healthy_server_becomes_ready_and_leaves_on_sigterm(
    launch: Launch, address: Address
) -> None:
    with launch("workers") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        assert server.is_alive()
        assert server.pid in server.process_ids()
        assert len(server.process_ids()) == 3
        assert server.foreign_listeners() == ()
        report = server.stop()
    assert not server.is_alive()
    assert server.process_ids() == frozenset()
    assert (report.exit_code, report.was_killed, report.exited_before_stop) == (0, False, False)
    assert server.stop() is report


def test_fault_01_an_exit_at_start_is_told_with_its_code_and_last_lines(launch: Launch) -> None:
    with launch("exits") as server:
        with pytest.raises(ServerExited) as caught:
            server.wait_ready(lambda: "never", timeout_s=DEADLINE_S)
        assert server.exit is not None
        assert time.monotonic() - server.exit.at_s < 10
    text = str(caught.value)
    assert "exit code 3" in text
    assert "about to fail" in text
    assert "no such setting: speed" in text  # without its colour codes
    assert server.stop().exited_before_stop


def test_fault_01_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    command = LaunchCommand(argv=("no-such-server", "--fast"))
    with (
        pytest.raises(ServerExited, match=r"no-such-server could not be started.*No such file"),
        launched(
            command, programs=tmp_path, directory=tmp_path, log=tmp_path / "log", address=None
        ),
    ):
        pytest.fail("it must not start")


def test_fault_01_an_exit_is_seen_while_a_probe_hangs(launch: Launch, address: Address) -> None:
    leave = threading.Event()

    def hang() -> str | None:
        ask(address)
        leave.wait(DEADLINE_S)
        return "hung"

    with launch("exits_late") as server:
        began = time.monotonic()
        with pytest.raises(ServerExited, match="signal SIGSEGV"):
            server.wait_ready(hang, timeout_s=DEADLINE_S)
        assert time.monotonic() - began < DEADLINE_S  # it is still hanging
        leave.set()


def test_fault_02_a_server_that_never_listens_is_given_up(launch: Launch, address: Address) -> None:
    with (
        launch("never_listens") as server,
        pytest.raises(ServerNotReady, match=f"nothing listens on {address}"),
    ):
        server.wait_ready(lambda: ask(address), timeout_s=0.5)


def test_fault_03_a_server_that_never_answers_is_not_ready(
    launch: Launch, address: Address
) -> None:
    with launch("never_answers") as server:
        assert eventually(server.listens)
        with pytest.raises(ServerNotReady, match="timed out"):
            server.wait_ready(lambda: ask(address, timeout_s=0.1), timeout_s=3)


def test_a_question_that_is_under_way_ends_before_its_server_counts_as_stopped(
    launch: Launch, address: Address
) -> None:
    is_over = threading.Event()

    def ask_slowly() -> str | None:
        reason = ask(address)
        time.sleep(0.3)  # what a probe may do with its answer
        is_over.set()
        return reason or "never content"

    with launch("never_answers") as server:
        assert eventually(server.listens)
        with pytest.raises(ServerNotReady):
            server.wait_ready(ask_slowly, timeout_s=0.5)
    assert is_over.is_set()


@pytest.mark.parametrize("fault", ["healthy", "shares_port", "shares_wildcard", "listens_ipv6"])
def test_fault_04_a_port_that_another_program_has_is_refused_by_its_name(
    launch: Launch, address: Address, fault: str
) -> None:
    with foreign(fault, port=address.port) as pid:
        assert eventually(lambda: bool(sockets.listeners(port=address.port)))
        with pytest.raises(PortBusy, match=rf"process {pid} .* of user"), launch("healthy"):
            pytest.fail("it must not start")
        assert procfs.read_stat(pid) is not None  # somebody else's: never killed


def test_fault_04_a_port_that_is_bound_but_silent_is_refused(
    launch: Launch, address: Address
) -> None:
    with socket.socket() as holder:
        held = bind_upwards(holder, first=address.port)
        with pytest.raises(PortBusy, match="cannot be bound"), launch("healthy", address=held):
            pytest.fail("it must not start")


@pytest.mark.parametrize("fault", ["shares_port", "shares_wildcard"])
def test_fault_04_a_program_that_shares_the_port_later_is_found(
    launch: Launch, address: Address, fault: str
) -> None:
    with launch("shares_port") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        assert server.foreign_listeners() == ()
        with foreign(fault, port=address.port) as pid:
            assert eventually(lambda: len(sockets.listeners(port=address.port)) > 1)
            found = server.foreign_listeners()
            assert [each.pids for each in found] == [(pid,)]
            with pytest.raises(TrialInvalid, match=f"process {pid}"):
                server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)


def test_fault_05_a_closed_port_is_never_asked(launch: Launch) -> None:
    asked: list[bool] = []

    def probe() -> str | None:
        asked.append(True)
        return None

    with launch("never_listens") as server, pytest.raises(ServerNotReady):
        server.wait_ready(probe, timeout_s=0.3)
    assert asked == []


def test_a_server_that_listens_for_other_machines_is_not_ready(
    launch: Launch, address: Address
) -> None:
    with (
        launch("listens_wide") as server,
        pytest.raises(ServerNotReady, match=r"0\.0\.0\.0:\d+, which other machines can reach"),
    ):
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)


def test_fault_24_a_process_without_session_parent_and_environment_is_killed(
    launch: Launch, address: Address
) -> None:
    with launch("daemon_child") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        # The master and its daemon; the process between them has ended.
        assert eventually(lambda: len(server.process_ids()) == 2)
        tree = server.process_ids()
        report = server.stop()
    assert report.was_killed
    assert not any(procfs.read_stat(pid) for pid in tree)


def test_fault_25_a_server_that_ignores_sigterm_is_killed_after_the_grace_period(
    launch: Launch, address: Address
) -> None:
    with launch("ignores_sigterm", grace_s=0.3) as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        report = server.stop()
    assert report.was_killed
    assert report.exit_code == -signal.SIGKILL
    assert report.seconds >= 0.3


def test_a_server_that_was_asked_to_end_is_not_asked_again(
    launch: Launch, address: Address
) -> None:
    with launch("counts_sigterm") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        assert server.terminated_s is None
        before_s = time.monotonic()
        server.terminate()
        report = server.stop()
    assert server.is_gone()
    assert server.terminated_s is not None
    assert before_s <= server.terminated_s <= time.monotonic()
    assert (report.exit_code, report.exited_before_stop, report.was_killed) == (0, False, False)
    assert report.seconds >= 0.3
    assert server.log_tail() == ("SIGTERM",)


def test_the_time_to_stop_ends_when_the_server_is_gone_not_when_somebody_looks(
    launch: Launch, address: Address
) -> None:
    with launch("healthy") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        server.terminate()
        assert eventually(server.is_gone)
        gone_s = time.monotonic()
        assert server.terminated_s is not None
        time.sleep(0.2)
        assert server.stop().seconds <= gone_s - server.terminated_s


def test_fault_26_a_flood_of_output_is_cut_and_blocks_nobody(
    launch: Launch, address: Address
) -> None:
    with launch("floods") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        for _ in range(20):
            assert ask(address) is None
        assert eventually(lambda: b"left out" in server.log.read_bytes())
    assert server.log.stat().st_size <= LOG_LIMIT_BYTES


def test_the_first_and_the_last_lines_of_a_long_log_are_kept(
    launch: Launch, address: Address
) -> None:
    with launch("writes", variables={"LINES": "800000"}) as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        assert eventually(lambda: b"left out" in server.log.read_bytes())
        assert server.log_tail(2)[-1] == "the last line"
    assert server.log.read_bytes().startswith(b"line 0\nline 1\n")


def test_a_server_that_ended_by_itself_is_told_so_however_late_its_supervisor_is(
    launch: Launch, address: Address
) -> None:
    with launch("workers") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        os.kill(server.supervisor_pid, signal.SIGSTOP)
        os.kill(server.pid, signal.SIGSEGV)
        threading.Timer(0.3, os.kill, (server.supervisor_pid, signal.SIGCONT)).start()
        report = server.stop()
    assert (report.exited_before_stop, report.exit_code) == (True, -signal.SIGSEGV)


def test_a_server_that_ended_is_not_alive_however_late_its_supervisor_is(
    launch: Launch, address: Address
) -> None:
    with launch("workers") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        first = procfs.all_stats()[server.pid].identity
        os.kill(server.supervisor_pid, signal.SIGSTOP)
        os.kill(server.pid, signal.SIGKILL)
        assert eventually(lambda: not procfs.is_same(first))
        threading.Timer(0.3, os.kill, (server.supervisor_pid, signal.SIGCONT)).start()
        assert not server.is_alive()
        assert str(server.exit) == "signal SIGKILL"


def test_a_guard_that_is_gone_before_its_order_comes_is_a_server_that_did_not_start(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "killed.py").write_text("import os; os.kill(os.getpid(), 9)")

    class Ended(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setattr(supervisor, "__file__", str(tmp_path / "killed.py"))
    monkeypatch.setattr(subprocess, "Popen", Ended)
    with pytest.raises(ServerFailed, match="did not start it"), launch("workers"):
        pytest.fail("it has started")


def test_fault_28_nothing_outlives_a_killed_servelab(tmp_path: Path, address: Address) -> None:
    driver = start_driver("workers", tmp_path=tmp_path, address=address)
    guard_pid, supervisor_pid, *tree = read_pids(driver)
    assert len(tree) == 3
    driver.kill()
    driver.wait()
    assert eventually(lambda: not any(alive(pid) for pid in (guard_pid, supervisor_pid, *tree)))
    assert sockets.listeners(port=address.port) == ()
    assert driver.stdout is not None
    driver.stdout.close()


def test_fault_28_a_stopped_server_does_not_outlive_a_killed_servelab(
    tmp_path: Path, address: Address
) -> None:
    driver = start_driver("ignores_sigterm", tmp_path=tmp_path, address=address)
    guard_pid, supervisor_pid, *tree = read_pids(driver)
    os.kill(tree[0], signal.SIGSTOP)
    driver.kill()
    driver.wait()
    assert eventually(lambda: not any(alive(pid) for pid in (guard_pid, supervisor_pid, *tree)))
    assert driver.stdout is not None
    driver.stdout.close()


def test_an_interrupt_leaves_nothing_and_does_not_wait_for_the_grace_period(
    tmp_path: Path, address: Address
) -> None:
    driver = start_driver("ignores_sigterm", tmp_path=tmp_path, address=address)
    guard_pid, supervisor_pid, *tree = read_pids(driver)
    began = time.monotonic()
    driver.send_signal(signal.SIGINT)
    driver.wait(DEADLINE_S)
    assert time.monotonic() - began < 10  # the grace period
    assert not any(alive(pid) for pid in (guard_pid, supervisor_pid, *tree))
    assert driver.stdout is not None
    driver.stdout.close()


def test_nothing_outlives_a_killed_supervisor(launch: Launch, address: Address) -> None:
    with launch("workers") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        tree = server.process_ids()
        os.kill(server.supervisor_pid, signal.SIGKILL)
        assert eventually(lambda: not any(alive(pid) for pid in tree))
        assert eventually(lambda: not server.is_alive())
        report = server.stop()
    assert report.exit_code is None
    assert report.exited_before_stop


def test_a_supervisor_that_is_asked_to_end_takes_the_tree_along(
    launch: Launch, address: Address
) -> None:
    with launch("ignores_sigterm") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        os.kill(server.supervisor_pid, signal.SIGTERM)
        assert eventually(lambda: not server.is_alive())
        assert server.exit is not None
        assert server.exit.code == -signal.SIGKILL


def test_a_killed_master_does_not_leave_its_workers(launch: Launch, address: Address) -> None:
    with launch("workers") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        os.kill(server.pid, signal.SIGKILL)
        assert eventually(lambda: not server.is_alive())
        report = server.stop()
    assert report.exit_code == -signal.SIGKILL
    assert report.was_killed  # the workers


def test_a_failure_inside_the_block_stops_the_server(launch: Launch, address: Address) -> None:
    def fail() -> RunningServer:
        with launch("workers") as server:
            servers.append(server)
            server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
            raise RuntimeError("ours")

    servers: list[RunningServer] = []
    with pytest.raises(RuntimeError, match="ours"):
        fail()
    assert not servers[0].is_alive()


def test_the_server_sees_its_own_world_only(
    launch: Launch, address: Address, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PYTHONPATH", "PYTHONHASHSEED", "HTTP_PROXY", "SECRET_TOKEN", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "leaked")
    cpu = min(os.sched_getaffinity(0))
    with launch("shows_itself", cpus=frozenset({cpu})) as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        seen = json.loads(server.log_tail(1)[0])
    assert "leaked" not in seen["environment"].values()
    assert seen["environment"]["TZ"] == MARK.removeprefix("TZ=")
    assert supervisor.RUN_VARIABLE in seen["environment"]
    assert seen["cpus"] == [cpu]
    assert seen["session"] == seen["pid"] == server.pid
    assert seen["directory"] == str(tmp_path)
    assert 0 < seen["files"] <= supervisor.OPEN_FILES


def test_two_servers_at_once_do_not_touch_each_other(launch: Launch, address: Address) -> None:
    with launch("workers") as one:
        one.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        with launch("never_listens", address=None) as other:
            assert other.process_ids().isdisjoint(one.process_ids())
        assert one.is_alive()
        assert ask(address) is None


def test_programs_path_and_variables_are_the_servers(tmp_path: Path) -> None:
    programs = tmp_path / "environment" / "bin"
    programs.mkdir(parents=True)
    (programs.parent / "pyvenv.cfg").touch()
    seen = server_environment(
        {"PATH": "/usr/bin", "LC_ALL": "C", "HOME": "/home/u", "PYTHONHOME": "/x", "TOKEN": "x"},
        programs=programs,
        python_path=(Path("/one"), Path("/two")),
        variables={"FLASK_APP": "app"},
    )
    assert seen == {
        "PATH": f"{programs}:/usr/bin",
        "LC_ALL": "C",
        "HOME": "/home/u",
        "VIRTUAL_ENV": str(programs.parent),
        "PYTHONPATH": "/one:/two",
        "FLASK_APP": "app",
    }


@pytest.mark.parametrize(("given", "path"), [({}, "/m"), ({"PYTHONPATH": "src:lib"}, "src:lib:/m")])
def test_the_folder_of_a_module_comes_after_the_path_that_is_given(
    given: dict[str, str], path: str
) -> None:
    seen = server_environment(
        {"PATH": "/bin", "PYTHONPATH": "/mine"},
        programs=None,
        python_path=(),
        variables=given,
        module_folder="/m",
    )
    assert seen["PYTHONPATH"] == path


def bind_upwards(holder: socket.socket, *, first: int) -> Address:
    """Bind at the first port that no connection of an earlier test rests on."""
    for port in range(first, first + 100):
        with contextlib.suppress(OSError):
            holder.bind((LOOPBACK, port))
            return Address(LOOPBACK, port)
    pytest.fail("no port is left")


def start_driver(fault: str, *, tmp_path: Path, address: Address) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            sys.executable,
            str(FAULTY / "driver.py"),
            fault,
            str(address.port),
            str(tmp_path / "log"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TZ": MARK.removeprefix("TZ=")},
    )


def read_pids(driver: "subprocess.Popen[bytes]") -> list[int]:
    assert driver.stdout is not None
    return [int(number) for number in driver.stdout.readline().split()]


def alive(pid: int) -> bool:
    stat = procfs.read_stat(pid)
    return stat is not None and stat.is_alive


def test_a_path_that_an_application_is_given_hides_no_server_of_its_environment() -> None:
    seen = server_environment(
        {"PATH": "/bin"}, programs=Path("/e/bin"), python_path=(), variables={"PATH": "/opt"}
    )
    assert seen == {"PATH": "/e/bin:/opt"}
