import json
import multiprocessing
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from servelab.environment import ensure, own_interpreter
from servelab.environment.build import environment_key
from servelab.environment.cache import MARKER, cache_directory, clear, entries, try_lock
from servelab.environment.uv_runs import failing_requirement, not_built
from servelab.errors import CannotRunHere, EnvironmentNotBuilt
from servelab.model.environment import (
    Environment,
    EnvironmentSpec,
    Interpreter,
    Package,
    UserEnvironment,
)

DEADLINE_S = 120.0

LOCK = """\
itsdangerous==2.2.0 \\
    --hash=sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef \\
    --hash=sha256:e0050c0b7da1eea53ffaf149c0cfbb5c6e2e2b69c4bef22c81fa6eb73e5f6173
"""
WRONG_LOCK = f"itsdangerous==2.2.0 --hash=sha256:{'0' * 64}\n"


def spec(
    *, lock: str | None = LOCK, requirements: tuple[str, ...] = ("itsdangerous",)
) -> EnvironmentSpec:
    return EnvironmentSpec(
        name="tiny", requirements=requirements, constraints="itsdangerous==2.2.0\n", lock=lock
    )


def imported(environment: Environment) -> str:
    done = subprocess.run(
        [environment.python, "-c", "import itsdangerous, sys; print(sys.prefix)"],
        capture_output=True,
        check=True,
        text=True,
        timeout=DEADLINE_S,
    )
    return done.stdout.strip()


@pytest.mark.live
def test_a_locked_environment_is_built_once_and_found_again(tmp_path: Path) -> None:
    said: list[str] = []
    built = ensure(spec(), interpreter=own_interpreter(), cache=tmp_path, on_progress=said.append)
    assert built.packages == (Package("itsdangerous", "2.2.0"),)
    assert imported(built) == str(built.directory)
    assert said[0].startswith("building the environment of tiny")
    said.clear()
    again = ensure(spec(), interpreter=own_interpreter(), cache=tmp_path, on_progress=said.append)
    assert again == built
    assert said == []


@pytest.mark.live
def test_without_a_lock_the_constraints_decide(tmp_path: Path) -> None:
    built = ensure(spec(lock=None), interpreter=own_interpreter(), cache=tmp_path)
    assert built.packages == (Package("itsdangerous", "2.2.0"),)


@pytest.mark.live
def test_a_half_built_environment_is_built_again(tmp_path: Path) -> None:
    built = ensure(spec(), interpreter=own_interpreter(), cache=tmp_path)
    (built.directory / MARKER).unlink()
    (package,) = built.directory.glob("lib/python*/site-packages/itsdangerous/__init__.py")
    package.unlink()
    again = ensure(spec(), interpreter=own_interpreter(), cache=tmp_path)
    assert again == built
    assert imported(again) == str(built.directory)


@pytest.mark.live
def test_an_environment_whose_interpreter_is_gone_is_built_again(tmp_path: Path) -> None:
    built = ensure(spec(), interpreter=own_interpreter(), cache=tmp_path)
    built.python.unlink()
    built.python.symlink_to("/does/not/exist")
    assert imported(ensure(spec(), interpreter=own_interpreter(), cache=tmp_path))


@pytest.mark.live
def test_two_who_build_at_once_get_one_environment(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        jobs = [pool.apply_async(_ensure_elsewhere, (str(tmp_path),)) for _ in range(3)]
        results = [job.get(DEADLINE_S) for job in jobs]
        pool.close()
        pool.join()
    assert len({directory for directory, _ in results}) == 1
    builders = [said for _, said in results if any(text.startswith("building") for text in said)]
    assert len(builders) == 1
    (entry,) = entries(tmp_path)
    assert entry.is_complete


@pytest.mark.live
def test_what_python_path_shows_does_not_get_into_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leak").mkdir()
    (tmp_path / "leak" / "sitecustomize.py").write_text("raise SystemExit('leaked')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "leak"))
    built = ensure(spec(), interpreter=own_interpreter(), cache=tmp_path / "cache")
    assert built.packages == (Package("itsdangerous", "2.2.0"),)


@pytest.mark.live
def test_a_file_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentNotBuilt, match=r"at 'itsdangerous==2\.2\.0.*lock"):
        ensure(spec(lock=WRONG_LOCK), interpreter=own_interpreter(), cache=tmp_path)
    (entry,) = entries(tmp_path)
    assert not entry.is_complete


@pytest.mark.live
def test_a_requirement_that_cannot_be_met_is_named(tmp_path: Path) -> None:
    wanted = spec(lock=None, requirements=("itsdangerous==2.1.9",))
    with pytest.raises(EnvironmentNotBuilt, match=r"at 'itsdangerous==2\.1\.9'"):
        ensure(wanted, interpreter=own_interpreter(), cache=tmp_path)


def test_a_file_that_is_renamed_as_the_cache_is_listed_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "kept").write_bytes(b"12345")
    walk = os.walk

    def walk_and_see_more(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for name, folders, files in walk(folder):
            yield name, folders, [*files, "module.pyc.140213"]

    monkeypatch.setattr(os, "walk", walk_and_see_more)
    (entry,) = entries(tmp_path)
    assert entry.size_bytes == 5


@pytest.mark.live
def test_the_cache_lists_sizes_and_can_be_cleared(tmp_path: Path) -> None:
    assert entries(tmp_path / "none") == ()
    ensure(spec(), interpreter=own_interpreter(), cache=tmp_path)
    (entry,) = entries(tmp_path)
    assert entry.size_bytes > 10_000
    with try_lock(tmp_path, name=entry.name) as is_ours:
        assert is_ours
        assert clear(tmp_path) == 0  # somebody builds it
    assert clear(tmp_path) == entry.size_bytes
    assert entries(tmp_path) == ()


def test_a_cache_that_cannot_be_written_is_said_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotRunHere, match="set SERVELAB_CACHE"):
        ensure(spec(), interpreter=own_interpreter(), cache=tmp_path / "file")


def test_the_cache_lies_where_the_user_wants_it() -> None:
    assert cache_directory({"SERVELAB_CACHE": "/c"}) == Path("/c/environments")
    assert cache_directory({"XDG_CACHE_HOME": "/x"}) == Path("/x/servelab/environments")
    assert cache_directory({"HOME": "/h", "XDG_CACHE_HOME": "relative"}) == Path(
        "/h/.cache/servelab/environments"
    )


def test_content_interpreter_and_threading_make_the_key() -> None:
    one = Interpreter(path=Path("/p"), version="3.13.0")
    other = Interpreter(path=Path("/p"), version="3.13.1")
    free = Interpreter(path=Path("/p"), version="3.13.0", is_free_threaded=True)
    keys = {environment_key(spec(), interpreter=each) for each in (one, other, free)}
    assert len(keys) == 3
    assert environment_key(spec(), interpreter=free).startswith("tiny-py3.13t-")
    assert environment_key(spec(lock=None), interpreter=one) not in keys
    assert environment_key(spec(), interpreter=one) in keys


def test_the_line_of_the_lock_that_failed_is_found_among_words_that_are_packages() -> None:
    lock = "build==1.0 \\\n    --hash=sha256:00\npyuwsgi==2.0.30 ; sys_platform != 'win32' \\\n"
    found = failing_requirement(spec(lock=lock), output="Failed to build `pyuwsgi==2.0.30`")
    assert found == "pyuwsgi==2.0.30 ; sys_platform != 'win32'"
    assert failing_requirement(spec(lock=lock), output="no network") is None


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("Failed to fetch: https://x\n dns error", "check the network"),
        ("Failed to build `x==1`", "needs a compiler"),
        ("No solution found when resolving", "see that your index has this version"),
        ("something else", "see what uv wrote"),
    ],
)
def test_the_next_step_fits_what_went_wrong(output: str, advice: str) -> None:
    assert advice in str(not_built(spec(), output=output))


def test_credentials_of_an_index_are_not_shown() -> None:
    text = str(not_built(spec(), output="Failed to fetch: https://user:secret@index.example/x"))
    assert "secret" not in text
    assert "https://***@index.example/x" in text


def _ensure_elsewhere(cache: str) -> tuple[str, list[str]]:
    said: list[str] = []
    built = ensure(
        spec(), interpreter=own_interpreter(), cache=Path(cache), on_progress=said.append
    )
    assert json.loads((built.directory / MARKER).read_bytes())["name"] == "tiny"
    return str(built.directory), said


def as_it_is(user: UserEnvironment | None) -> EnvironmentSpec:
    return EnvironmentSpec(
        name="tiny", requirements=(), constraints="", lock=None, beside=user, is_built=False
    )


def test_without_an_environment_nothing_is_built_and_no_version_is_claimed(tmp_path: Path) -> None:
    found = ensure(as_it_is(None), interpreter=own_interpreter(), cache=tmp_path)
    assert found.is_the_machine
    assert found.python_version == ""
    assert found.packages == ()
    assert not list(tmp_path.iterdir())


def test_a_users_environment_can_be_used_as_it_is_without_being_written_to(tmp_path: Path) -> None:
    interpreter = Interpreter(path=Path("/usr/bin/python3.12"), version="3.12.1")
    user = UserEnvironment(
        directory=Path("/srv/shop/.venv"),
        python=Path("/srv/shop/.venv/bin/python"),
        interpreter=interpreter,
        site_folders=(),
        packages=(Package("flask", "3.1.3"),),
        from_elsewhere=(),
        scripts=(),
    )
    found = ensure(as_it_is(user), interpreter=own_interpreter(), cache=tmp_path)
    assert found.programs == Path("/srv/shop/.venv/bin")
    assert (found.python_version, found.packages) == ("3.12.1", user.packages)
    ((name, folder),) = found.variables
    assert name == "PYTHONPYCACHEPREFIX"
    assert folder.startswith(str(tmp_path))
