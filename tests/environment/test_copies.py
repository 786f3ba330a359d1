"""A copy of a user's environment on another interpreter."""

import functools
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from servelab.environment import copies, ensure, find_user_environment
from servelab.environment.copies import Copy, copied
from servelab.environment.interpreters import find_interpreter, known_interpreters
from servelab.errors import CannotRunHere, EnvironmentNotBuilt
from servelab.model.environment import EnvironmentSpec, Interpreter, Package, UserEnvironment
from tests.environment.test_overlay import fingerprint
from tests.own_environments import install, make_environment

PROJECT = """\
[project]
name = "{name}"
version = "0.1"
{more}
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""


@functools.cache
def other() -> Interpreter:
    """Return an ordinary interpreter of another minor version than this one."""
    for each in known_interpreters():
        if each.minor != sys.version_info[:2] and not each.is_free_threaded:
            return each
    pytest.skip("only one minor version of Python is on this machine")


def project(folder: Path, *, name: str, more: str = "") -> Path:
    """Write a project with one module."""
    (folder / "src" / name).mkdir(parents=True)
    (folder / "src" / name / "__init__.py").write_text("import sys\nSEEN = sys.version_info[:2]\n")
    (folder / "pyproject.toml").write_text(PROJECT.format(name=name, more=more))
    return folder


def read(directory: Path) -> UserEnvironment:
    return find_user_environment(str(directory), project=directory.parent)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> UserEnvironment:
    """Return an environment with packages of an index, of folders, and of nobody knows where."""
    home = tmp_path_factory.mktemp("home")
    directory = make_environment(home / ".venv", "markupsafe==3.0.2", "click==7.1.2")
    install(directory, "--editable", str(project(home / "edited", name="edited")))
    install(directory, str(project(home / "local", name="local")))
    shown = project(home / "shown", name="shown")
    (site,) = directory.glob("lib/python*/site-packages")
    (site / "mine.pth").write_text(f"{shown / 'src'}\nimport sys\n/no/such/folder\n")
    compiled = site / "compiled-2.0.dist-info"
    compiled.mkdir()
    (compiled / "METADATA").write_text("Name: compiled\nVersion: 2.0\n")
    (compiled / "WHEEL").write_text("Tag: cp311-cp311-linux_x86_64\n")
    (compiled / "RECORD").write_text("compiled.so,,\n")
    (compiled / "direct_url.json").write_text('{"url": "file:///home/me/compiled.whl"}')
    return read(directory)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def copy(user: UserEnvironment, cache: Path) -> Copy:
    return copied(user, interpreter=other(), cache=cache)


def said(environment: UserEnvironment, code: str) -> str:
    return subprocess.run(
        [environment.python, "-B", "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.live
def test_the_same_versions_run_on_the_other_interpreter(user: UserEnvironment, copy: Copy) -> None:
    made = copy.environment
    assert {each.name: each.version for each in made.packages} == {
        "click": "7.1.2",
        "edited": "0.1",
        "local": "0.1",
        "markupsafe": "3.0.2",
    }
    minor = made.interpreter.minor
    assert minor != user.interpreter.minor
    code = "import edited, local, shown, markupsafe._speedups; print(edited.SEEN)"
    assert said(made, code) == str(minor)
    assert said(made, "import shown; print(shown.__file__)").startswith(
        str(user.directory.parent / "shown")
    )
    assert made.copied_from == user.directory


@pytest.mark.live
def test_what_is_compiled_and_came_from_no_index_is_named(copy: Copy) -> None:
    assert copy.missing == (Package("compiled", "2.0"),)
    assert copy.unneeded == copy.added == ()


@pytest.mark.live
def test_nothing_is_written_where_the_user_works(user: UserEnvironment, tmp_path: Path) -> None:
    home = user.directory.parent
    before = fingerprint(home)
    copied(user, interpreter=other(), cache=tmp_path)
    assert fingerprint(home) == before


@pytest.mark.live
def test_a_copy_is_made_once(user: UserEnvironment, copy: Copy, cache: Path) -> None:
    told: list[str] = []
    again = copied(user, interpreter=other(), cache=cache, on_progress=told.append)
    assert again == copy
    assert told == []


@pytest.mark.live
def test_a_server_is_laid_beside_the_copy(user: UserEnvironment, copy: Copy, cache: Path) -> None:
    spec = EnvironmentSpec(
        name="waitress",
        requirements=("waitress==3.0.2", "markupsafe"),
        constraints="markupsafe==1.0\n",  # as where only the copy holds it
        lock=None,
        beside=user,
    )
    built = ensure(spec, interpreter=other(), cache=cache)
    held = {each.name: each.version for each in built.packages}
    assert held["waitress"] == "3.0.2"
    assert held["markupsafe"] == "3.0.2"
    assert built.interpreter == copy.environment.interpreter
    code = "import edited, waitress, markupsafe._speedups; print(edited.SEEN)"
    ran = subprocess.run(
        [built.python, "-c", code],
        env=dict(built.variables),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == str(other().minor)


@pytest.mark.live
def test_a_server_that_cannot_live_with_the_copy_names_the_users_environment(
    user: UserEnvironment, copy: Copy, cache: Path
) -> None:
    assert copy.environment.packages
    spec = EnvironmentSpec(
        name="server",
        requirements=("flask==3.1.0",),
        constraints="",
        lock=None,
        beside=user,
    )
    with pytest.raises(EnvironmentNotBuilt) as refused:
        ensure(spec, interpreter=other(), cache=cache)
    said_so = str(refused.value)
    assert f"cannot run beside what {user.directory}, copied to Python " in said_so
    assert "change click there" in said_so
    assert str(cache) not in said_so


@pytest.mark.live
def test_a_package_that_is_not_for_the_other_interpreter_is_one_sentence(tmp_path: Path) -> None:
    interpreter = other()
    directory = make_environment(tmp_path / ".venv", "click==8.1.7")
    (site,) = directory.glob("lib/python*/site-packages")
    nowhere = site / "servelab_is_nowhere-1.0.dist-info"
    nowhere.mkdir()
    (nowhere / "METADATA").write_text("Name: servelab-is-nowhere\nVersion: 1.0\n")
    (nowhere / "INSTALLER").write_text("pip\n")
    with pytest.raises(EnvironmentNotBuilt) as refused:
        copied(read(directory), interpreter=interpreter, cache=tmp_path / "cache")
    sentence, _, words = str(refused.value).partition("\n")
    minor = ".".join(map(str, interpreter.minor))
    assert f"cannot be copied to Python {minor}" in sentence
    assert "servelab-is-nowhere 1.0 is not to be had for Python" in sentence
    assert "or leave this interpreter out. uv's last words:" in sentence
    assert "servelab-is-nowhere" in words
    assert not list((tmp_path / "cache").glob("*/complete.json"))


@pytest.mark.live
def test_what_only_this_interpreter_needs_is_left_out_where_it_cannot_be_had(
    tmp_path: Path,
) -> None:
    interpreter = other()
    directory = make_environment(tmp_path / ".venv", "click==8.1.7")
    (site,) = directory.glob("lib/python*/site-packages")
    for name, more in (
        ("servelab-is-nowhere", ""),
        ("asking", 'Requires-Dist: servelab-is-nowhere ; python_version == "2.7"\n'),
    ):
        folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n{more}")
        (folder / "WHEEL").write_text("Tag: py3-none-any\n")
        (folder / "RECORD").write_text(f"{folder.name}/METADATA,,\n")
        if name != "asking":
            (folder / "INSTALLER").write_text("pip\n")
    copy = copied(read(directory), interpreter=interpreter, cache=tmp_path / "cache")
    assert copy.unneeded == (Package("servelab-is-nowhere", "1.0"),)
    assert {each.name for each in copy.environment.packages} == {"asking", "click"}


@pytest.mark.live
def test_packages_that_contradict_each_other_are_taken_as_they_are(tmp_path: Path) -> None:
    # pip installs what contradicts, with a warning.
    directory = make_environment(tmp_path / ".venv")
    install(directory, "--no-deps", "flask==3.1.0", "werkzeug==2.0.3")
    copy = copied(read(directory), interpreter=other(), cache=tmp_path / "cache")
    assert set(copy.environment.packages) >= {
        Package("flask", "3.1.0"),
        Package("werkzeug", "2.0.3"),
    }


def test_only_another_interpreter_needs_a_copy(tmp_path: Path) -> None:
    program = tmp_path / "python3.12"
    program.touch()
    (tmp_path / "python3").symlink_to(program)
    own = Interpreter(path=program, version="3.12.1")
    user = UserEnvironment(
        directory=tmp_path,
        python=program,
        interpreter=own,
        site_folders=(),
        packages=(),
        from_elsewhere=(),
        scripts=(),
    )
    linked = msgspec.structs.replace(own, path=tmp_path / "python3")
    assert not copies.is_needed(user, interpreter=own)
    assert not copies.is_needed(user, interpreter=linked)
    assert copies.is_needed(user, interpreter=Interpreter(path=tmp_path, version="3.12.1"))


def test_the_nearest_interpreter_is_the_one_that_is_meant(tmp_path: Path) -> None:
    near = Interpreter(path=tmp_path / "python", version="3.97.4")
    nobody = {"PATH": "", "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    assert find_interpreter("3.97", variables=nobody, nearest=near) == near
    with pytest.raises(CannotRunHere):
        find_interpreter("3.96", variables=nobody, nearest=near)
