"""The ways to run each server: settings that it takes, and that go together."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servelab import catalogue
from servelab.catalogue.settings import convert_settings
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.variant import Value, Variant

WITH_FOLKLORE = ["granian", "gunicorn", "hypercorn", "uvicorn", "uwsgi"]


def framework(interface: Interface, name: str = "flask") -> catalogue.Framework:
    return catalogue.Framework(
        name=name, summary=name.title(), interface=interface, requirements=(), directory=Path()
    )


def ways(cpu_count: int = 2) -> Iterator[tuple[catalogue.Server[Any], Interface, Variant]]:
    for server in catalogue.servers():
        for interface in Interface:
            if interface in server.interfaces:
                for variant in server.variants(interface, cpu_count):
                    yield server, interface, variant


def combinations(variant: Variant) -> list[dict[str, Value]]:
    names = [axis.setting for axis in variant.axes]
    values = itertools.product(*(axis.values for axis in variant.axes))
    return [{**dict(variant.fixed), **dict(zip(names, each, strict=True))} for each in values]


def settings(server: catalogue.Server[Any], values: dict[str, Value]) -> ServerSettings:
    known: catalogue.Server[ServerSettings] = server
    return convert_settings(known, values, of=server.name)


@pytest.mark.parametrize("cpu_count", [1, 2, 12, 600])
def test_a_search_starts_at_one_of_the_values_and_all_of_them_are_taken(cpu_count: int) -> None:
    for server, _, variant in ways(cpu_count):
        for axis in variant.axes:
            assert axis.start in axis.values
            assert len(set(axis.values)) == len(axis.values)
            for value in axis.values:
                settings(server, {**dict(variant.fixed), axis.setting: value})


def test_nothing_that_a_search_may_combine_is_refused() -> None:
    for server, interface, variant in ways():
        of = framework(interface, "django" if server.name == "django_devserver" else "flask")
        for values in combinations(variant):
            assert server.objection(settings(server, values), of) is None


def test_two_settings_that_a_search_may_compare_have_two_headings() -> None:
    for server, _, variant in ways():
        chosen = [settings(server, values) for values in combinations(variant)]
        assert len({server.heading(each) for each in chosen}) == len(chosen)


def test_variants_of_a_server_have_names_of_their_own() -> None:
    for server in catalogue.servers():
        for interface in server.interfaces:
            names = [variant.name for variant in server.variants(interface, 2)]
            assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", WITH_FOLKLORE)
def test_the_folklore_is_among_what_is_tried(name: str) -> None:
    for server, _, variant in ways(cpu_count=4):
        if server.name == name:
            (axis,) = (each for each in variant.axes if each.setting == "processes")
            assert 2 * 4 + 1 in axis.values
            assert axis.start == 4


@pytest.mark.parametrize(
    ("server", "interface", "names"),
    [
        ("gunicorn", Interface.WSGI, ["sync", "gthread", "gevent"]),
        ("gunicorn", Interface.ASGI, ["asgi", "uvicorn"]),
        ("uwsgi", Interface.WSGI, ["processes", "threads", "gevent"]),
        ("uvicorn", Interface.ASGI, ["", "plain"]),
        ("granian", Interface.ASGI, [""]),
        ("hypercorn", Interface.ASGI, ["asyncio", "uvloop"]),
    ],
)
def test_the_ways_to_run_a_server(server: str, interface: Interface, names: list[str]) -> None:
    assert [each.name for each in catalogue.server(server).variants(interface, 2)] == names


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"worker_class": "gevent", "preload": "on"}, "gevent patches after preload has imported"),
        ({"worker_class": "sync", "worker_connections": 9}, "sync has no worker_connections"),
        ({"worker_class": "gevent", "threads": 2}, "gevent has no threads"),
        ({"worker_class": "asgi"}, "worker_class=asgi cannot serve Flask"),
    ],
)
def test_gunicorn_refuses_what_it_would_ignore_or_do_too_late(
    values: dict[str, Value], sentence: str
) -> None:
    gunicorn = catalogue.server("gunicorn")
    objection = gunicorn.objection(settings(gunicorn, values), framework(Interface.WSGI))
    assert sentence in (objection or "")


@pytest.mark.parametrize(
    ("name", "summary", "words"),
    [("django", "Django", "this is Django"), ("", "", "of no framework that is known")],
)
def test_flasks_development_server_is_for_flask_alone(name: str, summary: str, words: str) -> None:
    server = catalogue.server("devserver")
    other = catalogue.Framework(
        name=name, summary=summary, interface=Interface.WSGI, requirements=(), directory=Path()
    )
    assert words in (server.objection(server.settings(), other) or "")
    assert server.objection(server.settings(), framework(Interface.WSGI)) is None
    assert server.is_for_development
