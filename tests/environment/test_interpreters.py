import os
import platform
import sys
from pathlib import Path

import pytest

from servelab.environment import find_interpreter, own_interpreter
from servelab.environment.interpreters import inspect, known_interpreters, managed_by_uv
from servelab.errors import CannotRunHere, UsageError


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a user without any interpreter."""
    # uv makes its cache in the home folder, so there must be one.
    home = tmp_path / "home"
    return {"PATH": "", "HOME": str(home), "PYENV_ROOT": str(home)}


def fake(folder: Path, name: str, *, version: str, free: bool = False) -> Path:
    """Write a program that answers as an interpreter of this version would."""
    program = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    flag = "true" if free else "false"
    answer = f'{{"path": "{program}", "version": "{version}", "is_free_threaded": {flag}}}'
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    return program


def broken(folder: Path, name: str) -> Path:
    program = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\nexit 127\n")
    program.chmod(0o755)
    return program


def test_the_own_interpreter_is_the_one_below_the_virtual_environment() -> None:
    own = own_interpreter()
    assert own.version == ".".join(str(part) for part in sys.version_info[:3])
    assert own.minor == sys.version_info[:2]
    asked = inspect(own.path)
    assert asked is not None
    assert asked.version == own.version


def test_the_own_version_is_the_own_interpreter(nowhere: dict[str, str]) -> None:
    wanted = ".".join(str(part) for part in sys.version_info[:2])
    assert find_interpreter(wanted, variables=nowhere) == own_interpreter()


def test_an_interpreter_is_found_on_the_path_past_shims_that_do_not_work(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    broken(tmp_path / "shims", "python3.99")
    expected = fake(tmp_path / "bin", "python3.99", version="3.99.1")
    path = os.pathsep.join([str(tmp_path / "shims"), str(tmp_path / "bin")])
    found = find_interpreter("3.99", variables={**nowhere, "PATH": path})
    assert found.path == expected
    assert found.version == "3.99.1"


def test_a_shim_leads_to_the_interpreter_behind_it(tmp_path: Path, nowhere: dict[str, str]) -> None:
    behind = fake(tmp_path / "real", "python", version="3.99.1")
    shim = tmp_path / "python3.99"
    shim.write_text(f"#!/bin/sh\nexec {behind}\n")
    shim.chmod(0o755)
    found = find_interpreter("3.99", variables={**nowhere, "PATH": str(tmp_path)})
    assert found.path == behind


def test_the_newest_of_pyenvs_versions_is_found(tmp_path: Path, nowhere: dict[str, str]) -> None:
    for version in ("3.99.2", "3.99.10", "3.100.0"):
        fake(tmp_path / "versions" / version / "bin", "python", version=version)
    variables = {**nowhere, "PYENV_ROOT": str(tmp_path)}
    assert find_interpreter("3.99", variables=variables).version == "3.99.10"
    assert find_interpreter("3.99.2", variables=variables).version == "3.99.2"


def test_free_threaded_is_asked_for_by_its_letter_and_only_so(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    fake(tmp_path, "python3.99t", version="3.99.0", free=True)
    variables = {**nowhere, "PATH": str(tmp_path)}
    assert find_interpreter("3.99t", variables=variables).is_free_threaded
    with pytest.raises(CannotRunHere, match=r"found: .*3\.99\.0t"):
        find_interpreter("3.99", variables=variables)


def test_all_that_servers_can_run_on_are_listed_the_oldest_first(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    for version in ("3.10.13", "3.100.0", "3.99.2"):
        fake(tmp_path / "versions" / version / "bin", "python", version=version)
    fake(tmp_path / "bin", "python3.14t", version="3.14.99", free=True)
    broken(tmp_path / "bin", "python3.13")
    variables = {**nowhere, "PYENV_ROOT": str(tmp_path), "PATH": str(tmp_path / "bin")}
    listed = known_interpreters(variables=variables)
    versions = [each.full_version for each in listed]
    assert versions == [own_interpreter().full_version, "3.14.99t", "3.99.2", "3.100.0"]


def test_uvs_own_are_found_without_asking_what_is_on_the_path(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    # A folder as uv makes them, with this interpreter in it.
    own = own_interpreter()
    name = f"cpython-{own.version}-linux-{platform.machine()}-gnu"
    programs = tmp_path / "uv" / name / "bin"
    programs.mkdir(parents=True)
    (programs.parent / "lib").symlink_to(own.path.resolve().parent.parent / "lib")
    minor = ".".join(map(str, own.minor))
    (programs / f"python{minor}").symlink_to(own.path.resolve())
    asked = tmp_path / "asked"
    shim = fake(tmp_path / "shims", "python3.12", version="3.12.0")
    shim.write_text(f"#!/bin/sh\ntouch {asked}\n")
    variables = {
        **nowhere,
        "UV_PYTHON_INSTALL_DIR": str(tmp_path / "uv"),
        "PATH": str(tmp_path / "shims"),
    }
    assert [path.parent for path in managed_by_uv(variables)] == [programs]
    assert not asked.exists()


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    program = fake(tmp_path, "mine", version="3.99.0")
    assert find_interpreter(str(program)).version == "3.99.0"
    with pytest.raises(CannotRunHere, match="is not a Python interpreter that runs"):
        find_interpreter(str(broken(tmp_path, "other")))


def test_what_is_not_here_is_said_with_what_is(nowhere: dict[str, str]) -> None:
    own = own_interpreter().version
    with pytest.raises(CannotRunHere, match=rf"Python 3\.99 is not .*found: {own}"):
        find_interpreter("3.99", variables=nowhere)


@pytest.mark.parametrize("text", ["", "python", "three", "3", "3.13x"])
def test_a_text_that_names_no_version_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"give a version such as 3\.13"):
        find_interpreter(text)
