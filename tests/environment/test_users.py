import subprocess
import sys
from pathlib import Path

import pytest

from servelab.environment import find_user_environment, own_interpreter
from servelab.errors import CannotRunHere, UsageError

pytestmark = pytest.mark.live


def make(directory: Path, *options: str) -> Path:
    python = own_interpreter().path
    subprocess.run([python, "-m", "venv", "--without-pip", *options, directory], check=True)
    return directory


def test_the_environment_is_given_or_active_or_lies_in_the_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    given, active = make(tmp_path / "given"), make(tmp_path / "active")
    usual, other = make(project / ".venv"), make(project / "venv")

    def found(text: str | None, **variables: str) -> Path:
        return find_user_environment(text, project=project, variables=variables).directory

    assert found(str(given), VIRTUAL_ENV=str(active)) == given
    assert found(str(given / "bin" / "python")) == given
    assert found(None, VIRTUAL_ENV=str(active)) == active
    assert found(None, VIRTUAL_ENV=sys.prefix) == usual
    assert found(None, VIRTUAL_ENV=str(tmp_path / "removed")) == usual
    (usual / "bin" / "python").unlink()
    assert found(None) == other


def test_a_src_layout_has_its_environment_beside_its_pyproject(tmp_path: Path) -> None:
    project = tmp_path / "project" / "src"
    usual, foreign = make(tmp_path / "project" / ".venv"), make(tmp_path / ".venv")
    project.mkdir()

    def found() -> Path:
        return find_user_environment(None, project=project, variables={}).directory

    with pytest.raises(UsageError):
        found()
    (tmp_path / "pyproject.toml").touch()
    assert found() == usual
    (tmp_path / "project" / "pyproject.toml").touch()
    assert found() == usual
    (usual / "bin" / "python").unlink()
    with pytest.raises(UsageError):
        found()
    (tmp_path / "project" / "pyproject.toml").unlink()
    assert found() == foreign
    tmp_path.chmod(0o777)
    with pytest.raises(UsageError):
        found()


def test_an_active_environment_of_conda_counts_and_its_base_only_where_there_is_no_other(
    tmp_path: Path,
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    conda, active = make(tmp_path / "conda"), make(tmp_path / "active")

    def found(name: str, **variables: str) -> Path:
        variables |= {"CONDA_PREFIX": str(conda), "CONDA_DEFAULT_ENV": name}
        return find_user_environment(None, project=project, variables=variables).directory

    assert found("base") == found("shop") == conda
    usual = make(project / ".venv")
    assert found("shop") == conda
    assert found("base") == usual
    assert found("shop", VIRTUAL_ENV=str(active)) == active
    assert find_user_environment(None, project=project, variables={"CONDA_PREFIX": sys.prefix})


def test_an_environment_whose_interpreter_was_removed_is_named_and_no_other_taken(
    tmp_path: Path,
) -> None:
    usual = make(tmp_path / ".venv")
    make(tmp_path / "venv")
    for each in usual.glob("bin/python*"):
        each.unlink()
    (usual / "bin" / "python").symlink_to("python3")
    (usual / "bin" / "python3").symlink_to(tmp_path / "gone" / "python3")
    said = r"/\.venv/bin/python leads to .*/gone/python3, which is not there any more; .*anew"
    for given in (None, str(usual)):
        with pytest.raises(UsageError, match=said):
            find_user_environment(given, project=tmp_path, variables={})
    with pytest.raises(UsageError, match=said):
        find_user_environment(None, project=Path("/"), variables={"VIRTUAL_ENV": str(usual)})


def test_no_environment_is_said_with_the_option_that_names_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no \.venv or venv.*--env"):
        find_user_environment(None, project=tmp_path, variables={})
    with pytest.raises(UsageError, match="no virtual environment: it has no bin/python"):
        find_user_environment(str(tmp_path), project=tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        find_user_environment(str(tmp_path / "none"), project=tmp_path)


def test_an_interpreter_that_does_not_answer_is_said_with_its_words(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho this is broken >&2\n")
    broken.chmod(0o755)
    with pytest.raises(CannotRunHere, match=r"no Python interpreter that runs(.|\n)*is broken"):
        find_user_environment(str(broken), project=tmp_path)
    broken.write_text("no program\n")
    with pytest.raises(CannotRunHere, match="does not run"):
        find_user_environment(str(broken), project=tmp_path)


def test_what_a_hook_of_the_environment_prints_disturbs_nobody(tmp_path: Path) -> None:
    directory = make(tmp_path / "venv")
    (folder,) = directory.glob("lib/python*/site-packages")
    (folder / "loud.pth").write_text("import sys; print('loud'); sys.path.append('/nowhere')\n")
    assert find_user_environment(str(directory), project=tmp_path).site_folders == (folder,)


def test_packages_of_the_system_are_part_of_an_environment_that_sees_them(tmp_path: Path) -> None:
    directory = make(tmp_path / "venv", "--system-site-packages")
    found = find_user_environment(str(directory), project=tmp_path)
    (folder,) = directory.glob("lib/python*/site-packages")
    assert found.site_folders[0] == folder
    assert len(found.site_folders) > 1
