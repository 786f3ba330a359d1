"""What serves behind a front: a socket for the server, and a site for the machine's nginx."""

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from servelab import catalogue
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment, Interface
from servelab.model.front import FrontUse
from servelab.model.ready import Place, Ready
from servelab.model.service import OwnCommand, Service
from servelab.model.trial import Trial
from servelab.report import commands_view, deploy
from tests.report import units
from tests.report.own_runs import SERVICE, TIMEOUT_S, deployment, run_of, trial_of

GTHREAD = "gunicorn-gthread:processes=2,threads=8+nginx"
SOCKET = Path("/scratch/gone/server.sock")
UNIT, SITE = "shop-site-app.service", "shop-site-app.nginx.conf"


def behind(of: Deployment, *, service: Service = SERVICE, **different: Any) -> Trial:
    """Return a trial behind nginx, the server on a unix socket where it can have one."""
    socket = SOCKET if catalogue.takes_unix_socket(of) else None
    address = Address(LOOPBACK, 3200)
    command = catalogue.launch_command(
        of,
        service=service,
        address=address,
        longest_drain_s=2 * TIMEOUT_S,
        cpu_count=2,
        unix_socket=socket,
    )
    front = FrontUse(
        name="nginx",
        command="nginx -p . -c nginx.conf",
        configuration="logs/a.nginx.conf",
        upstream=f"unix:{socket}" if socket else str(address),
        log="logs/a.nginx.log",
    )
    return trial_of(of, service=service, command=str(command), front=front, **different)


def ready(text: str, *, service: Service = SERVICE, place: Place | None = None) -> Ready:
    of = deployment(text, service=service)
    return deploy.ready(of, service=service, trial=behind(of, service=service), place=place)


def files(made: Ready) -> dict[str, str]:
    return {each.name: each.text for each in made.files}


def test_the_server_listens_on_a_socket_that_systemd_makes_room_for_and_nginx_may_open() -> None:
    made = files(ready(GTHREAD))
    assert set(made) == {"gunicorn.conf.py", UNIT, "Procfile", SITE}
    assert 'bind = "unix:/run/shop-site-app/server.sock"\n' in made["gunicorn.conf.py"]
    assert 'server "unix:/run/shop-site-app/server.sock";' in made[SITE]
    for name, value in {
        "RuntimeDirectory": "shop-site-app",
        "Group": "www-data",
        "UMask": "0007",
    }.items():
        assert units.settings(made[UNIT], name) == [value]


def test_without_a_front_there_is_neither_site_nor_socket() -> None:
    of = deployment(GTHREAD.removesuffix("+nginx"))
    made = files(deploy.ready(of, service=SERVICE, trial=trial_of(of)))
    assert SITE not in made
    assert not units.settings(made[UNIT], "RuntimeDirectory")
    assert 'bind = "127.0.0.1:8000"\n' in made["gunicorn.conf.py"]


def test_what_was_measured_on_a_port_is_reached_on_one() -> None:
    made = ready("devserver+nginx")
    assert 'server "127.0.0.1:8000";' in files(made)[SITE]
    assert not units.settings(files(made)[UNIT], "RuntimeDirectory")
    assert made.differences[0] == "It listens on 127.0.0.1:8000; measured: 127.0.0.1:3200."


def test_the_site_has_what_was_measured_and_leaves_the_rest_to_the_machines_nginx() -> None:
    site = files(ready(GTHREAD))[SITE]
    assert site.startswith("upstream shop-site-app {\n")
    assert "    listen 80;\n" in site
    assert "proxy_pass http://shop-site-app;" in site
    assert "proxy_read_timeout 61s;" in site
    for of_whole in ("worker_processes", "daemon", "events", "pid ", "backlog"):
        assert of_whole not in site


def test_what_differs_and_what_is_to_be_done_is_said() -> None:
    made = ready(GTHREAD)
    assert made.differences[:2] == (
        f"It listens on /run/shop-site-app/server.sock; measured: {SOCKET}.",
        (
            "The Procfile has it listen on 0.0.0.0 and the port that the platform gives, without "
            "nginx."
        ),
    )
    assert not any("otherwise" in each for each in made.differences)
    assert any(
        each.startswith(f"{SITE} is a site for the nginx that this machine runs: put it into")
        for each in made.notes
    )
    assert any("settings in logs/a.nginx.conf" in each for each in made.notes)
    assert "--bind 0.0.0.0:$PORT" in files(made)["Procfile"]


def test_another_command_than_the_measured_one_is_still_noticed_behind_a_front() -> None:
    of = deployment(GTHREAD)
    trial = behind(of)
    other = msgspec.structs.replace(trial, command=trial.command.replace("--threads 8", ""))
    made = deploy.ready(of, service=SERVICE, trial=other)
    assert any("otherwise" in each for each in made.differences)


def test_a_command_to_copy_names_no_socket_of_a_folder_that_is_gone() -> None:
    of = deployment(GTHREAD)
    ((found,),) = (each.commands for each in commands_view.commands(run_of([behind(of)])))
    assert "--bind 127.0.0.1:8000 " in found.command
    assert "gone" not in found.command


@pytest.mark.parametrize(
    ("interface", "framework"), [(Interface.WSGI, "flask"), (Interface.ASGI, "")]
)
def test_every_server_of_a_search_can_be_made_ready_behind_a_front(
    interface: Interface, framework: str
) -> None:
    service = msgspec.structs.replace(SERVICE, interface=interface, framework=framework)
    every = catalogue.own_deployments(service, cpu_count=2)
    for of in catalogue.behind(every, name="nginx"):
        made = deploy.ready(of, service=service, trial=behind(of, service=service))
        assert not any("otherwise" in each for each in made.differences), of.name
        told = "".join(text for name, text in files(made).items() if name != "Procfile")
        where = "/run/shop-site-app/server.sock"
        if catalogue.takes_unix_socket(of):
            assert told.count(where) >= 2, of.name
        else:
            assert "--port 8000" in told or "127.0.0.1:8000" in files(made)[UNIT], of.name
            assert 'server "127.0.0.1:8000";' in files(made)[SITE]
        assert str(SOCKET) not in told


@pytest.mark.parametrize("upstream", ["", "nowhere", "127.0.0.1:x", "127.0.0.1:²"])
def test_of_a_front_that_says_nothing_of_its_server_nothing_is_claimed(upstream: str) -> None:
    of = deployment("devserver+nginx")
    trial = behind(of)
    assert trial.front is not None
    front = msgspec.structs.replace(trial.front, upstream=upstream)
    lost = msgspec.structs.replace(trial, front=front)
    made = deploy.ready(of, service=SERVICE, trial=lost)
    assert "where it was measured is not known" in made.differences[0]


def test_grpc_of_a_program_is_passed_on_as_such() -> None:
    service = msgspec.structs.replace(
        SERVICE,
        application="",
        interface=Interface.GRPC,
        commands=(OwnCommand(name="greeter", argv=("greeter", "{port}")),),
    )
    site = files(ready("greeter+nginx", service=service))["greeter.nginx.conf"]
    assert "listen 80 http2;" in site
    assert "grpc_pass grpc://greeter;" in site


@pytest.mark.parametrize("text", [GTHREAD, "devserver+nginx"])
def test_nginx_finds_nothing_wrong_with_a_site(text: str, tmp_path: Path) -> None:
    site = files(ready(text))[SITE].replace("listen 80;", "listen 127.0.0.1:23280;")
    (tmp_path / "site.conf").write_text(site)
    (tmp_path / "nginx.conf").write_text(
        "pid nginx.pid; error_log stderr; events {} http { include site.conf; }\n"
    )
    done = subprocess.run(
        ["nginx", "-t", "-p", str(tmp_path), "-c", "nginx.conf"],
        env={"PATH": "/usr/sbin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
