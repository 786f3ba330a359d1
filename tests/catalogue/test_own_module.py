"""Servers that cannot be told of an application are served a module that names it."""

import ast
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.report.own_runs import SERVICE, deployment

from servelab import catalogue
from servelab.model.address import Address
from servelab.model.deployment import Interface
from servelab.model.launch import LaunchCommand

FACTORY: dict[str, Any] = {"application": "shop.site:make", "is_factory": True}
FORMS: dict[str, dict[str, Any]] = {
    "name": {"application": "shop.site:app"},
    "dots": {"application": "shop.site:api.app"},
    "factory": FACTORY,
    "arguments": {**FACTORY, "arguments": "'it', debug=True"},
    "chain": {**FACTORY, "arguments": "'it'", "further": ".app()"},
}
TAKES = {
    "gunicorn": {"name", "factory", "arguments"},
    "uwsgi": {"name", "factory", "arguments"},
    "devserver": {"name", "factory", "arguments"},
    "uvicorn": {"name", "dots", "factory"},
    "granian": {"name", "dots", "factory"},
    "hypercorn": {"name", "dots", "factory"},
    "waitress": {"name", "dots", "factory"},
    "gevent_pywsgi": {"name", "dots", "factory"},
    "cheroot": {"name"},
}
"""By its own command."""
IN_MODULE = "servelab_application:application"


def told(server: str, form: str, *, folder: str = "/m", **of: Any) -> LaunchCommand:
    interface = Interface.ASGI if server in {"uvicorn", "hypercorn"} else Interface.WSGI
    service = msgspec.structs.replace(SERVICE, interface=interface, **FORMS[form], **of)
    found = catalogue.find_own_deployments(server, service=service, cpu_count=2)
    return catalogue.launch_command(
        found[0],
        service=service,
        address=Address("127.0.0.1", 3000),
        longest_drain_s=60,
        cpu_count=2,
        module_folder=Path(folder),
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("server", TAKES)
def test_a_server_is_told_itself_what_it_can_be_told_and_a_module_else(
    server: str, form: str
) -> None:
    command = told(server, form)
    assert (IN_MODULE in str(command)) is (form not in TAKES[server])
    assert command.module_folder == ("" if form in TAKES[server] else "/m")
    assert any(IN_MODULE in each for each in command.departures) is bool(command.module_folder)
    if form not in TAKES[server]:
        assert not {"--factory", "--call"} & set(command.argv)
        assert "make" not in str(command)


@pytest.mark.parametrize(
    ("form", "lines"),
    [
        ("dots", ["from shop.site import api", "application = api.app"]),
        ("factory", ["from shop.site import make", "application = make()"]),
        (
            "arguments",
            ["from shop.site import make", "application = make('it', debug=True)"],
        ),
        ("chain", ["from shop.site import make", "application = make('it').app()"]),
    ],
)
def test_the_module_imports_and_calls_what_was_named(form: str, lines: list[str]) -> None:
    service = msgspec.structs.replace(SERVICE, **FORMS[form])
    module = catalogue.own_module(deployment("cheroot", service=service), service=service)
    assert module is not None
    assert module.name == "servelab_application.py"
    written = [ast.unparse(each) for each in ast.parse(module.text).body[1:]]
    assert written == lines


def test_the_modules_folder_goes_after_a_path_that_the_application_is_given() -> None:
    with_path: dict[str, Any] = {"variables": (("PYTHONPATH", "src"),)}
    assert str(told("cheroot", "factory", folder="/a b")).startswith("PYTHONPATH='/a b' python ")
    assert str(told("cheroot", "factory", **with_path)).startswith("PYTHONPATH=$PYTHONPATH:/m ")
    assert "PYTHONPATH" not in str(told("cheroot", "name", **with_path))


def test_a_file_of_settings_names_the_module_too() -> None:
    service = msgspec.structs.replace(SERVICE, **FORMS["chain"])
    file = catalogue.configuration_file(
        deployment("gunicorn-sync", service=service),
        service=service,
        address=Address("127.0.0.1", 3000),
        longest_drain_s=60,
        cpu_count=2,
        module_folder=Path("/m"),
    )
    assert file is not None
    assert f'wsgi_app = "{IN_MODULE}"\n' in file.text
    assert str(file.command) == "PYTHONPATH=/m gunicorn --config gunicorn.conf.py"


@pytest.mark.parametrize("form", FORMS)
def test_djangos_server_which_is_told_nothing_is_left_out_of_factories_with_the_reason(
    form: str,
) -> None:
    service = msgspec.structs.replace(SERVICE, framework="django", **FORMS[form])
    served = {each.server for each in catalogue.own_deployments(service, cpu_count=2)}
    obstacles = catalogue.own_obstacles(service)
    assert ("django_devserver" in served) is (not service.is_factory)
    if service.is_factory:
        ((said, names),) = obstacles.items()
        assert names == ("django_devserver",)
        assert said == (
            "finds an application by itself, and cannot be told of a factory; name one that is "
            "ready instead of shop.site:app."
        )
    else:
        assert not obstacles


def test_a_server_that_would_refuse_the_framework_anyway_is_not_worth_a_sentence() -> None:
    service = msgspec.structs.replace(SERVICE, framework="bottle", **FORMS["chain"])
    assert not catalogue.own_obstacles(service)
    served = {each.server for each in catalogue.own_deployments(service, cpu_count=2)}
    assert served == {"gunicorn", "uwsgi", "granian", "waitress", "cheroot", "gevent_pywsgi"}


def test_programs_that_listen_by_themselves_need_no_module() -> None:
    service = msgspec.structs.replace(SERVICE, application="")
    assert catalogue.own_module(deployment("cheroot"), service=service) is None
