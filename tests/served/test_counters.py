"""The workers' counts in a memory-mapped file."""

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from servelab.catalogue import served_path
from servelab.served.workloads import Slot, read_slots

DEADLINE_S = 60

COUNT_AND_STAY = """
import sys, threading, workloads
def count():
    for number in range(500):
        with workloads.counted(f"{number:016}"): pass
threads = [threading.Thread(target=count) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
with workloads.counted("0000000000000001"):
    print("in the middle of a call", flush=True)
    sys.stdin.read()
"""

FAIL_PROBE_AND_FORK = """
import os, workloads
with workloads.counted("probe00000000001"): pass
try:
    with workloads.counted("1"): raise ValueError
except ValueError: pass
with workloads.counted("2"): pass
child = os.fork()
with workloads.counted("3"): pass
if child: os.waitpid(child, 0)
"""

MANY_PROCESSES = """
import os, workloads
children = []
for _ in range(100):
    child = os.fork()
    if not child:
        with workloads.counted("1"): pass
        os._exit(0)
    children.append(child)
for child in children: os.waitpid(child, 0)
"""


def start(program: str, counters: Path | None) -> subprocess.Popen[str]:
    variables = {"PYTHONPATH": str(served_path())}
    if counters is not None:
        variables["SERVELAB_COUNTERS"] = str(counters)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(program: str, counters: Path | None) -> int:
    with start(program, counters) as worker:
        worker.communicate(timeout=DEADLINE_S)
        assert worker.returncode == 0
        return worker.pid


def test_counts_of_many_threads_survive_the_workers_sudden_death(tmp_path: Path) -> None:
    counters = tmp_path / "counters"
    with start(COUNT_AND_STAY, counters) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "in the middle of a call\n"
        worker.send_signal(signal.SIGKILL)
        worker.wait(DEADLINE_S)
    assert read_slots(counters) == (Slot(worker.pid, 4001, 4000, has_gil=True),)


def test_errors_are_received_but_not_answered_probes_do_not_count_and_a_fork_has_its_slot(
    tmp_path: Path,
) -> None:
    pid = run(FAIL_PROBE_AND_FORK, tmp_path / "counters")
    parent, child = sorted(read_slots(tmp_path / "counters"), key=lambda slot: slot.pid != pid)
    assert parent == Slot(pid, 3, 2, has_gil=True)
    assert child.pid != pid
    assert child[1:3] == (1, 1)


@pytest.mark.parametrize(("answer", "expected"), [("True", True), ("False", False)])
def test_a_worker_says_whether_its_interpreter_has_the_gil(
    tmp_path: Path, answer: str, *, expected: bool
) -> None:
    program = (
        f"import sys, workloads\nsys._is_gil_enabled = lambda: {answer}\n"
        'with workloads.counted("1"): pass\n'
    )
    with start(program, tmp_path / "counters") as worker:
        assert worker.wait(DEADLINE_S) == 0
    (slot,) = read_slots(tmp_path / "counters")
    assert slot.has_gil is expected


def test_a_file_of_an_earlier_form_does_not_say_whether_there_was_a_gil(tmp_path: Path) -> None:
    counters = tmp_path / "counters"
    counters.write_bytes(struct.pack("=QQQ40x", 7, 3, 2))
    assert read_slots(counters) == (Slot(7, 3, 2, has_gil=None),)


def test_processes_that_start_at_once_each_get_a_slot(tmp_path: Path) -> None:
    run(MANY_PROCESSES, tmp_path / "counters")
    slots = read_slots(tmp_path / "counters")
    assert len({slot.pid for slot in slots}) == len(slots) == 100
    assert all(slot[1:3] == (1, 1) for slot in slots)


def test_without_the_variable_nothing_is_counted() -> None:
    run(FAIL_PROBE_AND_FORK, None)


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\1" * 63])
def test_empty_and_unfinished_slots_are_no_counts(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "counters").write_bytes(content)
    assert read_slots(tmp_path / "counters") == ()
