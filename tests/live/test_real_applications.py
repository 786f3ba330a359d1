"""Applications from PyPI are served without changes, by the servers that can serve them."""

from pathlib import Path

import pytest

import real_applications as real

pytestmark = pytest.mark.live

SMALL = ("--rounds", "1", "--duration", "0.5", "--warm-up", "0.2", "-c", "4")
BY_NAME = {each.name: each for each in real.APPLICATIONS}
GREENLETS = {"gevent_pywsgi", "gunicorn-gevent", "uwsgi-gevent"}


def tried(name: str, folder: Path, *options: str) -> real.Tried:
    """Make the project and try it; whatever servers write, the project stays as it was made."""
    application, project = BY_NAME[name], folder / name
    real.make(application, project=project)
    before = contents(project)
    found = real.try_it(application, project=project, options=(*SMALL, *options))
    assert found.status == 0, found.notes
    assert contents(project) == before
    return found


def contents(project: Path) -> set[Path]:
    """List the files of a project and of its environment, but for the results."""
    results = project / "servelab-results"
    return {each for each in project.rglob("*") if not each.is_relative_to(results)}


def stacks(deployments: object) -> set[str]:
    assert isinstance(deployments, (dict, tuple))
    return {name.partition(":")[0] for name in deployments}


def test_djangos_admin_is_served_alike_though_each_page_has_another_token(tmp_path: Path) -> None:
    only = [f"--only={name}" for name in ("gunicorn-gthread", "waitress")]
    found = tried("django-wsgi", tmp_path, *only)
    assert stacks(found.agreeing) == {"gunicorn-gthread", "waitress"}
    assert not found.left_out
    assert set(found.rates_per_s) == set(found.agreeing)
    assert "The body of GET /admin/login/ is another each time" in found.notes
    (asked,) = found.document["plan"]["options"]["service"]["asked"]
    assert asked["expectation"]["status"] == 200
    assert asked["expectation"]["contains"]


@pytest.mark.slow
def test_djangos_admin_is_served_by_every_server_of_both_interfaces(tmp_path: Path) -> None:
    for name in ("django-wsgi", "django-asgi"):
        found = tried(name, tmp_path)
        assert len(found.agreeing) >= 7
        assert not found.left_out
        assert set(found.rates_per_s) == set(found.agreeing)


@pytest.mark.slow
def test_httpbin_is_served_by_all_but_those_that_its_greenlet_is_too_old_for(
    tmp_path: Path,
) -> None:
    found = tried("httpbin", tmp_path)
    assert stacks(found.left_out) == GREENLETS
    assert all("greenlet" in reason for reason in found.left_out.values())
    assert len(found.agreeing) >= 8
    assert set(found.rates_per_s) == set(found.agreeing)


@pytest.mark.slow
def test_pypiserver_a_factory_with_arguments_is_served_by_every_wsgi_server(
    tmp_path: Path,
) -> None:
    found = tried("pypiserver", tmp_path)
    assert stacks(found.agreeing) == {
        *("gunicorn-sync", "gunicorn-gthread", "gunicorn-gevent"),
        *("uwsgi-processes", "uwsgi-threads", "uwsgi-gevent"),
        *("granian", "waitress", "cheroot", "gevent_pywsgi"),
    }
    assert not found.left_out
    assert "Not tried" not in found.notes
    assert set(found.rates_per_s) == set(found.agreeing)


@pytest.mark.slow
def test_datasette_is_served_by_every_asgi_server(tmp_path: Path) -> None:
    found = tried("datasette", tmp_path)
    assert len(found.agreeing) >= 7
    assert not found.left_out
    assert set(found.rates_per_s) == set(found.agreeing)
