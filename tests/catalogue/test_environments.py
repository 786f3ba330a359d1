"""What the servers' environments hold, and that their locks are up to date."""

import re

import pytest

from servelab import catalogue
from servelab.catalogue import environments, lock
from servelab.errors import UnknownName, UsageError

SERVERS = [server.name for server in catalogue.servers()]


def test_every_lock_was_made_from_the_present_requirements() -> None:
    assert lock.stale_locks() == (), "run: python -m servelab.catalogue.lock"
    assert lock.orphaned_locks() == ()


@pytest.mark.parametrize("name", SERVERS)
def test_a_lock_pins_and_hashes_each_package_and_names_no_index(name: str) -> None:
    text = catalogue.environment_spec(name).lock
    assert text is not None
    assert "://" not in text
    pins = re.findall(
        r"^[a-z0-9][^ ]*==\S+.*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE
    )
    packages = [line for line in text.splitlines() if line[:1].isalnum()]
    assert len(pins) == len(packages) > 5


@pytest.mark.parametrize("name", SERVERS)
def test_all_servers_share_the_versions_of_the_constraints(name: str) -> None:
    text = catalogue.environment_spec(name).lock or ""
    for line in environments.constraints_text().splitlines():
        package, _, version = line.partition(" ;")[0].partition("==")
        if version and (found := re.findall(rf"^{package}==(\S+)", text, re.MULTILINE)):
            assert version in found


def test_a_lock_forks_where_a_package_dropped_an_interpreter() -> None:
    text = catalogue.environment_spec("uwsgi").lock or ""
    assert len(re.findall(r"^numpy==.*python_full_version", text, re.MULTILINE)) == 2


def test_an_environment_holds_the_server_its_frameworks_and_all_workloads() -> None:
    requirements = catalogue.environment_spec("gunicorn").requirements
    assert {"flask", "fastapi", "numpy", "aiohttp", "urllib3"} <= set(requirements)
    assert "grpcio" not in requirements


def test_another_version_takes_the_place_of_the_catalogues_and_drops_the_lock() -> None:
    spec = catalogue.environment_spec("gunicorn", with_requirements=("gunicorn==23.0.0",))
    assert spec.lock is None
    assert [each for each in spec.requirements if each.startswith("gunicorn")] == [
        "gunicorn[gevent]==23.0.0"
    ]


def test_another_version_of_a_shared_package_is_not_held_back_by_its_constraint() -> None:
    spec = catalogue.environment_spec("uvicorn", with_requirements=("NumPy==2.4.0", "orjson"))
    assert "numpy==" not in spec.constraints
    assert "fastapi==" in spec.constraints
    assert {"NumPy==2.4.0", "orjson"} <= set(spec.requirements)
    assert "numpy" not in spec.requirements


def test_requirements_added_by_other_packages_leave_the_lock_unused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environments, "locked_requirements", lambda _: ("uvicorn", "falcon"))
    spec = catalogue.environment_spec("uvicorn")
    assert spec.lock is None
    assert spec.requirements == ("uvicorn", "falcon")


def test_unknown_servers_and_unreadable_requirements_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean gunicorn"):
        catalogue.environment_spec("gunicron")
    with pytest.raises(UsageError, match="'==2' is no requirement"):
        catalogue.environment_spec("gunicorn", with_requirements=("==2",))


def test_the_check_says_which_lock_is_out_of_date(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["lock", "--check"])
    assert lock.main() == 0
    monkeypatch.setattr(lock, "inputs_digest", lambda _: "sha256:other")
    assert lock.main() == 1
    assert "The lock of gunicorn is out of date; run" in capsys.readouterr().err
