"""A search kept to the values that the user allows."""

import pytest
from tests.catalogue.test_own import service

from servelab import catalogue
from servelab.errors import UnknownName, UsageError
from servelab.model.deployment import Interface
from servelab.model.tuning import StackVariant
from servelab.model.variant import Axis
from servelab.tuning.space import start


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


@pytest.mark.parametrize("setting", ["preload", "reuse_port"])
def test_a_switch_may_be_kept_off_where_a_variant_does_not_search_it(setting: str) -> None:
    found = {way.stack: way for way in ways(f"gunicorn:{setting}=off")}
    assert set(found) == {"gunicorn-sync", "gunicorn-gthread", "gunicorn-gevent"}
    for way in found.values():
        (axis,) = (each for each in way.variant.axes if each.setting == setting)
        assert (axis.values, axis.start) == ((None,), None)


def test_what_a_search_leaves_out_can_be_off() -> None:
    assert axes("granian:blocking_threads=off/4")["blocking_threads"].values == (4, None)
    (found,) = catalogue.find_own_deployments(
        "granian:blocking_threads=off", service=service(), cpu_count=2
    )
    assert "blocking_threads" not in found.name


def test_nothing_else_can_be_off() -> None:
    with pytest.raises(UsageError, match="threads is a whole number"):
        ways("gunicorn-gthread:threads=off")


def test_the_values_of_an_axis_keep_its_order() -> None:
    assert axes("gunicorn-gthread:preload=on/off")["preload"].values == (None, "on")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("gunicorn:threads=8", ["gunicorn-gthread"]),
        ("gunicorn:preload=on", ["gunicorn-sync", "gunicorn-gthread"]),
        ("gunicorn:worker_class=sync/gevent", ["gunicorn-sync", "gunicorn-gevent"]),
        ("uwsgi:async_cores=10/100", ["uwsgi-gevent"]),
        ("uwsgi:threads=4", ["uwsgi-threads"]),
        ("uwsgi-processes:threads=4", ["uwsgi-processes"]),
    ],
)
def test_a_variant_that_cannot_have_a_value_or_would_be_another_is_left_out(
    text: str, left: list[str]
) -> None:
    assert [way.stack for way in ways(text)] == left


def test_where_no_variant_can_have_a_value_that_is_refused_with_the_reason() -> None:
    asked = service(Interface.ASGI)
    for select in (
        lambda text: catalogue.own_ways(asked, only=(text,), cpu_count=2),
        lambda text: catalogue.find_own_deployments(text, service=asked, cpu_count=2),
    ):
        with pytest.raises(UsageError, match="worker_class=asgi has no threads"):
            select("gunicorn:threads=4")
        with pytest.raises(UsageError, match="processes is a whole number from 1 to 512"):
            select("gunicorn:processes=0")


@pytest.mark.parametrize(
    "text",
    [
        "gunicorn",
        "gunicorn:threads=8",
        "gunicorn:processes=1/2/4,preload=off",
        "gunicorn-gthread:threads=2/4+nginx",
        "uwsgi:lazy_apps=off",
        "uwsgi-threads:lazy_apps=off/on",
    ],
)
def test_one_text_selects_the_same_to_try_and_to_search(text: str) -> None:
    tried = catalogue.find_own_deployments(text, service=service(), cpu_count=2)
    found = ways(text)
    assert list(dict.fromkeys((each.stack, each.front) for each in tried)) == [
        (way.stack, way.front) for way in found
    ]
    for way in found:
        begun = catalogue.own_deployment(start(way), service=service(), cpu_count=2)
        assert begun.name in {each.name for each in tried}


def test_a_search_is_run_on_one_interpreter() -> None:
    with pytest.raises(UsageError, match=r"one interpreter; give it with --python 3\.13"):
        ways("waitress@3.13")


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
