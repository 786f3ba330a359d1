"""Fault 29, with a disk that is really full: a small tmpfs in a mount namespace of its own."""

import contextlib
import ctypes
import io
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
from tests.fake_world import Script, World

from servelab.cli import main
from servelab.measure import machinery
from servelab.store import folder as stored

pytestmark = pytest.mark.live

CHECKOUT = Path(__file__).parents[2]
NEW_MOUNTS = 0x00020000
CANNOT = 77
TRIALS = 12


def servelab(*arguments: str) -> tuple[int, str]:
    world = World({"flask": Script(service_s=0.05)})
    notes = io.StringIO()
    with (
        mock.patch.object(machinery, "real", world.machinery),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(notes),
    ):
        try:
            main(list(arguments))
        except SystemExit as ended:
            return int(ended.code or 0), notes.getvalue()
    raise AssertionError("it ended without a status")


def mount(place: Path, *options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)], check=False
    )
    if done.returncode:
        sys.exit(CANNOT)


def fill(place: Path) -> None:
    """Measure onto a disk that becomes full, then onto a larger one; tell what was found."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_MOUNTS):
        sys.exit(CANNOT)
    subprocess.run(["mount", "--make-rprivate", "/"], check=False)
    mount(place, "size=32k")
    out = place / "here"
    planned = ("--rounds", str(TRIALS), "--duration", "5", "--warm-up", "1", "-c", "4")
    status, notes = servelab("run", "sync-devserver", "cpu", *planned, "--out", str(out))
    first = stored.read(out)
    left = [str(each.relative_to(out)) for each in out.rglob("*.new")]
    mount(place, "remount", "size=10m")
    again, _ = servelab("run", "--resume", str(out))
    last = stored.read(out)
    found = {
        "status": status,
        "notes": notes,
        "kept": [each.id for each in first.trials],
        "is_interrupted": first.end.interrupted,
        "left": left,
        "status_again": again,
        "ids": [each.id for each in last.trials],
        "is_finished": not last.end.interrupted,
    }
    os.write(1, json.dumps(found).encode())


def test_fault_29_a_full_disk_ends_the_run_and_earlier_rounds_can_be_read_and_gone_on_with(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.test_full_disk", str(tmp_path)],
        cwd=CHECKOUT,
        capture_output=True,
        check=False,
    )
    if done.returncode == CANNOT:
        pytest.skip("no file system can be mounted here")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["status"] == 2
    assert "No space left on device" in found["notes"]
    assert 0 < len(found["kept"]) < TRIALS
    assert found["is_interrupted"]
    assert found["left"] == []
    assert found["status_again"] == 0
    assert found["ids"][: len(found["kept"])] == found["kept"]
    assert Counter(found["ids"]).most_common(1)[0][1] == 1
    assert len(found["ids"]) == TRIALS
    assert found["is_finished"]


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
