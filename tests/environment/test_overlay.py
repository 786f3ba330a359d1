"""A server beside the user's packages, which stay as they are."""

import hashlib
import os
import subprocess
import urllib.request
from pathlib import Path

import msgspec
import pytest

from servelab import catalogue
from servelab.environment import (
    bytecode_variables,
    ensure,
    find_user_environment,
    own_interpreter,
)
from servelab.environment.build import environment_key
from servelab.environment.cache import entries
from servelab.errors import EnvironmentNotBuilt
from servelab.launch.server import launched
from servelab.linux import ports
from servelab.model.address import LOOPBACK, Address
from servelab.model.environment import (
    Environment,
    EnvironmentSpec,
    Package,
    UserEnvironment,
)
from servelab.model.launch import LaunchCommand
from tests.own_environments import install, make_environment

DEADLINE_S = 60.0
PROJECT = """\
[project]
name = "shop"
version = "0.0.1.dev7"
scripts = { shop = "shop:main" }
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
APPLICATION = """\
import gunicorn, sys, uvicorn

def main():
    print("shop", sys.prefix, uvicorn.__version__)

def app(environ, start_response):
    start_response("200 OK", [])
    return [f"gunicorn {gunicorn.__version__}".encode()]
"""


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> UserEnvironment:
    """Return an environment with an editable project, an older gunicorn, and an older h11."""
    project = tmp_path_factory.mktemp("project")
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "src" / "shop").mkdir(parents=True)
    (project / "src" / "shop" / "__init__.py").write_text(APPLICATION)
    directory = make_environment(project / ".venv", "gunicorn==23.0.0", "h11==0.14.0")
    install(directory, "--editable", str(project))
    return find_user_environment(None, project=project, variables={})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def spec(user: UserEnvironment, *requirements: str, constraints: str = "") -> EnvironmentSpec:
    return EnvironmentSpec(
        name="server",
        requirements=requirements,
        constraints=constraints,
        lock=None,
        preferred="idna==3.9\nclick==8.1.8\n",
        beside=user,
    )


@pytest.fixture(scope="module")
def built(user: UserEnvironment, cache: Path) -> Environment:
    wanted = spec(user, "gunicorn", "uvicorn==0.54.0", "shop", constraints="gevent==0\n")
    return ensure(wanted, interpreter=user.interpreter, cache=cache)


def fingerprint(directory: Path) -> dict[str, str]:
    """Return path -> digest of content, or target, and of the time of the last change."""
    found = {}
    for folder, names, files in os.walk(directory):
        for name in (*names, *files):
            path = Path(folder, name)
            changed = path.lstat().st_mtime_ns
            if path.is_symlink():
                found[str(path)] = f"{path.readlink()} {changed}"
            elif path.is_file():
                found[str(path)] = f"{hashlib.sha256(path.read_bytes()).hexdigest()} {changed}"
            else:
                found[str(path)] = str(changed)
    return found


def versions(environment: Environment) -> dict[str, str]:
    return {each.name: each.version for each in environment.packages}


@pytest.mark.live
def test_the_users_versions_stand_and_only_what_lacks_is_installed(
    user: UserEnvironment, built: Environment
) -> None:
    held = versions(built)
    assert held["gunicorn"] == "23.0.0"
    assert held["h11"] == "0.14.0"
    assert held["click"] == "8.1.8"  # as the lock prefers
    assert held["shop"] == "0.0.1.dev7"
    assert user.from_elsewhere == ("shop",)
    (folder,) = built.directory.glob("lib/python*/site-packages")
    own = {each.name.partition("-")[0] for each in folder.glob("*.dist-info")}
    assert own == {"uvicorn", "click"}


@pytest.mark.live
def test_it_is_built_once(user: UserEnvironment, built: Environment, cache: Path) -> None:
    said: list[str] = []
    wanted = spec(user, "gunicorn", "uvicorn==0.54.0", "shop", constraints="gevent==0\n")
    again = ensure(wanted, interpreter=user.interpreter, cache=cache, on_progress=said.append)
    assert (again, said) == (built, [])


@pytest.mark.live
def test_a_server_of_the_users_runs_from_the_overlay_and_changes_nothing_of_theirs(
    user: UserEnvironment, built: Environment, tmp_path: Path
) -> None:
    project = user.directory.parent
    before = fingerprint(project)
    address = Address(LOOPBACK, ports.next_free_port(24600 + os.getpid() % 100))
    command = LaunchCommand(argv=("gunicorn", "--bind", str(address), "shop:app"))
    answers: list[str] = []

    def ask() -> str | None:
        with urllib.request.urlopen(f"http://{address}/", timeout=DEADLINE_S) as answer:
            answers.append(answer.read().decode())
        return None

    with launched(
        command,
        programs=built.programs,
        directory=project,
        variables=dict(built.variables),
        log=tmp_path / "log",
        address=address,
    ) as server:
        server.wait_ready(ask, timeout_s=DEADLINE_S)
    assert answers == ["gunicorn 23.0.0"]
    assert fingerprint(project) == before
    ((_, bytecode),) = built.variables
    assert list(Path(bytecode).rglob("shop/__init__.*.pyc"))


@pytest.mark.live
def test_all_overlays_of_an_environment_share_their_bytecode(
    user: UserEnvironment, built: Environment, cache: Path
) -> None:
    assert bytecode_variables(user, cache=cache) == built.variables
    ((_, bytecode),) = built.variables
    assert list(Path(bytecode).rglob("uvicorn/main.*.pyc"))
    assert all(each.is_complete for each in entries(cache))


@pytest.mark.live
def test_the_users_commands_run_in_the_overlay(user: UserEnvironment, built: Environment) -> None:
    before = fingerprint(user.directory.parent)
    done = subprocess.run(
        [built.programs / "shop"],
        env=dict(built.variables),
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.split() == ["shop", str(built.directory), "0.54.0"]
    assert fingerprint(user.directory.parent) == before


@pytest.mark.live
def test_the_users_packages_come_before_the_servers(
    user: UserEnvironment, built: Environment
) -> None:
    code = "import sys; print('\\n'.join(sys.path))"
    done = subprocess.run([built.python, "-c", code], capture_output=True, check=True, text=True)
    places = [Path(each) for each in done.stdout.splitlines() if "site-packages" in each]
    (own,) = built.directory.glob("lib/python*/site-packages")
    assert places == [*user.site_folders, own]
    assert str(user.directory.parent / "src") in done.stdout.splitlines()


@pytest.mark.live
def test_versions_that_cannot_go_together_are_named(tmp_path: Path) -> None:
    make_environment(tmp_path / ".venv", "click==7.1.2")
    user = find_user_environment(None, project=tmp_path, variables={})
    before = fingerprint(user.directory)
    with pytest.raises(EnvironmentNotBuilt) as error:
        ensure(spec(user, "flask==3.1.3"), interpreter=user.interpreter, cache=tmp_path / "cache")
    said = str(error.value)
    assert said.startswith(f"server cannot run beside what {user.directory} holds: click 7.1.2 is ")
    assert "click 8.1.8 is what server would take (flask needs click>=8.1.3)" in said
    assert said.endswith("change click there, or do without this server.")
    assert fingerprint(user.directory) == before


@pytest.mark.live
def test_a_server_that_the_index_lacks_is_no_conflict(user: UserEnvironment, cache: Path) -> None:
    wanted = spec(user, "itsdangerous==2.1.9")
    with pytest.raises(EnvironmentNotBuilt, match=r"at 'itsdangerous==2\.1\.9'"):
        ensure(wanted, interpreter=user.interpreter, cache=cache)


def made_up_user(*packages: Package) -> UserEnvironment:
    return UserEnvironment(
        directory=Path("/project/.venv"),
        python=Path("/project/.venv/bin/python"),
        interpreter=own_interpreter(),
        site_folders=(Path("/project/.venv/lib/python3/site-packages"),),
        packages=packages,
        from_elsewhere=(),
        scripts=(),
    )


def test_server_packages_and_place_make_the_key() -> None:
    user = made_up_user(Package("flask", "3.1.3"))
    users = [
        user,
        made_up_user(Package("flask", "3.1.2")),
        msgspec.structs.replace(user, directory=Path("/other/.venv")),
    ]
    keys = {environment_key(spec(each, "x==1"), interpreter=own_interpreter()) for each in users}
    keys.add(environment_key(spec(user, "x==2"), interpreter=own_interpreter()))
    assert len(keys) == 4
    assert all(key.startswith("server-own-py") for key in keys)


def test_what_the_user_has_is_neither_asked_for_by_version_nor_constrained() -> None:
    user = made_up_user(Package("gunicorn", "23.0.0"), Package("gevent", "24.2.1"))
    wanted = catalogue.spec_beside("gunicorn", user=user)
    assert "gunicorn[gevent]" in wanted.requirements
    assert "uvicorn-worker==0.4.0" in wanted.requirements
    assert "gevent==" not in wanted.constraints
    assert "uvicorn==" in wanted.constraints
    assert wanted.beside == user


def test_a_uwsgi_that_was_built_from_source_is_a_uwsgi() -> None:
    lacking = catalogue.spec_beside("uwsgi", user=made_up_user()).requirements
    having = catalogue.spec_beside("uwsgi", user=made_up_user(Package("uwsgi", "2.0.31")))
    assert any(each.startswith("pyuwsgi") for each in lacking)
    assert not any(each.startswith("pyuwsgi") for each in having.requirements)
