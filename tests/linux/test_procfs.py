import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from servelab.linux import procfs
from servelab.linux.procfs import Identity

SLEEPER = [sys.executable, "-S", "-c", "import time; print('up', flush=True); time.sleep(600)"]


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    environment = {"SERVELAB_TEST": "here", "OTHER": "SERVELAB_TEST=elsewhere"}
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def identity(pid: int) -> Identity:
    stat = procfs.read_stat(pid)
    assert stat is not None
    return stat.identity


def test_a_name_with_parentheses_and_spaces_does_not_shift_the_fields() -> None:
    numbers = " ".join(str(number) for number in range(5, 53))
    stat = procfs.parse_stat(f"42 (a) b (c)) S 7 {numbers}".encode())
    assert (stat.pid, stat.name, stat.state, stat.parent) == (42, "a) b (c)", "S", 7)
    assert stat.session == 6
    assert round(stat.user_s * procfs.TICKS_PER_S) == 14
    assert round(stat.children_system_s * procfs.TICKS_PER_S) == 17
    assert (stat.threads, stat.start_ticks) == (20, 22)
    assert stat.rss_bytes == 24 * procfs.PAGE_BYTES


def test_this_process_is_found_with_its_parent_and_time() -> None:
    stat = procfs.read_stat(os.getpid())
    assert stat is not None
    assert stat.parent == os.getppid()
    assert stat.is_alive
    assert stat.cpu_s > 0


def test_a_process_that_does_not_exist_reads_as_none() -> None:
    assert procfs.read_stat(2**22 + 1) is None
    assert procfs.proportional_memory(2**22 + 1) is None
    assert procfs.context_switches(2**22 + 1) == {}


def test_descendants_are_found_below_the_root_only(sleeper: "subprocess.Popen[bytes]") -> None:
    found = procfs.descendants((os.getpid(),), stats=procfs.all_stats())
    assert sleeper.pid in [stat.pid for stat in found]
    assert os.getpid() not in [stat.pid for stat in found]
    assert procfs.descendants((sleeper.pid,), stats=procfs.all_stats()) == ()


def test_a_tag_is_a_whole_variable_and_not_a_part_of_one(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    assert [stat.pid for stat in procfs.tagged("SERVELAB_TEST", value="here")] == [sleeper.pid]
    assert procfs.tagged("SERVELAB_TEST", value="elsewhere") == ()
    assert procfs.tagged("SERVELAB_TEST", value="her") == ()


def test_a_signal_reaches_the_process_that_is_meant(sleeper: "subprocess.Popen[bytes]") -> None:
    assert procfs.send_signal(identity(sleeper.pid), number=signal.SIGTERM)
    assert sleeper.wait(30) == -signal.SIGTERM


def test_a_later_process_with_the_same_number_gets_no_signal(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    earlier = Identity(sleeper.pid, identity(sleeper.pid).start_ticks - 1)
    assert not procfs.send_signal(earlier, number=signal.SIGKILL)
    assert procfs.is_same(identity(sleeper.pid))


def test_signals_are_checked_without_pidfd_too(
    sleeper: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    earlier = Identity(sleeper.pid, identity(sleeper.pid).start_ticks - 1)
    assert not procfs.send_signal(earlier, number=signal.SIGKILL)
    assert procfs.send_signal(identity(sleeper.pid), number=signal.SIGKILL)
    assert sleeper.wait(30) == -signal.SIGKILL


def test_a_process_that_ended_is_not_alive_before_it_is_reaped(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    before = identity(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    stat = procfs.read_stat(sleeper.pid)
    assert stat is not None
    assert not stat.is_alive
    assert not procfs.is_same(before)


def test_context_switches_are_counted_for_each_thread() -> None:
    ready, leave = threading.Event(), threading.Event()

    def wait() -> None:
        ready.set()
        leave.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    ready.wait()
    switches = procfs.context_switches(os.getpid())
    leave.set()
    thread.join()
    assert {threading.get_native_id(), thread.native_id} <= switches.keys()
    assert all(each.voluntary >= 0 for each in switches.values())
    assert switches[threading.get_native_id()].voluntary > 0


def test_proportional_memory_is_at_most_resident_memory() -> None:
    proportional = procfs.proportional_memory(os.getpid())
    assert proportional is not None
    assert 1 << 20 < proportional.all_bytes < 4 << 30
    assert 0 < proportional.of_files_bytes < proportional.all_bytes


def test_a_process_that_ignores_its_childrens_end_is_known(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    assert not procfs.ignores_child_signal(sleeper.pid)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert procfs.ignores_child_signal(os.getpid())
    finally:
        signal.signal(signal.SIGCHLD, before)
