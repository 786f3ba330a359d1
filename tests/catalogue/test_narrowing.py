"""A search kept to the values that the user allows."""

import pytest
from tests.catalogue.test_own import service

from servelab import catalogue
from servelab.errors import UnknownName, UsageError
from servelab.model.tuning import StackVariant
from servelab.model.variant import Axis


def ways(*only: str) -> tuple[StackVariant, ...]:
    return catalogue.own_ways(service(), only=only, cpu_count=2)


def axes(text: str) -> dict[str, Axis]:
    (way,) = ways(text)
    return {axis.setting: axis for axis in way.variant.axes}


def test_an_axis_holds_what_is_allowed_from_little_to_much_and_each_once() -> None:
    assert axes("gunicorn-gthread:processes=4/1/2/4")["processes"].values == (1, 2, 4)


def test_a_search_begins_where_it_would_or_as_near_as_is_allowed() -> None:
    whole = axes("gunicorn-gthread")
    assert whole["processes"].start == 2
    assert whole["threads"].start == 8
    narrowed = axes("gunicorn-gthread:processes=1/2/4,threads=4/64")
    assert (narrowed["processes"].start, narrowed["threads"].start) == (2, 4)


def test_what_is_not_named_is_searched_as_ever() -> None:
    assert axes("gunicorn-gthread:processes=3")["threads"] == axes("gunicorn-gthread")["threads"]


def test_what_is_no_axis_becomes_one() -> None:
    assert "worker_connections" not in axes("gunicorn-gevent")
    narrowed = axes("gunicorn-gevent:worker_connections=2000/1000")
    assert narrowed["worker_connections"].values == (1000, 2000)


def test_values_that_do_not_go_with_the_rest_are_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="has no threads"):
        ways("gunicorn-gevent:threads=4")


def test_a_switch_may_be_kept_off() -> None:
    assert axes("gunicorn-gthread:preload=off")["preload"].values == (None,)
    assert axes("gunicorn-gthread:preload=on")["preload"].start == "on"


def test_all_variants_of_a_server_are_narrowed() -> None:
    found = ways("uwsgi:processes=1/3")
    assert len(found) > 1
    for way in found:
        assert {axis.setting: axis.values for axis in way.variant.axes}["processes"] == (1, 3)


@pytest.mark.parametrize(
    "text",
    [
        "gunicorn-gthread:processes=",
        "gunicorn-gthread:processes=0",
        "gunicorn-gthread:processes=2/",
        "gunicorn-gthread:processes=many",
        "gunicorn-gthread:worker_class=sync",
    ],
)
def test_what_a_setting_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        ways(text)


def test_an_unknown_setting_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UnknownName, match="threads"):
        ways("gunicorn-gthread:thread=4")
