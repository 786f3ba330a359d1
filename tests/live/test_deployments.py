"""Every deployment of the catalogue for real, with a tiny load, under both workloads.

The ordinary run has one of each stack under `cpu`, and one of each application under `io`, which
`test_stopping` puts on each server, too.
"""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests import quick_servelab, representatives

from servelab import catalogue

pytestmark = pytest.mark.live

REQUESTS = 24
DEADLINE_S = 600
TINY = {"cpu": "num=10", "io": "delay_s=0.05"}
EACH = "test_every_request_is_answered_and_counted"

Trials = dict[str, dict[str, dict[str, Any]]]
"""By workload and deployment, as they are printed."""


QUICK = {
    "cpu": representatives.one_of_each(lambda each: each.stack),
    "io": representatives.one_of_each(lambda each: (each.framework, each.application)),
}
CASES = [
    pytest.param(
        each.name,
        workload,
        id=f"{each.name}-{workload}",
        marks=() if each in quick else pytest.mark.slow,
    )
    for workload, quick in QUICK.items()
    for each in representatives.and_the_others(quick)
]


def measure(folder: Path, workload: str, *, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [
            *(*quick_servelab.COMMAND, "run", *names, workload, "--json"),
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
def trials(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """Measure what the tests that were chosen ask for."""
    found: Trials = {}
    for workload in TINY:
        names = [name for name, its_workload in chosen(request.session) if its_workload == workload]
        if names:
            found[workload] = measure(tmp_path_factory.mktemp(workload), workload, names=names)
    return found


def chosen(session: pytest.Session) -> list[tuple[str, str]]:
    cases = [
        item.callspec.params
        for item in session.items
        if isinstance(item, pytest.Function) and item.originalname == EACH
    ]
    return [(str(each["name"]), str(each["workload"])) for each in cases]


def test_each_stack_server_and_application_is_among_the_quick_ones() -> None:
    every = representatives.deployments()
    assert {each.stack for each in QUICK["cpu"]} == {each.name for each in catalogue.stacks()}
    assert {each.server for each in QUICK["cpu"]} == {each.server for each in every}
    applications = {(each.framework, each.application) for each in QUICK["io"]}
    assert applications == {(each.framework, each.application) for each in every}
    assert {name for each in CASES for name in each.values} >= {each.name for each in every}


@pytest.mark.parametrize(("name", "workload"), CASES)
def test_every_request_is_answered_and_counted(name: str, workload: str, trials: Trials) -> None:
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


def test_nothing_is_left_running(trials: Trials, tmp_path_factory: pytest.TempPathFactory) -> None:
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
