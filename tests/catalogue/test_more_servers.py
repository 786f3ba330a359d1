"""How granian, hypercorn, waitress, cheroot and Django's development server are told things."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.catalogue.test_own import service

from servelab import catalogue
from servelab.catalogue.server import LOOPBACK_DEPARTURE
from servelab.catalogue.settings import convert_settings
from servelab.model.address import Address
from servelab.model.deployment import Interface

ADDRESS = Address("127.0.0.1", 3000)
SOCKET = Path("/run/shop/shop.sock")
FRAMEWORKS = {Interface.WSGI: "flask", Interface.ASGI: "fastapi"}


def request(name: str, **given: Any) -> catalogue.LaunchRequest[Any]:
    """Return a request for an application of the user's."""
    server = catalogue.server(name)
    interface = given.pop("interface", min(server.interfaces, key=lambda each: each.value))
    settings = convert_settings(server, given.pop("settings", {}), of=name)
    return catalogue.LaunchRequest(
        **{
            "settings": settings,
            "application": "shop.web:make",
            "framework": catalogue.framework(FRAMEWORKS[interface]),
            "address": ADDRESS,
            "longest_drain_s": 60.0,
            "cpu_count": 2,
            "listen_limit": 4096,
            "packages": (),
            "is_own": True,
            **given,
        }
    )


def words(name: str, **given: Any) -> str:
    return str(catalogue.server(name).command(request(name, **given)))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("granian", "--factory shop.web:make"),
        ("hypercorn", "'asgi:shop.web:make()'"),
        ("waitress", "--call shop.web:make"),
    ],
)
def test_a_factory_is_called_by_the_server(name: str, told: str) -> None:
    assert catalogue.server(name).naming is catalogue.Naming.FACTORY
    assert words(name, is_factory=True).endswith(f" {told}")
    assert told not in words(name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("granian", f"--uds {SOCKET}"),
        ("hypercorn", f"--bind unix:{SOCKET}"),
        ("waitress", f"--unix-socket={SOCKET}"),
        ("cheroot", f"--bind {SOCKET}"),
    ],
)
def test_a_unix_socket_takes_the_place_of_the_address(name: str, told: str) -> None:
    assert catalogue.server(name).takes_unix_sockets
    command = catalogue.server(name).command(request(name, unix_socket=SOCKET))
    assert told in str(command)
    assert "3000" not in str(command)
    assert LOOPBACK_DEPARTURE not in command.departures


def test_granian_is_told_the_interface_of_the_application() -> None:
    for interface in Interface.WSGI, Interface.ASGI:
        assert f"--interface {interface.value} " in words("granian", interface=interface)


def test_granian_is_only_told_the_threads_that_were_asked_for() -> None:
    assert "threads" not in words("granian")
    told = {"blocking_threads": 8, "runtime_threads": 2, "runtime_mode": "st", "processes": 3}
    assert (
        "--workers 3 --blocking-threads 8 --runtime-threads 2 --runtime-mode st shop.web:make"
    ) in words("granian", interface=Interface.WSGI, settings=told)


def test_granian_has_blocking_threads_on_wsgi_only() -> None:
    granian = catalogue.server("granian")
    settings = convert_settings(granian, {"blocking_threads": 2}, of="granian")
    assert granian.objection(settings, catalogue.framework("flask")) is None
    objection = granian.objection(settings, catalogue.framework("fastapi"))
    assert "one event loop in each process" in (objection or "")


@pytest.mark.parametrize(
    ("settings", "heading"),
    [
        ({"processes": 4}, "4 processes"),
        ({"blocking_threads": 1}, "1 process * 1 blocking thread"),
        ({"runtime_threads": 2, "runtime_mode": "mt"}, "1 process * 2 runtime threads, mt"),
    ],
)
def test_granians_threads_are_said_by_their_kind(settings: dict[str, Any], heading: str) -> None:
    granian = catalogue.server("granian")
    assert granian.heading(convert_settings(granian, settings, of="granian")) == heading


def test_hypercorn_is_told_the_interface_of_an_application_that_is_the_users() -> None:
    assert words("hypercorn").endswith(" asgi:shop.web:make")
    assert words("hypercorn", is_own=False).endswith(" shop.web:make")


def test_hypercorn_needs_uvloop_only_where_that_is_its_event_loop() -> None:
    needed = {
        each.stack: (
            [text.partition("==")[0] for text in of.requirements_for(each.settings)],
            catalogue.to_install(each, packages={"hypercorn": "0.17.3", "uvloop": "0.21.0"}),
        )
        for of in [catalogue.server("hypercorn")]
        if of.requirements_for is not None
        for each in catalogue.find_own_deployments(
            "hypercorn", service=service(Interface.ASGI), cpu_count=2
        )
    }
    assert needed == {
        "hypercorn-asyncio": (["hypercorn"], ("hypercorn==0.17.3",)),
        "hypercorn-uvloop": (["hypercorn", "uvloop"], ("hypercorn==0.17.3", "uvloop==0.21.0")),
    }


def test_hypercorns_file_says_what_its_command_says() -> None:
    asked = request("hypercorn", settings={"processes": 3, "worker_class": "uvloop"})
    hypercorn = catalogue.server("hypercorn")
    assert hypercorn.configuration is not None
    file = hypercorn.configuration(asked)
    assert tomllib.loads(file.text) == {
        "bind": "127.0.0.1:3000",
        "workers": 3,
        "worker_class": "uvloop",
        "backlog": 1024,
    }
    assert str(file.command) == f"hypercorn --config {file.name} asgi:shop.web:make"


def test_hypercorns_file_holds_any_path_of_a_socket() -> None:
    hypercorn = catalogue.server("hypercorn")
    assert hypercorn.configuration is not None
    odd = Path('/run/"shop"\\ä%d\U0001f600.sock')
    file = hypercorn.configuration(request("hypercorn", unix_socket=odd))
    assert tomllib.loads(file.text)["bind"] == f"unix:{odd}"


@pytest.mark.parametrize("name", ["hypercorn", "cheroot"])
def test_a_backlog_that_is_too_short_by_default_is_like_the_others_within_the_kernels_limit(
    name: str,
) -> None:
    assert " 1024 " in words(name)
    assert " 128 " in words(name, listen_limit=128)


def test_djangos_server_runs_the_project_and_nothing_but_django() -> None:
    server = catalogue.server("django_devserver")
    assert server.is_for_development
    assert words("django_devserver") == "python manage.py runserver --noreload 127.0.0.1:3000"
    without = words("django_devserver", settings={"threading": "without"})
    assert without == "python manage.py runserver --noreload --nothreading 127.0.0.1:3000"
    django = msgspec.structs.replace(catalogue.framework("flask"), name="django")
    settings = request("django_devserver").settings
    assert server.objection(settings, django) is None
    assert server.objection(settings, catalogue.framework("flask")) is not None


def test_djangos_server_is_built_without_django_which_is_the_users() -> None:
    spec = catalogue.environment_spec("django_devserver")
    assert not any("django" in each.lower() for each in spec.requirements)


def test_granian_may_keep_its_own_number_of_blocking_threads_in_a_search() -> None:
    (variant,) = catalogue.server("granian").variants(Interface.WSGI, 2)
    (threads,) = (axis for axis in variant.axes if axis.setting == "blocking_threads")
    assert threads.start is None
    assert threads.values[-1] is None
