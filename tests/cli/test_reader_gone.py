"""A reader who has seen enough, as `| head` does, is no failure."""

import subprocess
import sys
from pathlib import Path

import pytest

DEADLINE_S = 120


@pytest.mark.parametrize("arguments", [["list"], ["run"], ["list", "--python", sys.executable]])
def test_output_into_a_closed_pipe_ends_well(arguments: list[str], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "servelab", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        complaints = process.stderr.read()
    assert process.wait(DEADLINE_S) == 0, complaints
    assert complaints == b""
