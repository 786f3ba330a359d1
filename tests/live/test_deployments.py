"""Every deployment of the catalogue for real, with a tiny load, under both workloads."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from servelab import catalogue

pytestmark = pytest.mark.live

REQUESTS = 24
DEADLINE_S = 600
TINY = {"cpu": "num=10", "io": "delay_s=0.05"}
NAMES = [each.name for stack in catalogue.stacks() for each in stack.deployments]


def measure(folder: Path, workload: str) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "servelab", "run", "all", workload, "--json"),
            *("-n", str(REQUESTS), "-c", "6", "--param", TINY[workload]),
            *("--out", str(folder / "results")),
        ],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        # Servers inherit it, which tells ours from those of another servelab on this machine.
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    printed = json.loads(done.stdout)
    assert printed["skipped"] == {}
    return {trial["deployment"]: trial for trial in printed["trials"]}


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, Any]]]:
    return {workload: measure(tmp_path_factory.mktemp(workload), workload) for workload in TINY}


@pytest.mark.parametrize("workload", TINY)
@pytest.mark.parametrize("name", NAMES)
def test_every_request_is_answered_and_counted(
    name: str, workload: str, trials: dict[str, dict[str, dict[str, Any]]]
) -> None:
    trial = trials[workload][name]
    assert trial["status"] == "ok", trial["reason"]
    assert trial["ledger"] == {"scheduled": REQUESTS, "sent": REQUESTS, "ok": REQUESTS}
    assert sum(trial["calls_per_worker"].values()) == REQUESTS
    assert trial["audit_errors"] == []
    assert trial["throughput_per_s"] > 0
    assert trial["cpu_s_per_call"] > 0
    assert trial["peak_memory_bytes"] > 1_000_000
    assert trial["start_s"] > 0
    assert trial["ceiling_per_s"] > 0


def test_nothing_is_left_running(
    trials: dict[str, dict[str, dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert trials
    ours = b"TMPDIR=" + bytes(tmp_path_factory.getbasetemp())
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes()
        except OSError:
            continue
        if any(each.startswith(ours) for each in variables.split(b"\0")):
            left.append((process / "cmdline").read_bytes())
    assert left == []
