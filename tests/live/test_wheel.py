"""The built wheel, installed where no checkout is near, lists and measures."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import servelab

pytestmark = pytest.mark.live

CHECKOUT = Path(__file__).parents[2]
DEADLINE_S = 600


def call(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=CHECKOUT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    source = CHECKOUT / "src"
    expected = {
        str(path.relative_to(source))
        for path in (source / "servelab").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def test_the_installed_wheel_lists_and_measures(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    call(sys.executable, "-m", "venv", home, cwd=tmp_path)
    python, program = home / "bin" / "python", home / "bin" / "servelab"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    lock = CHECKOUT / "requirements.lock"
    call(*pip, "--require-hashes", "--requirement", lock, cwd=tmp_path)
    call(*pip, "--no-deps", wheel, cwd=tmp_path)
    assert servelab.__version__ in call(program, "--version", cwd=tmp_path)
    assert "sync-uwsgi" in call(program, "list", cwd=tmp_path)
    printed = call(
        *(program, "run", "sync-devserver", "cpu", "--param", "num=10", "-n", "20", "-c", "2"),
        "--json",
        cwd=tmp_path,
    )
    (trial,) = json.loads(printed)["trials"]
    assert trial["ledger"]["ok"] == 20
