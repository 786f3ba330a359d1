"""Two real deployments, round by round, interrupted by a real signal and gone on with."""

import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from tests import quick_servelab

from servelab.store import folder as stored

pytestmark = pytest.mark.live

DEADLINE_S = 300.0
COMMAND = (*quick_servelab.COMMAND, "compare")
TARGETS = (
    *("sync-devserver", "async-fastapi:processes=1", "cpu", "--param", "num=1", "-c", "4"),
    *("--rounds", "2", "--duration", "1", "--warm-up", "0.5"),
)


def test_an_interrupted_comparison_of_real_servers_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with subprocess.Popen([*COMMAND, *TARGETS, "--out", str(folder)], cwd=tmp_path) as begun:
        deadline_s = time.monotonic() + DEADLINE_S
        while not (folder / "trials.jsonl").exists() and time.monotonic() < deadline_s:
            assert begun.poll() is None
            time.sleep(0.05)
        begun.send_signal(signal.SIGINT)
        assert begun.wait(DEADLINE_S) == 130
    kept = stored.read(folder).trials
    assert kept

    ended = subprocess.run(
        [*COMMAND, "--resume", str(folder)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    run = stored.read(folder)
    # Two rounds are too few for a verdict.
    assert ended.returncode == 3, ended.stderr
    assert run.trials[: len(kept)] == kept
    assert Counter((trial.stack, trial.role.value) for trial in run.trials) == {
        ("sync-devserver", "candidate"): 2,
        ("sync-devserver", "control"): 2,
        ("async-fastapi", "candidate"): 2,
    }
    assert not [trial.audit_errors for trial in run.trials if trial.audit_errors]
    for trial in run.trials:
        assert trial.warm_up is not None
        assert trial.warm_up.ledger["ok"] > 0
        assert trial.ledger["ok"] > 0
        assert trial.noise is not None
