"""Folders for what must not outlive its block."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from servelab.store import scratch


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_folder_is_gone_with_its_block(tmp_path: Path) -> None:
    with scratch.folder() as place:
        (place / "file").touch()
        assert place.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def left_by_a_kill(below: Path) -> Path:
    program = (
        "import signal; from servelab.store import scratch\n"
        "with scratch.folder() as place:\n"
        "    (place / 'file').touch(); print(place, flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(below)},
    ) as process:
        assert process.stdout is not None
        place = Path(process.stdout.readline().decode().strip())
        assert place.parent == below
        scratch.remove_stale(among=below, older_than_s=-1)
        assert place.is_dir()  # its maker lives, and holds it
        process.send_signal(signal.SIGKILL)
    return place


@pytest.mark.live
def test_what_a_killed_process_left_goes_with_the_next(tmp_path: Path) -> None:
    place = left_by_a_kill(tmp_path)
    assert (place / "file").exists()
    scratch.remove_stale()
    assert place.is_dir()  # too young: its maker may be about to lock it
    os.utime(place, (0, 0))
    with scratch.folder():
        assert not place.exists()


@pytest.mark.parametrize(
    "name", ["servelab-results", "servelab-scratch-mine", "servelab-scratch-a folder", "other"]
)
def test_folders_that_people_named_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    scratch.remove_stale(older_than_s=-1)
    assert (tmp_path / name).is_dir()


def test_links_and_folders_of_others_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "servelab-scratch-12345678").symlink_to(tmp_path / "kept")
    scratch.remove_stale(older_than_s=-1)
    assert (tmp_path / "servelab-scratch-12345678").is_symlink()
    (tmp_path / "servelab-scratch-abcdefgh").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    scratch.remove_stale(older_than_s=-1)
    assert (tmp_path / "servelab-scratch-abcdefgh").is_dir()
