"""A minute of mixed faults; the quarter of an hour is run by hand."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_a_minute_of_mixed_faults_loses_nothing_and_nothing_grows() -> None:
    done = subprocess.run(
        [sys.executable, str(SOAK), "--minutes", "1", "--seed", "7"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("nothing lost, nothing grew\n")
