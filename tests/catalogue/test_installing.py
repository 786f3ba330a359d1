"""What a user installs is what was measured."""

import pytest

from servelab.catalogue import to_install_for
from servelab.errors import UnknownName, UsageError

PACKAGES = {"gunicorn": "27.0.1", "gevent": "26.9.0", "uvicorn": "0.54.0", "uvloop": "0.23.0"}


def test_the_version_is_the_one_of_the_environment() -> None:
    packages = {"gunicorn": "23.0.0"}
    found = to_install_for("gunicorn-sync:processes=2,worker_class=sync", packages=packages)
    assert found == ("gunicorn==23.0.0",)


def test_names_of_packages_are_compared_as_indexes_do() -> None:
    found = to_install_for(
        "gunicorn-uvicorn:worker_class=uvicorn_worker.UvicornWorker",
        packages={"Gunicorn": "27.0.1", "uvicorn_worker": "0.4.0", "uvicorn": "0.54.0"},
    )
    assert found == ("gunicorn==27.0.1", "uvicorn-worker==0.4.0", "uvicorn[standard]==0.54.0")


def test_what_is_not_known_to_have_been_there_is_as_the_catalogue_has_it() -> None:
    assert to_install_for("uwsgi", packages={}) == ("pyuwsgi==2.0.30.post1",)


def test_a_program_that_another_package_brings_is_not_installed_over_it() -> None:
    packages = {"uWSGI": "2.0.28", "gevent": "26.9.0"}
    assert to_install_for("uwsgi-gevent:async_cores=10", packages=packages) == (
        *("uwsgi==2.0.28", "gevent==26.9.0"),
    )


def test_an_extra_that_was_not_there_is_left_out() -> None:
    found = to_install_for(
        "gunicorn-uvicorn:worker_class=uvicorn_worker.UvicornWorker", packages=PACKAGES
    )
    assert "uvloop==0.23.0" in found
    assert not any(each.startswith("httptools") for each in found)


def test_a_server_whose_name_begins_with_another_ones_is_told_from_it() -> None:
    assert to_install_for("gevent_pywsgi", packages=PACKAGES) == ("gevent==26.9.0",)


@pytest.mark.parametrize("name", ["gone:processes=2", "gunicornx"])
def test_an_unknown_server_is_named(name: str) -> None:
    with pytest.raises(UnknownName, match=name.partition(":")[0]):
        to_install_for(name, packages={})


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError):
        to_install_for("gunicorn:processes", packages={})
