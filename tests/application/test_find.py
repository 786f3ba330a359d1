"""Real applications, real processes."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from servelab.application import find
from servelab.errors import CannotRunHere, UsageError
from servelab.launch.server import launched
from servelab.model.application import FoundApplication
from servelab.model.deployment import Interface

pytestmark = pytest.mark.live

PLAIN = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"""


WRAPPED_FLASK = """
import flask
from werkzeug.middleware.proxy_fix import ProxyFix
app = ProxyFix(flask.Flask(__name__).wsgi_app)
"""
WRAPPED_STARLETTE = """
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
app = CORSMiddleware(Starlette())
"""


def found(
    text: str, *, directory: Path, interpreter: Path = Path(sys.executable), **given: Any
) -> FoundApplication:
    options: dict[str, Any] = {"variables": {}, "log": directory.parent / "asked.log", **given}
    if interpreter != Path(sys.executable):  # a bytecode folder, or each test compiles anew
        prefix = str(interpreter.parents[2] / "bytecode")
        options["variables"] = {"PYTHONPYCACHEPREFIX": prefix, **options["variables"]}
    return find(text, interpreter=interpreter, directory=directory, launch=launched, **options)


def write(directory: Path, **modules: str) -> Path:
    for name, text in modules.items():
        file = directory.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return directory


@pytest.mark.parametrize(
    ("framework", "text", "interface"),
    [
        ("flask", "import flask\napp = flask.Flask(__name__)", Interface.WSGI),
        (
            "flask",
            WRAPPED_FLASK,
            Interface.WSGI,
        ),
        ("fastapi", "import fastapi\napp = fastapi.FastAPI()", Interface.ASGI),
        (
            "starlette",
            WRAPPED_STARLETTE,
            Interface.ASGI,
        ),
        ("falcon", "import falcon\napp = falcon.App()", Interface.WSGI),
        ("falcon", "import falcon.asgi\napp = falcon.asgi.App()", Interface.ASGI),
        ("bottle", "import bottle\napp = bottle.default_app()", Interface.WSGI),
        ("quart", "import quart\napp = quart.Quart(__name__)", Interface.ASGI),
        ("litestar", "import litestar\napp = litestar.Litestar([])", Interface.ASGI),
    ],
)
def test_each_framework_is_found_with_its_version(
    tmp_path: Path, user_environment: Path, framework: str, text: str, interface: Interface
) -> None:
    project = write(tmp_path / "project", web=text)
    python = user_environment / "bin" / "python"
    application = found("web:app", directory=project, interpreter=python)
    assert (application.framework, application.interface) == (framework, interface)
    assert application.framework_version[0].isdigit()
    assert (application.target, application.is_factory) == ("web:app", False)


def test_a_module_alone_gives_its_application_or_its_factory(tmp_path: Path) -> None:
    project = write(tmp_path / "project", web=PLAIN, factory=FACTORIES)
    before = set(project.rglob("*"))
    assert found("web", directory=project).called == "web:app"
    assert found("factory", directory=project).called == "factory:create_app()"
    assert set(project.rglob("*")) == before


def test_a_django_project_is_found_by_each_of_its_modules(
    tmp_path: Path, user_environment: Path
) -> None:
    program = user_environment / "bin" / "django-admin"
    subprocess.run([program, "startproject", "shop", tmp_path], check=True)
    python = user_environment / "bin" / "python"
    wsgi = found("shop.wsgi", directory=tmp_path, interpreter=python)
    assert (wsgi.target, wsgi.interface) == ("shop.wsgi:application", Interface.WSGI)
    asgi = found("shop.asgi:application", directory=tmp_path, interpreter=python)
    assert (asgi.framework, asgi.interface) == ("django", Interface.ASGI)
    with pytest.raises(UsageError, match=r"try shop\.wsgi or shop\.asgi\."):
        found("shop", directory=tmp_path, interpreter=python)


FACTORIES = f"""{PLAIN}
class Site:
    web = staticmethod(app)
site = Site()
del app
def create_app(name="dev", *, debug=False):
    print("something on standard output")
    assert (name, debug) in {{("dev", False), ("test", True)}}
    return site.web
"""


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("web:create_app", "web:create_app()"),
        ("web:create_app()", "web:create_app()"),
        ("web:create_app('test', debug=True)", "web:create_app('test', debug=True)"),
        ("web:site.web", "web:site.web"),
    ],
)
def test_factories_and_dotted_names_are_found(tmp_path: Path, text: str, called: str) -> None:
    project = write(tmp_path / "project", web=FACTORIES)
    application = found(text, directory=project)
    assert (application.called, application.is_factory) == (called, "create_app" in text)
    assert application.interface is Interface.WSGI


SHOPS = """
class Shop:
    def __init__(self, stage):
        self.stage = stage

    def app(self, *, debug=False):
        return Made()

    def broken(self):
        raise KeyError("DB")

    @property
    def raising(self):
        return self.nothing


class Made:
    def __init__(self):
        def wsgi(environ, start_response): ...
        self.wsgi = wsgi


make = Shop
"""


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("web:Shop('it').app().wsgi", "web:Shop('it').app().wsgi"),
        (
            'web:Shop(stage = "it").app(debug=True).wsgi',
            "web:Shop(stage='it').app(debug=True).wsgi",
        ),
    ],
)
def test_what_a_call_leads_to_is_found(tmp_path: Path, text: str, called: str) -> None:
    project = write(tmp_path / "project", web=SHOPS)
    application = found(text, directory=project)
    assert (application.called, application.is_factory) == (called, True)
    assert application.interface is Interface.WSGI


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "web:Shop(1)",
            r"web:Shop\(1\) is no .*; its app\(\) may make one: name web:Shop\(1\)\.app\(\)",
        ),
        (
            "web:Shop(1).app",
            r"web:Shop\(1\)\.app is no application.*; try web:Shop\(1\)\.app\(\)\.",
        ),
        (
            "web:Shop(1).app()",
            r"web:Shop\(1\)\.app\(\) is no .*; try web:Shop\(1\)\.app\(\)\.wsgi\.",
        ),
        ("web:Shop(1).ap()", r"web:Shop\(1\) has no ap: it is of type Shop; "),
        ("web:Shop(1).app().ap", r"has no ap: it is of type Made; try web:.*\.app\(\)\.wsgi\."),
        ("web:Shop(1).stage()", r"web:Shop\(1\)\.stage cannot be called: it is of type int; leave"),
        ("web:Shop(1).app(2)", r"web:Shop\(1\)\.app cannot be called \(2\): too many positional"),
        ("web:Shop().app()", r"web:Shop cannot be called without arguments: missing .*'stage'"),
    ],
)
def test_where_a_chain_breaks_is_said_with_what_it_led_to(
    tmp_path: Path, text: str, said: str
) -> None:
    project = write(tmp_path / "project", web=SHOPS)
    with pytest.raises(UsageError, match=said):
        found(text, directory=project)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web:Shop(1).broken()", r"Calling web:Shop\(1\)\.broken\(\) raises KeyError: 'DB'"),
        ("web:Shop(1).raising.app", "raises AttributeError: 'Shop' object has no .* 'nothing'"),
    ],
)
def test_what_a_chain_raises_is_said_with_its_lines(tmp_path: Path, text: str, said: str) -> None:
    project = write(tmp_path / "project", web=SHOPS)
    with pytest.raises(CannotRunHere, match=said):
        found(text, directory=project)


@pytest.mark.parametrize(
    ("text", "module", "said"),
    [
        ("web:app", "import no_such_library", "web imports no_such_library, which is not in the"),
        ("web:app", "def f(:", "web cannot be imported: invalid syntax"),
        ("web:app", "import sys; sys.exit(3)", r"ends the process with sys.exit \(3\)"),
        ("web:app", "import os; os._exit(4)", r"ended its process \(exit code 4\)"),
        ("web:app", "import os, signal; os.kill(os.getpid(), 9)", "signal SIGKILL"),
        ("web:app", "1 / 0", "raises ZeroDivisionError: division by zero(.|\n)*line 1"),
        ("web:create_app", "def create_app():\n    raise KeyError('DB')", "KeyError: 'DB'"),
        ("web:app", "import time; time.sleep(600)", r"within 6 s(.|\n)*web\.py"),
    ],
)
def test_what_cannot_be_imported_is_said_in_a_sentence(
    tmp_path: Path, text: str, module: str, said: str
) -> None:
    project = write(tmp_path / "project", web=module)
    limit_s = 6 if "sleep" in module else 60
    with pytest.raises(CannotRunHere, match=said):
        found(text, directory=project, limit_s=limit_s)


@pytest.mark.parametrize(
    ("text", "module", "said"),
    [
        ("webb:app", PLAIN, "There is no module webb in"),
        ("web:ap", PLAIN, r"web has no ap; try web:app\."),
        ("web", "x = 3", "web has no app, application, create_app or make_app"),
        ("web:app.x", PLAIN, r"web has no app\.x \(x is missing\)"),
        ("web:app", "app = 'text'", "no application for WSGI or ASGI: it is of type str"),
        ("web:app()", "app = 'text'", "leave the \\(\\) out"),
        ("web:create_app", "def create_app(config): ...", "without arguments: it needs config"),
        ("web:create_app", "def create_app(a, b): ...", "it needs a, b"),
        ("web:create_app(1, 2)", "def create_app(a): ...", "too many positional"),
        ("web:create_app", "async def create_app(): ...", "must be awaited"),
        ("web:create_app", "def create_app(): return 3", "it is of type int"),
        ("web:view", "def view(request, number): ...", "it needs request, number"),
        ("web:Site", "class Site:\n    def app(self): ...", r"its app\(\) may make one"),
    ],
)
def test_what_names_no_application_is_said_with_the_next_step(
    tmp_path: Path, text: str, module: str, said: str
) -> None:
    project = write(tmp_path / "project", web=module)
    with pytest.raises(UsageError, match=said):
        found(text, directory=project)


def test_a_module_in_another_folder_is_pointed_to(tmp_path: Path) -> None:
    project = write(tmp_path / "project", src__shop__web=PLAIN)
    with pytest.raises(UsageError, match=r"there is one in src/.*PYTHONPATH=src"):
        found("shop.web:app", directory=project)
    variables = {"PYTHONPATH": "src"}
    assert found("shop.web", directory=project, variables=variables).attribute == "app"


def test_an_application_of_aiohttp_is_sent_to_its_own_server(
    tmp_path: Path, user_environment: Path
) -> None:
    project = write(tmp_path, web="from aiohttp import web\napp = web.Application()")
    with pytest.raises(UsageError, match=r"aiohttp, which is called by neither.*--command"):
        found("web:app", directory=project, interpreter=user_environment / "bin" / "python")


def test_variables_reach_the_application_and_their_secrets_no_message(tmp_path: Path) -> None:
    text = "import os\nraise RuntimeError('with ' + os.environ['DB_PASSWORD'])"
    project = write(tmp_path / "project", web=text)
    with pytest.raises(CannotRunHere) as error:
        found("web:app", directory=project, variables={"DB_PASSWORD": "correct-horse"})
    assert "RuntimeError: with ***" in str(error.value)
    assert "correct-horse" not in str(error.value)


def test_a_running_thread_keeps_nobody_waiting(tmp_path: Path) -> None:
    text = (
        f"import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n{PLAIN}"
    )
    project = write(tmp_path / "project", web=text)
    assert found("web", directory=project).attribute == "app"


def test_what_listens_for_other_machines_when_imported_is_named_at_once(tmp_path: Path) -> None:
    listens = "import socket, time\nopened = socket.create_server((%r, 0))\n"
    write(tmp_path, exporter=listens % "" + "time.sleep(60)\n" + PLAIN)
    began_s = time.monotonic()
    with pytest.raises(CannotRunHere, match=r"exporter:app opens 0\.0\.0\.0:\d+, which other mach"):
        found("exporter:app", directory=tmp_path)
    assert time.monotonic() - began_s < 30
    write(tmp_path, local=listens % "127.0.0.1" + PLAIN)
    assert found("local:app", directory=tmp_path).interface is Interface.WSGI
