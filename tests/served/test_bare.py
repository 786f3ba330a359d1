"""The bare work: how it is timed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from servelab.catalogue import served_path


def bare(out: Path, workload: str, *, seconds: float, **parameters: str) -> list[dict[str, Any]]:
    subprocess.run(
        [
            *(sys.executable, str(served_path() / "bare.py"), workload),
            *("--parameters", json.dumps(parameters), "--seconds", str(seconds)),
            *("--processes", "2", "--out", str(out)),
        ],
        check=True,
        timeout=60,
    )
    reports: list[dict[str, Any]] = json.loads(out.read_text())
    return reports


def test_short_calls_are_timed_several_at_once(tmp_path: Path) -> None:
    reports = bare(tmp_path / "out", "hello", seconds=0.2)
    assert len(reports) == 2
    for report in reports:
        assert report["calls_each"] > 10
        assert 2 <= len(report["ended_s"]) < 100_000
        assert report["ended_s"][-1] - report["ended_s"][0] >= 0.2


def test_long_calls_are_timed_one_by_one(tmp_path: Path) -> None:
    for report in bare(tmp_path / "out", "sleep", seconds=0.1, delay_s="0.03"):
        assert report["calls_each"] == 1
        assert len(report["ended_s"]) >= 2


@pytest.mark.parametrize(("num", "whole"), [("200", True), ("0", False)])
def test_the_calls_of_a_mix_are_timed_together(tmp_path: Path, num: str, whole: bool) -> None:  # noqa: FBT001
    for report in bare(tmp_path / "out", "mixed", seconds=0.1, num=num):
        assert report["calls_each"] % 20 == 0
        assert (report["calls_each"] == 20) is whole
