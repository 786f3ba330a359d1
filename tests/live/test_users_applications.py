"""Servers take what a user has: a factory, a unix socket, a file of settings, a Django project."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from servelab import catalogue
from servelab.environment import interpreters
from servelab.environment.build import ensure
from servelab.launch.server import RunningServer, launched
from servelab.linux import ports
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Interface
from servelab.model.environment import Environment
from servelab.model.launch import LaunchCommand

pytestmark = pytest.mark.live

DEADLINE_S = 60.0
DJANGO = "django>=5.2,<7"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SHOP = """
def wsgi(environ, start):
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"wsgi"]


class Asgi:
    async def __call__(self, scope, receive, send):
        assert scope["type"] == "http"  # no lifespan, as some applications have none
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"asgi"})


asgi = Asgi()


def make_wsgi():
    return wsgi


def make_asgi():
    return asgi
"""
FRAMEWORKS = {Interface.WSGI: "flask", Interface.ASGI: "fastapi"}
SERVED = [
    ("granian", Interface.WSGI),
    ("granian", Interface.ASGI),
    ("hypercorn", Interface.ASGI),
    ("waitress", Interface.WSGI),
    ("cheroot", Interface.WSGI),
]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a project of a user, with its application in a package."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "web.py").write_text(SHOP)
    return tmp_path


@pytest.fixture
def unix_socket() -> Iterator[Path]:
    # The path of a unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder) / "shop.sock"


@pytest.fixture
def address() -> Address:
    return Address(LOOPBACK, ports.next_free_port(25_500))


def environment(name: str, *with_requirements: str) -> Environment:
    spec = catalogue.environment_spec(name, with_requirements=with_requirements)
    return ensure(spec, interpreter=interpreters.own_interpreter())


def request(
    name: str, interface: Interface, address: Address, **given: Any
) -> catalogue.LaunchRequest[Any]:
    server = catalogue.server(name)
    application = f"shop.web:{interface.value}"
    if server.takes_factories:
        application = f"shop.web:make_{interface.value}"
    return catalogue.LaunchRequest(
        settings=server.settings(),
        application=application,
        framework=catalogue.framework(FRAMEWORKS[interface]),
        address=address,
        longest_drain_s=10.0,
        cpu_count=2,
        listen_limit=128,
        packages=(),
        is_factory=server.takes_factories,
        is_own=True,
        **given,
    )


def answer(
    command: LaunchCommand, *, of: str, project: Path, at: Path | Address, using: Environment
) -> bytes:
    """Start a server and return its first answer; fail with its output where none comes."""
    with launched(
        command,
        programs=using.programs,
        directory=project,
        log=project / f"{of}.log",
        address=at if isinstance(at, Address) else None,
    ) as server:
        return _first_answer(server, at=at)


def _first_answer(server: RunningServer, *, at: Path | Address) -> bytes:
    deadline_s = time.monotonic() + DEADLINE_S
    while server.is_alive() and time.monotonic() < deadline_s:
        try:
            return _ask(at)
        except (ConnectionError, FileNotFoundError):
            time.sleep(0.02)
    pytest.fail("\n".join(server.log_tail()))


def _ask(at: Path | Address) -> bytes:
    is_path = isinstance(at, Path)
    with socket.socket(socket.AF_UNIX if is_path else socket.AF_INET) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(str(at) if isinstance(at, Path) else (at.host, at.port))
        connection.sendall(REQUEST)
        with connection.makefile("rb") as answered:
            return answered.read()


@pytest.mark.parametrize(("name", "interface"), SERVED)
def test_an_application_is_served_on_a_unix_socket_from_its_factory_if_the_server_takes_one(
    name: str, interface: Interface, shop: Path, unix_socket: Path, address: Address
) -> None:
    asked = request(name, interface, address, unix_socket=unix_socket)
    command = catalogue.server(name).command(asked)
    answered = answer(command, of=name, project=shop, at=unix_socket, using=environment(name))
    assert answered.startswith(b"HTTP/1.1 200")
    assert answered.endswith(interface.value.encode())


@pytest.mark.parametrize(("name", "interface"), SERVED)
def test_an_application_is_served_at_an_address(
    name: str, interface: Interface, shop: Path, address: Address
) -> None:
    command = catalogue.server(name).command(request(name, interface, address))
    answered = answer(command, of=name, project=shop, at=address, using=environment(name))
    assert answered.startswith(b"HTTP/1.1 200")
    assert answered.endswith(interface.value.encode())


def test_hypercorns_file_starts_it(shop: Path, address: Address) -> None:
    write = catalogue.server("hypercorn").configuration
    assert write is not None
    file = write(request("hypercorn", Interface.ASGI, address))
    (shop / file.name).write_text(file.text)
    using = environment("hypercorn")
    answered = answer(file.command, of="hypercorn", project=shop, at=address, using=using)
    assert answered.endswith(b"asgi")


def test_a_new_django_project_is_served_by_djangos_own_server(
    tmp_path: Path, address: Address
) -> None:
    using = environment("django_devserver", DJANGO)
    start = [str(using.python), "-m", "django", "startproject", "shop", str(tmp_path)]
    subprocess.run(start, check=True, timeout=DEADLINE_S)
    asked = request("django_devserver", Interface.WSGI, address)
    django = msgspec.structs.replace(asked.framework, name="django")
    server = catalogue.server("django_devserver")
    assert server.objection(asked.settings, django) is None
    answered = answer(server.command(asked), of="django", project=tmp_path, at=address, using=using)
    assert answered.startswith(b"HTTP/1.1 200")
    assert b"django" in answered
