"""Servers: where they can run, flags that depend on the host, and servers of other packages."""

from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from servelab import catalogue
from servelab.catalogue import discovery
from servelab.catalogue.stack import read_stack
from servelab.errors import UsageError
from servelab.model.address import Address
from servelab.model.deployment import Deployment, Interface, ServerSettings
from servelab.model.environment import Interpreter, Package
from servelab.model.launch import LaunchCommand

ADDRESS = Address("127.0.0.1", 3000)
THIRD_PARTY = catalogue.Server(
    name="thirdparty",
    summary="a server of another package",
    interfaces=frozenset({Interface.WSGI}),
    requirements=("thirdparty==1.0",),
    settings=ServerSettings,
    heading=lambda _: "",
    processes=lambda _: 1,
    command=lambda request: LaunchCommand(argv=("thirdparty", str(request.address))),
    needs=catalogue.Needs(minimum_python=(3, 12), below_python=(3, 14)),
)


def deployment(text: str) -> Deployment:
    return catalogue.find_deployments(text)[0]


def command(text: str, *, listen_limit: int = 4096, packages: tuple[Package, ...] = ()) -> str:
    return str(
        catalogue.launch_command(
            deployment(text),
            address=ADDRESS,
            longest_drain_s=60,
            cpu_count=2,
            listen_limit=listen_limit,
            packages=packages,
        )
    )


def python(version: str, *, is_free_threaded: bool = False) -> Interpreter:
    return Interpreter(path=Path("/opt/python"), version=version, is_free_threaded=is_free_threaded)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Register a server and a stack as another package would."""
    (tmp_path / "sync-thirdparty.toml").write_text(
        'summary = "Flask on another server"\nframework = "flask"\napplication = "app:app"\n'
        'server = "thirdparty"\n\n[[deployments]]\n'
    )
    package = SimpleNamespace(__path__=[str(tmp_path)])
    loaded = {"servelab.servers": THIRD_PARTY, "servelab.stacks": package}
    monkeypatch.setattr(
        discovery,
        "entry_points",
        lambda group: [SimpleNamespace(load=lambda: loaded[group], value=group)],
    )
    for cached in (discovery.servers, discovery.stacks):
        monkeypatch.setattr(discovery, cached.__name__, cached.__wrapped__)


@pytest.mark.usefixtures("registered")
def test_other_packages_add_servers_and_stacks_by_entry_points() -> None:
    assert deployment("sync-thirdparty").server == "thirdparty"
    assert command("sync-thirdparty") == "thirdparty 127.0.0.1:3000"


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("3.11.7", "thirdparty needs Python 3.12 or newer; /opt/python is 3.11.7."),
        ("3.14.0", "thirdparty needs a Python below 3.14; /opt/python is 3.14.0."),
        ("3.12.1", None),
    ],
)
def test_a_server_that_cannot_run_here_is_told_in_a_sentence(
    version: str, sentence: str | None
) -> None:
    reason = catalogue.why_not_here(
        deployment("sync-thirdparty"),
        interpreter=python(version),
    )
    assert (reason or "").startswith(sentence or "")
    assert (reason is None) == (sentence is None)


def test_a_second_server_or_stack_of_one_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = SimpleNamespace(load=lambda: catalogue.server("uvicorn"), value="other:SERVER")
    monkeypatch.setattr(discovery, "entry_points", lambda group: [twin] if group else [])
    with pytest.raises(UsageError, match="Two servers are called 'uvicorn'"):
        discovery.servers.__wrapped__()


def test_what_is_registered_as_a_server_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = EntryPoint(name="wrong", value="json:dumps", group="servelab.servers")
    monkeypatch.setattr(discovery, "entry_points", lambda group: [wrong] if group else [])
    with pytest.raises(UsageError, match="json:dumps, registered as a server, is no Server"):
        discovery.servers.__wrapped__()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('server = "nothing"', "names the server 'nothing', which does not exist"),
        ('server = "uvicorn"', "uvicorn cannot serve WSGI applications"),
        ('server = "uwsgi"\ncolour = 1', "is no stack: .*colour"),
    ],
)
def test_a_broken_stack_is_refused_with_its_reason(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(
        f'summary = ""\nframework = "flask"\napplication = "app:app"\n{line}\n[[deployments]]\n'
    )
    known = {server.name: server for server in catalogue.servers()}
    with pytest.raises(UsageError, match=message):
        read_stack(file, known)


def test_seed_stacks_run_on_every_supported_interpreter() -> None:
    for stack in catalogue.stacks():
        for version in ("3.11.0", "3.12.1", "3.13.0", "3.14.0"):
            reason = catalogue.why_not_here(stack.deployments[0], interpreter=python(version))
            assert reason is None


def test_servers_without_a_build_for_free_threaded_python_say_so() -> None:
    free_threaded = python("3.14.0", is_free_threaded=True)
    uwsgi, uvicorn = deployment("sync-uwsgi"), deployment("async-fastapi")
    reason = catalogue.why_not_here(uwsgi, interpreter=free_threaded)
    assert reason is not None
    assert "no build for free-threaded Python" in reason
    assert catalogue.why_not_here(uvicorn, interpreter=free_threaded) is None


def test_the_backlog_stays_within_the_kernels_limit_beyond_which_uwsgi_refuses() -> None:
    assert "--listen 128 " in command("sync-uwsgi", listen_limit=128)


def test_an_old_gunicorn_is_not_given_flags_that_it_lacks() -> None:
    old = (Package("gunicorn", "23.0.0"),)
    assert "--no-control-socket" not in command("sync-gunicorn", packages=old)
    new = (Package("gunicorn", "25.1.0"),)
    assert "--no-control-socket" in command("sync-gunicorn", packages=new)


def test_the_development_server_is_told_of_an_application_that_it_would_not_find() -> None:
    other = msgspec.structs.replace(deployment("sync-devserver"), application="shop:app")
    launched = catalogue.launch_command(other, address=ADDRESS, longest_drain_s=1, cpu_count=1)
    assert launched.variables == (("FLASK_APP", "shop:app"),)
