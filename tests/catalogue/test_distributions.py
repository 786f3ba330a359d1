import pytest

from servelab.catalogue.distributions import canonical, required_name


@pytest.mark.parametrize("name", ["Zope.Interface", "zope_interface", "zope-._interface"])
def test_one_distribution_has_many_spellings(name: str) -> None:
    assert canonical(name) == "zope-interface"


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        (" Uvicorn_Worker==0.4.0", "uvicorn-worker"),
        ("gunicorn[gevent]>=23", "gunicorn"),
        ("shop @ file:///srv/shop", "shop"),
        ("# a comment", ""),
        ("", ""),
    ],
)
def test_a_requirement_begins_with_its_name(requirement: str, name: str) -> None:
    assert required_name(requirement) == name
