"""A real server on two real interpreters."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests import quick_servelab

from servelab.environment.interpreters import known_interpreters
from servelab.model.environment import Interpreter
from servelab.store import folder as stored

pytestmark = pytest.mark.live

DEADLINE_S = 300.0


def other() -> Interpreter:
    """Return an ordinary interpreter of another minor version than this one."""
    for each in known_interpreters():
        if each.minor != sys.version_info[:2] and not each.is_free_threaded:
            return each
    pytest.skip("only one minor version of Python is on this machine")


def test_a_real_server_is_measured_on_two_interpreters(tmp_path: Path) -> None:
    own, second = ".".join(map(str, sys.version_info[:2])), other()
    folder = tmp_path / "out"
    ended = subprocess.run(
        [
            *(*quick_servelab.COMMAND, "run", "sync-devserver", "io"),
            *("--param", "delay_s=0.01", "-c", "2", "-n", "20", "--out", str(folder)),
            *("--python", own, "--python", str(second.path)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    trials = stored.read(folder).trials
    assert ended.returncode == 0, ended.stderr
    minor = ".".join(map(str, second.minor))
    assert [trial.deployment for trial in trials] == [
        f"sync-devserver:threading=without@{own}",
        f"sync-devserver:threading=without@{minor}",
    ]
    assert [trial.interpreter.rpartition(".")[0] for trial in trials] == [own, minor]
    assert f"Python {minor}" in ended.stdout
    assert "Efficiency is of the ceiling on the same interpreter" in ended.stdout
    assert [trial.gil for trial in trials] == [None, None]
