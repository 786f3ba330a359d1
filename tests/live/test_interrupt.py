"""Ctrl-C while a real server is under load."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from servelab.linux import ports
from servelab.model.address import LOOPBACK, Address

pytestmark = pytest.mark.live

DEADLINE_S = 120.0


def test_an_interrupt_keeps_what_was_measured_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    port = ports.next_free_port(29_100)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "servelab", "run", "sync-devserver", "async-fastapi", "cpu"),
            *("-n", "2000", "-c", "8", "--param", "num=10", "--port", str(port)),
            *("--json", "--out", str(folder)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    trials = folder / "trials.jsonl"
    deadline = time.monotonic() + DEADLINE_S
    while not (trials.exists() and trials.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    printed, notes = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130, notes
    report = json.loads(printed)
    assert report["interrupted"] is True
    assert report["trials"][0]["stack"] == "sync-devserver"
    assert len(report["trials"]) < 3
    assert ports.is_free(Address(LOOPBACK, port))
