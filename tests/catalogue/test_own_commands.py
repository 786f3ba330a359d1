"""The commands and files for an application of the user's."""

import ast
import configparser
import shlex
from pathlib import Path
from typing import Any

import pytest

from servelab import catalogue
from servelab.catalogue.options import Option, as_arguments, as_ini, as_python
from servelab.catalogue.settings import convert_settings
from servelab.model.address import Address
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.launch import ConfigurationFile

SOCKET = Path("/run/a%d.socket")


def request(
    server: str,
    *,
    interface: Interface = Interface.WSGI,
    is_factory: bool = False,
    arguments: str = "",
    unix_socket: Path | None = None,
    application: str = "shop.site:app",
    **values: Any,
) -> catalogue.LaunchRequest[Any]:
    of: catalogue.Server[ServerSettings] = catalogue.server(server)
    return catalogue.LaunchRequest(
        settings=convert_settings(of, values, of=server),
        application=application,
        framework=catalogue.Framework(
            name="flask", summary="Flask", interface=interface, requirements=(), directory=Path()
        ),
        address=Address("127.0.0.1", 3000),
        longest_drain_s=60,
        cpu_count=2,
        listen_limit=4096,
        packages=(),
        is_own=True,
        is_factory=is_factory,
        arguments=arguments,
        unix_socket=unix_socket,
    )


def command(server: str, **of: Any) -> str:
    asked = request(server, **of)
    return str(catalogue.server(server).command(asked))


def configuration(server: str, **of: Any) -> ConfigurationFile:
    made = catalogue.server(server).configuration
    assert made is not None
    return made(request(server, **of))


def assignments(text: str) -> dict[str, Any]:
    """Return what lines such as ``workers = 2`` assign."""
    lines = (line.partition(" = ") for line in text.splitlines() if not line.startswith("#"))
    return {name: ast.literal_eval(value) for name, _, value in lines}


def test_gunicorn_reads_no_settings_but_those_that_are_shown() -> None:
    assert command("gunicorn", worker_class="gthread", processes=2, threads=8, preload="on") == (
        "gunicorn --config /dev/null --worker-class gthread --workers 2 --threads 8 --preload "
        "--bind 127.0.0.1:3000 --timeout 61 --no-control-socket shop.site:app"
    )


def test_gunicorns_file_says_what_its_command_says() -> None:
    file = configuration("gunicorn", processes=2, threads=8, preload="on", is_factory=True)
    assert file.name == "gunicorn.conf.py"
    assert str(file.command) == "gunicorn --config gunicorn.conf.py"
    assert assignments(file.text) == {
        "wsgi_app": "shop.site:app()",
        "workers": 2,
        "threads": 8,
        "preload_app": True,
        "bind": "127.0.0.1:3000",
        "timeout": 61,
        "control_socket_disable": True,
    }


def test_gunicorn_does_not_share_a_unix_socket_that_each_worker_would_remove() -> None:
    assert "--reuse-port" in command("gunicorn", threads=2, reuse_port="on")
    on_socket = command("gunicorn", threads=2, reuse_port="on", unix_socket=SOCKET)
    assert "--reuse-port" not in on_socket
    assert f"--bind unix:{SOCKET} " in on_socket


def test_uwsgi_patches_before_it_imports_an_application_that_does_not_patch_itself() -> None:
    assert command("uwsgi", processes=2, async_cores=100, lazy_apps="on", is_factory=True) == (
        "uwsgi --master --single-interpreter --need-app --enable-threads --buffer-size 32768 "
        "--lazy-apps --workers 2 --gevent 100 --gevent-early-monkey-patch --protocol http "
        "--socket 127.0.0.1:3000 --module 'shop.site:app()' --die-on-term --listen 1024 "
        "--disable-logging --add-header 'Connection: close'"
    )
    assert "patch" not in command("uwsgi", processes=2, threads=8)


def test_uwsgi_is_given_a_program_where_a_factory_has_arguments() -> None:
    told = command("uwsgi", processes=2, is_factory=True, arguments="'shop', debug=True")
    assert """--eval "from shop.site import app; application = app('shop', debug=True)" """ in told
    assert "--module" not in told


def test_uwsgis_file_says_what_its_command_says() -> None:
    of: dict[str, Any] = {"processes": 2, "threads": 8, "unix_socket": SOCKET}
    file = configuration("uwsgi", **of)
    assert str(file.command) == "uwsgi --ini uwsgi.ini"
    read = configparser.ConfigParser()
    read.read_string(file.text)
    words = ["uwsgi"]
    for name, value in read["uwsgi"].items():
        words += [f"--{name}"] if value == "true" else [f"--{name}", value]
    assert words == shlex.split(command("uwsgi", **of))


def test_uvicorn_shows_only_what_is_set() -> None:
    asgi = Interface.ASGI
    assert command("uvicorn", interface=asgi, processes=2) == (
        "uvicorn --host 127.0.0.1 --port 3000 --workers 2 --no-access-log shop.site:app"
    )
    settings: dict[str, Any] = {"processes": 2, "loop": "asyncio", "http": "h11"}
    assert command("uvicorn", interface=asgi, is_factory=True, unix_socket=SOCKET, **settings) == (
        f"uvicorn --uds {SOCKET} --workers 2 --loop asyncio --http h11 "
        "--no-access-log --factory shop.site:app"
    )


def test_pywsgi_is_started_by_a_script_that_needs_no_path_of_ours() -> None:
    script = catalogue.served_path() / "serve_pywsgi.py"
    assert command("gevent_pywsgi", is_factory=True, unix_socket=SOCKET) == (
        f"python {script} --bind unix:{SOCKET} --factory shop.site:app"
    )
    file = configuration("gevent_pywsgi")
    assert str(file.command) == "python serve_pywsgi.py --bind 127.0.0.1:3000 shop.site:app"
    assert file.text == script.read_text()


@pytest.mark.parametrize(
    ("application", "is_factory", "variable"),
    [("app:app", False, "app:app"), ("shop:create_app", True, "'shop:create_app()'")],
)
def test_flasks_development_server_is_always_told_the_users_application(
    application: str, *, is_factory: bool, variable: str
) -> None:
    shown = command("devserver", application=application, is_factory=is_factory)
    assert shown.startswith(f"FLASK_APP={variable} flask run ")


def test_a_departure_explains_what_an_application_of_the_users_adds() -> None:
    for server, word in (("gunicorn", "--config /dev/null:"), ("uvicorn", "--no-access-log:")):
        interface = Interface.ASGI if server == "uvicorn" else Interface.WSGI
        made = catalogue.server(server).command(request(server, interface=interface))
        assert any(each.startswith(word) for each in made.departures)


def test_options_are_written_once_for_every_form() -> None:
    options = (
        Option("--workers", "workers", 4),
        Option("--threads", "threads", None),
        Option("--preload", "preload_app", value=True),
        Option("--reuse-port", "reuse_port", value=False),
        Option("--bind", "bind", 'unix:/a "b"%d'),
    )
    assert as_arguments(options) == ("--workers", "4", "--preload", "--bind", 'unix:/a "b"%d')
    assert as_python(options) == 'workers = 4\npreload_app = True\nbind = "unix:/a \\"b\\"%d"\n'
    assert as_ini(options, section="uwsgi") == (
        '[uwsgi]\nworkers = 4\npreload_app = true\nbind = unix:/a "b"%%d\n'
    )
