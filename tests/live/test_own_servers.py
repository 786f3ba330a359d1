"""Applications that are not written for a server, on each way to run each server, for real.

An answer holds what the application saw: whether gevent had patched when the module was imported.
"""

import functools
import itertools
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from servelab import catalogue
from servelab.catalogue.settings import convert_settings
from servelab.environment import build
from servelab.environment.interpreters import own_interpreter
from servelab.errors import ServerExited
from servelab.launch.server import RunningServer, launched
from servelab.linux import ports
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Interface, ServerSettings
from servelab.model.environment import Environment
from servelab.model.launch import LaunchCommand
from servelab.model.service import Service
from servelab.model.variant import Variant
from servelab.store.ready_files import write_files

pytestmark = pytest.mark.live

CPUS = 2
DEADLINE_S = 60.0
APPLICATION = """
import os

try:
    from gevent.monkey import is_module_patched

    PATCHED = is_module_patched("socket")
except ImportError:
    PATCHED = False


def what_is_seen(**more):
    return {"pid": os.getpid(), "patched_at_import": PATCHED, **more}


def create_wsgi():
    from flask import Flask

    made = Flask(__name__)
    made.get("/")(lambda: what_is_seen(is_made=True))
    return made


def wsgi(environ, start_response):
    import json

    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(what_is_seen(is_made=False)).encode()]


class Shop:
    def __init__(self, stage):
        self.stage = stage

    def make_wsgi(self, *, debug):
        return create_wsgi()

    def make_asgi(self, *, debug):
        return create_asgi()


def create_asgi():
    async def made(scope, receive, send):
        await answer(scope, send, is_made=True)

    return made


async def asgi(scope, receive, send):
    await answer(scope, send, is_made=False)


async def answer(scope, send, *, is_made):
    import json

    if scope["type"] == "http":
        body = json.dumps(what_is_seen(is_made=is_made)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
"""
LONG_COOKIE = f"session={'x' * 6000}"
"""As users have them, and as uWSGI by itself would refuse."""
FOREIGN_CONFIGURATION = "raise SystemExit('this is of the project, and must not be read')"

_ports = itertools.count(25000 + os.getpid() % 100 * 10)


class Way(NamedTuple):
    """A server, an interface and one of its variants."""

    server: str
    interface: Interface
    variant: Variant

    def __str__(self) -> str:
        return "-".join(filter(None, (self.server, self.interface.value, self.variant.name)))

    def settings(self, **changed: Any) -> ServerSettings:
        started = {axis.setting: axis.start for axis in self.variant.axes}
        values = {**dict(self.variant.fixed), **started, **changed}
        server: catalogue.Server[ServerSettings] = catalogue.server(self.server)
        return convert_settings(server, values, of=str(self))

    @property
    def patches(self) -> bool:
        return self.server == "gevent_pywsgi" or self.variant.name == "gevent"


def ways() -> list[Way]:
    return [
        Way(server.name, interface, variant)
        for server in catalogue.servers()
        if server.name != "django_devserver"  # it serves a project, not an application
        for interface in (Interface.WSGI, Interface.ASGI)
        if interface in server.interfaces
        for variant in server.variants(interface, CPUS)
    ]


WAYS = ways()
WITH_SOCKETS = [way for way in WAYS if catalogue.server(way.server).takes_unix_sockets]
QUICK_WITH_SOCKETS = {(way.server, way.interface): way for way in WITH_SOCKETS}.values()
"""Variants of a server differ in their workers, which the tests of factories start each."""
TOLD_ALL = [
    *{(way.server, way.interface): way for way in WAYS if not way.patches}.values(),
    *(way for way in WAYS if way.patches),
]
WITH_FILES = [
    way
    for way in WAYS
    if str(way)
    in {
        "gevent_pywsgi-wsgi",
        "gunicorn-wsgi-gthread",
        "gunicorn-asgi-uvicorn",
        "hypercorn-asgi-uvloop",
        "uwsgi-wsgi-gevent",
    }
]


@functools.cache
def environment(server: str) -> Environment:
    return build.ensure(catalogue.environment_spec(server), interpreter=own_interpreter())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop" / "__init__.py").touch()
    (folder / "shop" / "site.py").write_text(APPLICATION)
    return folder


def request(
    way: Way,
    *,
    is_factory: bool = False,
    name: str = "",
    unix_socket: Path | None = None,
    **changed: Any,
) -> catalogue.LaunchRequest[Any]:
    kind = way.interface.value
    return catalogue.LaunchRequest(
        settings=way.settings(**changed),
        application=f"shop.site:{name or (f'create_{kind}' if is_factory else kind)}",
        framework=catalogue.Framework(
            name="flask",
            summary="Flask",
            interface=way.interface,
            requirements=(),
            directory=Path(),
        ),
        address=Address(LOOPBACK, ports.next_free_port(next(_ports))),
        longest_drain_s=5,
        cpu_count=CPUS,
        listen_limit=ports.listen_limit(),
        packages=environment(way.server).packages,
        is_own=True,
        is_factory=is_factory,
        unix_socket=unix_socket,
    )


@contextmanager
def running(
    way: Way, asked: catalogue.LaunchRequest[Any], project: Path, command: LaunchCommand
) -> Iterator[RunningServer]:
    """Run a command in the project's folder until it answers, and while the block lasts."""
    address = asked.address if asked.unix_socket is None else None
    with launched(
        command,
        programs=environment(way.server).directory / "bin",
        directory=project,
        log=project.parent / "server.log",
        address=address,
        grace_s=1,  # a worker that still starts may miss the signal
    ) as server:
        server.wait_ready(functools.partial(complaint, asked), timeout_s=DEADLINE_S)
        yield server


def complaint(asked: catalogue.LaunchRequest[Any]) -> str | None:
    try:
        seen(asked)
    except (OSError, HTTPException, ValueError) as error:
        return repr(error)
    return None


def seen(asked: catalogue.LaunchRequest[Any]) -> dict[str, Any]:
    """Ask the server what the application saw."""
    connection = HTTPConnection(asked.address.host, asked.address.port, timeout=5)
    try:
        if asked.unix_socket is not None:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(5)
            connection.sock.connect(str(asked.unix_socket))
        connection.request("GET", "/", headers={"Cookie": LONG_COOKIE})
        body = connection.getresponse().read()
    finally:
        connection.close()
    return msgspec.convert(json.loads(body), dict[str, Any])


def wait_for_workers(server: RunningServer, *, wanted: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while len(server.worker_ids()) != wanted:
        assert time.monotonic() < deadline, f"{len(server.worker_ids())} of {wanted} workers"
        time.sleep(0.05)  # other processes start at their own pace


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_factory_is_served_by_the_processes_asked_for_and_patched_in_time(
    way: Way, project: Path
) -> None:
    (project / "gunicorn.conf.py").write_text(FOREIGN_CONFIGURATION)
    server = catalogue.server(way.server)
    is_called = server.naming is not catalogue.Naming.NAME
    asked = request(way, is_factory=is_called)
    with running(way, asked, project, server.command(asked)) as runs:
        answer = seen(asked)
        wait_for_workers(runs, wanted=server.processes(asked.settings) or 1)
    assert answer["is_made"] is is_called
    assert answer["patched_at_import"] is way.patches


@pytest.mark.parametrize(
    ("way", "settings"),
    [
        *(
            pytest.param(way, "", id=str(way), marks=() if way in TOLD_ALL else pytest.mark.slow)
            for way in WAYS
        ),
        *(
            pytest.param(way, ":preload=on", id=f"{way}-preload", marks=pytest.mark.slow)
            for way in WAYS
            if str(way) in {"gunicorn-wsgi-gthread", "gunicorn-asgi-uvicorn"}
        ),
    ],
)
def test_what_no_server_can_be_told_is_served_through_a_module_and_patched_in_time(
    way: Way, settings: str, project: Path, tmp_path: Path
) -> None:
    asked, modules = request(way), tmp_path / "module of 100 %"
    service = Service(
        name="shop",
        application="shop.site:Shop",
        is_factory=True,
        arguments="'it'",
        further=f".make_{way.interface.value}(debug=True)",
        interface=way.interface,
        framework="flask",
        directory=str(project),
        asked=(),
    )
    stack = "-".join(filter(None, (way.server, way.variant.name)))
    found = catalogue.find_own_deployments(f"{stack}{settings}", service=service, cpu_count=CPUS)
    of = next(each for each in found if each.stack == stack)
    module = catalogue.own_module(of, service=service)
    assert module is not None
    write_files((module,), folder=modules)
    command = catalogue.launch_command(
        of,
        service=service,
        address=asked.address,
        longest_drain_s=5,
        cpu_count=CPUS,
        packages=environment(way.server).packages,
        module_folder=modules,
    )
    with running(way, asked, project, command) as runs:
        answer = seen(asked)
        wait_for_workers(runs, wanted=catalogue.server(way.server).processes(of.settings) or 1)
    assert answer["is_made"] is True
    assert answer["patched_at_import"] is way.patches


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, id=str(way), marks=() if way in QUICK_WITH_SOCKETS else pytest.mark.slow)
        for way in WITH_SOCKETS
    ],
)
def test_an_application_answers_on_a_unix_socket(way: Way, project: Path, tmp_path: Path) -> None:
    asked = request(way, unix_socket=tmp_path / "a%d.socket")
    command = catalogue.server(way.server).command(asked)
    with running(way, asked, project, command):
        answer = seen(asked)
    assert answer["is_made"] is False
    assert answer["patched_at_import"] is way.patches


@pytest.mark.parametrize("way", WITH_FILES, ids=str)
def test_the_configuration_file_starts_what_the_command_starts(way: Way, project: Path) -> None:
    asked, server = request(way, is_factory=True), catalogue.server(way.server)
    assert server.configuration is not None
    file = server.configuration(asked)
    (project / file.name).write_text(file.text)
    with running(way, asked, project, file.command) as runs:
        answer = seen(asked)
        wait_for_workers(runs, wanted=server.processes(asked.settings) or 1)
    assert answer["is_made"] is True
    assert answer["patched_at_import"] is way.patches


@pytest.mark.parametrize(
    "name",
    [
        "cheroot-wsgi",
        "granian-wsgi",
        "gunicorn-wsgi-sync",
        "hypercorn-asgi-asyncio",
        "uvicorn-asgi",
        "uwsgi-wsgi-gevent",
        "waitress-wsgi",
    ],
)
def test_a_server_ends_when_the_application_cannot_be_imported(name: str, project: Path) -> None:
    way = next(each for each in WAYS if str(each) == name)
    asked = request(way, name="nothing")
    command = catalogue.server(way.server).command(asked)
    with pytest.raises(ServerExited), running(way, asked, project, command):
        pass


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("gunicorn-wsgi-gthread", {"preload": "on", "reuse_port": "on", "worker_connections": 20}),
        ("gunicorn-asgi-uvicorn", {"preload": "on"}),
        ("uwsgi-wsgi-gevent", {"lazy_apps": None}),
        ("granian-wsgi", {"blocking_threads": 1, "runtime_threads": 2, "runtime_mode": "st"}),
    ],
)
def test_what_a_search_may_switch_is_taken(
    name: str, changed: dict[str, Any], project: Path
) -> None:
    way = next(each for each in WAYS if str(each) == name)
    asked = request(way, **changed)
    with running(way, asked, project, catalogue.server(way.server).command(asked)) as runs:
        answer = seen(asked)
        wait_for_workers(runs, wanted=CPUS)
    assert answer["patched_at_import"] is way.patches
