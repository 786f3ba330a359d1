"""A user's application on several interpreters, from argv to output, on a deterministic world."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from servelab import application
from servelab.environment import copies
from servelab.environment.interpreters import own_interpreter
from servelab.errors import CannotRunHere, EnvironmentNotBuilt
from servelab.model.application import FoundApplication
from servelab.model.deployment import Interface
from servelab.model.environment import Interpreter, Package, UserEnvironment
from servelab.model.service import OwnCommand
from servelab.store import folder as stored
from tests.conftest import Run
from tests.environment.test_interpreters import fake
from tests.fake_world import World
from tests.own_world import OTHER, know, serving

OWN = own_interpreter()
OWN_MINOR = ".".join(map(str, OWN.minor))
OTHER_PYTHON, FREE = "3.98.0", "3.99.1"
ASKED = ("try", "shop:app", "--only", "waitress")
SHORT = ("--duration", "5", "--warm-up", "1", "-c", "2", "--rounds", "2")
BOTH = ("--python", OWN_MINOR, "--python", "3.98")
SEEN = FoundApplication(
    module="shop",
    attribute="app",
    is_factory=False,
    interface=Interface.WSGI,
    framework="flask",
    framework_version="3",
)
Copying = Callable[..., copies.Copy]


@pytest.fixture(autouse=True)
def pyenv(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have two more interpreters in pyenv's folder, one of them free-threaded."""
    root = tmp_path_factory.mktemp("pyenv")
    for version, letter in ((OTHER_PYTHON, ""), (FREE, "t")):
        folder = root / "versions" / f"{version}{letter}" / "bin"
        fake(folder, "python", version=version, free=bool(letter))
    monkeypatch.setenv("PYENV_ROOT", str(root))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return root


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> UserEnvironment:
    """Return the environment of an application that is found at once, and can be copied."""
    environment = UserEnvironment(
        directory=tmp_path / "shop" / ".venv",
        python=tmp_path / "shop" / ".venv" / "bin" / "python",
        interpreter=OWN,
        site_folders=(),
        packages=(Package("flask", "3.0.0"), Package("ours", "1")),
        from_elsewhere=("ours",),
        scripts=(),
    )
    (tmp_path / "shop").mkdir()
    know(monkeypatch, tmp_path / "shop", environment=environment)
    copying(monkeypatch, lambda made: made)
    monkeypatch.setattr(application, "find", lambda *_, **__: SEEN)
    return environment


def copying(monkeypatch: pytest.MonkeyPatch, change: Callable[[copies.Copy], copies.Copy]) -> None:
    """Have copies made at once, each changed as a test wants it."""

    def copied(user: UserEnvironment, *, interpreter: Interpreter, **_: Any) -> copies.Copy:
        environment = msgspec.structs.replace(
            user,
            directory=Path("/copy"),
            interpreter=interpreter,
            copied_from=user.directory,
        )
        return change(copies.Copy(environment=environment))

    monkeypatch.setattr(copies, "copied", copied)


def world(**more: Any) -> World:
    """Return a world with waitress, twice as fast on the other interpreter."""
    slow, quick = serving(service_s=0.05), serving(service_s=0.025)
    return World(
        {"waitress": slow, "gthread": slow, "other": slow},
        by_python={OTHER_PYTHON: quick, f"{FREE}t": quick},
        **more,
    )


def named(folder: Path) -> set[tuple[str, str]]:
    return {(trial.deployment, trial.interpreter) for trial in stored.read(folder).trials}


@pytest.mark.usefixtures("user")
def test_every_deployment_is_measured_on_each_interpreter_once_they_agree(run: Run) -> None:
    status, printed, notes = run(world(), *ASKED, *SHORT, *BOTH, "--out", "here")
    assert status == 0, notes
    assert "2 of 2 deployments give the same answers." in notes
    assert named(Path("here")) == {
        (f"waitress:threads=4@{OWN_MINOR}", OWN.full_version),
        ("waitress:threads=4@3.98", OTHER_PYTHON),
    }
    assert "waitress 4 threads, Python 3.98, 40.00 requests/s" in printed


@pytest.mark.parametrize("typed", [(), ("--python", OWN_MINOR), ("--python", str(OWN.path))])
@pytest.mark.usefixtures("user")
def test_on_the_environments_own_interpreter_nothing_is_copied_and_no_name_is_another(
    run: Run, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...]
) -> None:
    def refuse(_made: copies.Copy) -> copies.Copy:
        raise AssertionError("nothing is to be copied")

    copying(monkeypatch, refuse)
    status, printed, notes = run(world(), *ASKED, *SHORT, *typed, "--out", "here")
    assert status == 0, notes
    assert named(Path("here")) == {("waitress:threads=4", OWN.full_version)}
    assert ".venv being active:" in printed
    assert "bin/activate" not in printed
    assert "a copy of" not in printed


@pytest.mark.usefixtures("user")
def test_each_row_has_the_commands_of_its_own_interpreter(run: Run, pyenv: Path) -> None:
    _, printed, _ = run(world(), *ASKED, *SHORT, *BOTH, "--out", "here")
    _, _, below = printed.partition("To copy, ")
    heading, *lines = [line.strip() for line in below.splitlines() if line.strip()]
    assert heading.endswith("each in its own environment; first make that of Python 3.98:")
    program = pyenv / "versions" / OTHER_PYTHON / "bin" / "python"
    listed = Path("here").resolve() / "requirements-3.98.txt"
    assert lines[:2] == [
        f"{program} -m venv .venv-3.98",
        f".venv-3.98/bin/pip install -r {listed}",
    ]
    own = Path("shop").resolve() / ".venv"
    assert lines[2:] == [
        "waitress 4 threads, Python 3.98",
        ". .venv-3.98/bin/activate",
        "pip install waitress==1.2.3",
        lines[5],
        f"waitress 4 threads, Python {OWN_MINOR}",
        f". {own}/bin/activate",
        f"uv pip install --python {own}/bin/python waitress==1.2.3",  # it has no pip
        lines[9],
    ]
    assert lines[5] == lines[9]
    assert lines[5].startswith("waitress-serve ")
    _, markdown, _ = run(world(), "report", "here")
    assert "\\. " not in markdown.partition("To copy")[2].partition("```")[2]
    assert f"{program} -m venv .venv-3.98" in markdown
    assert "  . .venv-3.98/bin/activate" in markdown


@pytest.mark.usefixtures("user")
def test_what_a_copy_holds_is_written_as_pip_reads_it(run: Run) -> None:
    run(world(), *ASKED, *SHORT, *BOTH, "--out", "here")
    directory = Path("shop").resolve() / ".venv"
    assert Path("here/requirements-3.98.txt").read_text() == (
        f"# What {directory} holds, as it was measured on Python 3.98.\n"
        "flask==3.0.0\n"
        "# from no index, to be installed as it was there: ours 1\n"
    )
    assert not Path(f"here/requirements-{OWN_MINOR}.txt").exists()


def test_an_interpreter_without_a_copy_is_left_out_and_the_other_goes_on(
    run: Run, user: UserEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_made: copies.Copy) -> copies.Copy:
        raise EnvironmentNotBuilt("flask 3.0.0 is not to be had for Python 3.98")

    copying(monkeypatch, refuse)
    status, _, notes = run(world(), *ASKED, *SHORT, *BOTH, "--out", "here")
    assert status == 0, notes
    assert "Left out: all on Python 3.98: flask 3.0.0 is not to be had for Python 3.98" in notes
    assert "The deployment answers as it should." in notes
    assert named(Path("here")) == {(f"waitress:threads=4@{OWN_MINOR}", user.interpreter.version)}
    assert stored.read(Path("here")).end.skipped == {
        "waitress:threads=4@3.98": "flask 3.0.0 is not to be had for Python 3.98"
    }
    status, _, notes = run(world(), *ASKED, *SHORT, "--python", "3.98", "--out", "there")
    assert status == 2
    fault = "flask 3.0.0 is not to be had for Python 3.98"
    assert notes == f"servelab: shop:app cannot be served: {fault}\n"


@pytest.mark.usefixtures("user")
def test_what_a_copy_lacks_and_what_it_has_beside_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    copying(
        monkeypatch,
        lambda made: msgspec.structs.replace(
            made,
            missing=(Package("fast", "2"), Package("ours", "1")),
            unneeded=(Package("tomli", "1.0"),),
            added=(Package("audioop-lts", "0.2"),),
        ),
    )
    _, _, notes = run(world(), *ASKED, *SHORT, *BOTH, "--out", "here")
    assert "Python 3.98: fast 2, ours 1 of " in notes
    assert "cannot be copied, as it came from no index and is not of Python alone" in notes
    assert "Python 3.98: tomli 1.0 cannot be had there, and is left out" in notes
    assert "Python 3.98: audioop-lts 0.2 is there beside the versions of" in notes


@pytest.mark.usefixtures("user")
def test_an_application_that_cannot_be_imported_there_is_said_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(*_: Any, copied_from: Path, **__: Any) -> FoundApplication:
        raise CannotRunHere(f"shop imports fast, which is not in the copy of {copied_from}.")

    monkeypatch.setattr(application, "find", find)
    more = ("--only", "gunicorn-gthread", "--out", "here")
    status, _, notes = run(world(), *ASKED, *SHORT, *BOTH, *more)
    assert status == 0, notes
    assert notes.count("shop imports fast, which is not in the copy of") == 1
    assert "2 of 2 deployments give the same answers." in notes


@pytest.mark.usefixtures("user")
def test_an_application_that_is_another_one_there_is_left_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = msgspec.structs.replace(SEEN, interface=Interface.ASGI)
    monkeypatch.setattr(application, "find", lambda *_, **__: seen)
    _, _, notes = run(world(), *ASKED, *SHORT, *BOTH)
    assert "shop:app is another application there: shop:app, for ASGI" in notes


@pytest.mark.usefixtures("user")
def test_an_interpreter_that_answers_otherwise_is_not_timed(run: Run) -> None:
    of = world()
    of.by_python = {OTHER_PYTHON: serving(answers={"/": OTHER})}
    more = ("--only", "gunicorn-gthread", "--out", "here")
    status, _, notes = run(of, *ASKED, f"--only=waitress@{OWN_MINOR}", *BOTH, *SHORT, *more)
    assert status == 0, notes
    assert "Python 3.98: its answer to GET / differs" in notes
    assert {python for _, python in named(Path("here"))} >= {OWN.full_version}


@pytest.mark.usefixtures("user")
def test_a_server_without_a_build_for_free_threaded_python_is_left_out_there(run: Run) -> None:
    asked = (*ASKED, "--only", "uwsgi-processes", "--only", "gunicorn-gthread")
    of = world()
    of.by_python = {}
    status, printed, notes = run(of, *asked, "--python", "3.99t", *SHORT, "--out", "here")
    assert status == 0, notes
    assert "Left out: uwsgi-processes" in notes
    assert "has no build for free-threaded Python" in notes
    # Of gunicorn, gevent's worker alone has none, and that is not asked for.
    assert {python for _, python in named(Path("here"))} == {f"{FREE}t"}
    assert "All of it on Python 3.99.1t (free-threaded)." in printed
    assert "Measured on Python 3.99.1t (free-threaded), with a copy of the packages of" in printed


@pytest.mark.usefixtures("user")
def test_one_interpreter_is_named_by_one_deployment(run: Run) -> None:
    status, _, notes = run(
        world(), "try", "shop:app", "--only", "waitress@3.98", *SHORT, "--out", "here"
    )
    assert status == 0, notes
    assert named(Path("here")) == {("waitress:threads=4@3.98", OTHER_PYTHON)}


def test_a_program_that_listens_by_itself_is_measured_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, user: UserEnvironment
) -> None:
    command = OwnCommand(name="other", argv=("other", "{port}"))
    know(monkeypatch, user.directory.parent, environment=user, commands=(command,))
    more = ("--command", "other {port}", "--only", "other", "--out", "here")
    status, _, notes = run(world(), *ASKED, *SHORT, *BOTH, *more)
    assert status == 0, notes
    assert {name for name, _ in named(Path("here"))} == {
        f"waitress:threads=4@{OWN_MINOR}",
        "waitress:threads=4@3.98",
        "other",
    }
    status, _, notes = run(world(), "try", "--only", "other", *BOTH, "--command", "other {port}")
    assert status == 2
    assert "a program names its interpreter itself" in notes


@pytest.mark.usefixtures("user")
def test_a_dry_run_copies_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_made: copies.Copy) -> copies.Copy:
        raise AssertionError("nothing is to be copied")

    copying(monkeypatch, refuse)
    status, printed, _ = run(world(), *ASKED, *SHORT, *BOTH, "--dry-run")
    assert status == 0
    assert "waitress:threads=4@3.98" in printed


def test_an_interrupted_try_goes_on_on_the_same_interpreters(
    run: Run, user: UserEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servelab.environment.users.read", lambda _python: user)
    status, _, _ = run(world(interrupt_after=2), *ASKED, *SHORT, *BOTH, "--out", "here")
    assert status == 130
    file = Path("here/plan.json")
    plan = json.loads(file.read_text())
    # A folder of before knows of no copies.
    assert plan["options"]["service"]["environment"].pop("copied_from") is None
    file.write_text(json.dumps(plan))
    status, printed, notes = run(world(), "run", "--resume", "here")
    assert status == 0, notes
    assert len(stored.read(Path("here")).trials) == 4
    assert ". .venv-3.98/bin/activate" in printed


@pytest.mark.usefixtures("user")
def test_json_has_the_lines_that_make_the_other_environment(run: Run) -> None:
    _, printed, _ = run(world(), *ASKED, *SHORT, *BOTH, "--json")
    (commands,) = json.loads(printed)["commands"]
    assert commands["first"][0].endswith(" -m venv .venv-3.98")
    assert commands["commands"][0]["activate"] == ". .venv-3.98/bin/activate"


@pytest.mark.usefixtures("user")
def test_a_race_is_run_on_one_other_interpreter(run: Run) -> None:
    asked = ("tune", "shop:app", "--only", "waitress", "--duration", "5", "--warm-up", "1")
    status, printed, notes = run(
        world(), *asked, "-c", "2", "--budget", "3m", "--python", "3.98", "--out", "here"
    )
    assert status == 0, notes
    assert {python for _, python in named(Path("here"))} == {OTHER_PYTHON}
    assert all("@" not in name for name, _ in named(Path("here")))
    assert "Measured on Python 3.98.0, with a copy of the packages of" in printed
    assert " -m venv .venv-3.98" in printed
    assert ". .venv-3.98/bin/activate" in printed
    (unit,) = Path("here/deploy").glob("*.service")
    folder = Path("shop").resolve() / ".venv-3.98"
    assert f"ExecStart={folder}/bin/waitress-serve " in unit.read_text()
    assert f"make it with python3.98 -m venv {folder}, and install there what yours holds" in notes
    status, _, notes = run(world(), *asked, *BOTH)
    assert status == 2
    assert "a race is run on one interpreter, not on 2" in notes
