"""Several processes of one gRPC application end together."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from servelab.catalogue import served_path

DEADLINE_S = 60

SERVE_UNTIL_SIGTERM = """
import os, signal, sys
from grpc_processes import run_in_processes
def serve():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.write(1, b"%d\\n" % os.getpid())
    signal.sigwait({signal.SIGTERM})
run_in_processes(serve, processes=int(sys.argv[1]))
"""

ONE_FAILS = """
import os, signal
from grpc_processes import run_in_processes
ready, done = os.pipe()
def serve():
    if os.read(ready, 1) == b"x": raise RuntimeError("this one fails")
    signal.pause()
os.write(done, b"xoo")
run_in_processes(serve, processes=3)
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": str(served_path())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_sigterm_to_the_parent_ends_all_children() -> None:
    with start(SERVE_UNTIL_SIGTERM, "3") as parent:
        assert parent.stdout is not None
        children = [int(parent.stdout.readline()) for _ in range(3)]
        assert len({*children, parent.pid}) == 4
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(DEADLINE_S) == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_one_process_serves_without_a_child() -> None:
    with start(SERVE_UNTIL_SIGTERM, "1") as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) == parent.pid
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(DEADLINE_S) == 0


def test_a_child_that_fails_takes_the_others_with_it() -> None:
    with start(ONE_FAILS) as parent:
        _, errors = parent.communicate(timeout=DEADLINE_S)
        assert parent.returncode == 1
        assert "this one fails" in errors
