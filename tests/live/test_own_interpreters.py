"""`servelab try` on real interpreters beside that of the application's environment."""

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import quick_servelab
from tests.own_environments import install, make_environment

from servelab.environment.interpreters import known_interpreters
from servelab.model.environment import Interpreter
from servelab.store import folder as stored

pytestmark = pytest.mark.live

DEADLINE_S = 300.0
OWN = ".".join(map(str, sys.version_info[:2]))
SMALL = ("--rounds", "1", "--duration", "0.2", "--warm-up", "0", "-c", "4", "--out", "results")
PROJECT = """\
[project]
name = "shop"
version = "0.1"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
APPLICATION = """\
import sys
from markupsafe import _speedups, escape

def app(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [str(escape("<hello>")).encode()]

def telling(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [repr(sys.version_info[:2]).encode()]
"""


@functools.cache
def known() -> tuple[Interpreter, ...]:
    return known_interpreters()


def another(fits: Callable[[Interpreter], bool], *, what: str) -> Interpreter:
    for each in known():
        if fits(each):
            return each
    pytest.skip(f"there is no {what} on this machine")


def other() -> Interpreter:
    """Return an ordinary interpreter of another minor version than this one."""
    return another(
        lambda each: each.minor != sys.version_info[:2] and not each.is_free_threaded,
        what="other minor version of Python",
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an editable project which imports a compiled package, with an environment."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "src" / "shop").mkdir(parents=True)
    (folder / "src" / "shop" / "__init__.py").write_text(APPLICATION)
    (folder / "pyproject.toml").write_text(PROJECT)
    directory = make_environment(folder / ".venv", "markupsafe==3.0.2", "waitress==3.0.1")
    install(directory, "--editable", str(folder))
    return folder


def tried(project: Path, *arguments: str, to: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*quick_servelab.COMMAND, "try", *SMALL, "--project", str(project), *arguments],
        cwd=to,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_an_editable_project_with_a_compiled_package_is_tried_on_two_interpreters(
    project: Path, tmp_path: Path
) -> None:
    second = other()
    minor = ".".join(map(str, second.minor))
    before = sorted(project.rglob("*"))
    ended = tried(
        *(project, "shop:app", "--only", "waitress"),
        *("--python", OWN, "--python", str(second.path)),
        to=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    assert "2 of 2 deployments give the same answers." in ended.stderr
    trials = stored.read(tmp_path / "results").trials
    assert [trial.deployment for trial in trials] == [
        f"waitress:threads=4@{OWN}",
        f"waitress:threads=4@{minor}",
    ]
    assert [trial.interpreter.rpartition(".")[0] for trial in trials] == [OWN, minor]
    held = [
        [trial.packages[name] for name in ("markupsafe", "shop", "waitress")] for trial in trials
    ]
    assert held == [["3.0.2", "0.1", "3.0.1"]] * 2
    assert sorted(project.rglob("*")) == before
    file = tmp_path / "results" / f"requirements-{minor}.txt"
    assert file.read_text().splitlines()[1:] == [
        "markupsafe==3.0.2",
        "waitress==3.0.1",
        "# from no index, to be installed as it was there: shop 0.1",
    ]
    _, _, below = ended.stdout.partition("To copy, ")
    lines = [line.strip() for line in below.splitlines() if line.startswith("  ")]
    assert lines[:2] == [
        f"{second.path} -m venv .venv-{minor}",
        f".venv-{minor}/bin/pip install -r {file}",
    ]
    assert {line for line in lines if line.startswith(". ")} == {
        f". .venv-{minor}/bin/activate",
        f". {project}/.venv/bin/activate",
    }


def test_an_application_that_tells_its_interpreter_is_left_out_with_the_difference(
    project: Path, tmp_path: Path
) -> None:
    second = other()
    ended = tried(
        *(project, "shop:telling", "--only", "waitress"),
        *("--python", OWN, "--python", str(second.path)),
        to=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    assert "its answer to GET / differs" in ended.stderr
    (trial,) = stored.read(tmp_path / "results").trials
    assert trial.deployment == f"waitress:threads=4@{OWN}"


def test_an_application_runs_without_the_gil_where_there_is_such_an_interpreter(
    project: Path, tmp_path: Path
) -> None:
    free = another(lambda each: each.is_free_threaded, what="free-threaded Python")
    ended = tried(
        *(project, "shop:app", "--only", "gunicorn-gthread", "--python", str(free.path)),
        to=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    (trial,) = stored.read(tmp_path / "results").trials
    assert trial.interpreter == free.full_version
    assert trial.gil is not None
    assert "(free-threaded)" in ended.stdout
