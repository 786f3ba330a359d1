"""Fronts: what nginx is told, and how a deployment behind one is named."""

import re
import subprocess
from pathlib import Path

import msgspec
import pytest
from tests.report.own_runs import SERVICE

from servelab import catalogue
from servelab.catalogue.front import FrontRequest
from servelab.errors import UnknownName, UsageError
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment
from servelab.model.load import Protocol
from servelab.model.service import OwnCommand

SOCKET = Path("/run/shop/server.sock")
WHOLE = """\
daemon off;
user root;
worker_processes 2;
worker_rlimit_nofile 2128;
pid nginx.pid;
error_log stderr;

events {
    worker_connections 2064;
}

http {
    access_log off;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;

    upstream application {
        server "unix:/run/shop/server.sock";
        keepalive 32;
    }

    server {
        listen 127.0.0.1:3000 backlog=4096;
        client_max_body_size 0;

        location / {
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_read_timeout 61s;
        }
    }
}
"""


def request(
    *,
    upstream: Address | Path = SOCKET,
    protocol: Protocol = Protocol.HTTP,
    clients: int = 100,
    longest_answer_s: float = 60.0,
    superuser: str | None = None,
) -> FrontRequest:
    return FrontRequest(
        address=Address(LOOPBACK, 3000),
        upstream=upstream,
        protocol=protocol,
        cpu_count=2,
        clients=clients,
        longest_answer_s=longest_answer_s,
        listen_limit=4096,
        superuser=superuser,
    )


def text(**asked: object) -> str:
    return catalogue.front("nginx").configuration(request(**asked)).text  # type: ignore[arg-type]


def test_nginx_is_told_what_its_manual_advises_and_nothing_else() -> None:
    assert text(clients=1000, superuser="root") == WHOLE


def test_who_is_not_root_names_no_user_and_few_clients_need_no_more_files() -> None:
    told = text()
    assert "user " not in told
    assert "worker_rlimit_nofile" not in told
    assert "worker_connections 1024;" in told


def test_every_departure_from_the_manual_is_said() -> None:
    said = catalogue.front("nginx").configuration(request(superuser="root")).command.departures
    assert [re.split(r"[ =:]", each)[0] for each in said] == [
        "access_log",
        "worker_processes",
        "worker_connections",
        "backlog",
        "client_max_body_size",
        "61",
        "user",
    ]
    assert all(each.endswith(".") for each in said)


def test_a_server_without_unix_sockets_is_reached_on_its_port() -> None:
    assert 'server "127.0.0.1:3200";' in text(upstream=Address(LOOPBACK, 3200))


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/run/with space/server.sock", '"unix:/run/with space/server.sock"'),
        ('/run/a"b/server.sock', '"unix:/run/a\\"b/server.sock"'),
        ("/run/a\\b;}/server.sock", '"unix:/run/a\\\\b;}/server.sock"'),
    ],
)
def test_no_path_of_a_socket_ends_its_word(path: str, written: str) -> None:
    assert f"        server {written};\n" in text(upstream=Path(path))


def test_it_waits_longer_for_an_answer_than_the_caller_does() -> None:
    assert "proxy_read_timeout 8s;" in text(longest_answer_s=6.5)


def test_grpc_is_taken_and_passed_on_as_grpc() -> None:
    told = text(protocol=Protocol.GRPC)
    assert "listen 127.0.0.1:3000 http2 backlog=4096;" in told
    assert "grpc_pass grpc://application;" in told
    assert "grpc_read_timeout 61s;" in told
    assert "proxy_pass" not in told
    assert "Connection" not in told


@pytest.mark.live
@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("folder", ["plain", "with space", 'with "quotes" and \\'])
def test_nginx_itself_finds_no_fault_with_it(
    protocol: Protocol, folder: str, tmp_path: Path
) -> None:
    from servelab.measure import machinery

    program = machinery.real().find_program("nginx")
    assert program is not None, f"nginx is missing; {catalogue.front('nginx').installing}"
    place = tmp_path / folder
    place.mkdir()
    asked = request(upstream=Path("/run") / folder / "server.sock", protocol=protocol)
    written = catalogue.front("nginx").configuration(asked)
    (place / written.name).write_text(written.text)
    checked = subprocess.run(
        [program, *written.command.argv[1:], "-t"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr


def test_a_deployment_behind_a_front_says_so_in_name_and_title() -> None:
    (found,) = catalogue.find_deployments("sync-gunicorn-sync:processes=4+nginx@3.13")
    assert found.name == "sync-gunicorn-sync:processes=4,worker_class=sync+nginx@3.13"
    assert found.title == "sync-gunicorn-sync 4 processes, behind nginx, Python 3.13"
    assert catalogue.find_deployments(found.name) == (found,)
    (plain,) = catalogue.find_deployments("sync-gunicorn-sync:processes=4@3.13")
    assert plain != found


def test_all_deployments_of_a_stack_may_be_behind_a_front() -> None:
    found = catalogue.find_deployments("sync-waitress+nginx")
    assert len(found) == len(catalogue.stack("sync-waitress").deployments)
    assert {each.front for each in found} == {"nginx"}


def test_what_is_behind_a_front_is_not_put_behind_another() -> None:
    found = catalogue.find_deployments("sync-waitress+nginx")
    assert catalogue.behind(found, name="nginx") == found


def test_an_unknown_front_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownName, match=r"no front 'ngnix'; did you mean nginx\?"):
        catalogue.find_deployments("sync-waitress+ngnix")


def test_a_mark_without_a_front_is_refused() -> None:
    with pytest.raises(UsageError, match="names no front after \\+"):
        catalogue.find_deployments("sync-waitress+")


def test_what_to_install_is_that_of_the_server() -> None:
    packages = {"gunicorn": "27.0.1"}
    assert catalogue.to_install_for("gunicorn-sync:processes=2+nginx@3.13", packages=packages) == (
        catalogue.to_install_for("gunicorn-sync:processes=2", packages=packages)
    )


def test_a_published_figure_is_not_that_of_a_deployment_behind_a_front() -> None:
    (behind, *_) = catalogue.find_deployments("sync-devserver+nginx")
    (plain, *_) = catalogue.find_deployments("sync-devserver")
    assert catalogue.published(plain, workload="cpu") is not None
    assert catalogue.published(behind, workload="cpu") is None


NODE = OwnCommand(name="node", argv=("node", "a.js", "{host}", "{port}"))
FIXED = OwnCommand(name="fixed", argv=("./server",))


def own(text: str) -> tuple[Deployment, ...]:
    service = msgspec.structs.replace(SERVICE, commands=(NODE, FIXED))
    return catalogue.find_own_deployments(text, service=service, cpu_count=2)


@pytest.mark.parametrize(
    "text", ["gunicorn-sync:processes=2+nginx", "waitress+nginx@3.13", "node+nginx"]
)
def test_what_a_plan_holds_of_an_own_application_is_found_again(text: str) -> None:
    (found,) = own(text)
    assert found.front == "nginx"
    service = msgspec.structs.replace(SERVICE, commands=(NODE,))
    again = catalogue.own_deployments_named((found.name,), service=service, cpu_count=2)
    assert again == (found,)


def test_a_program_with_a_port_of_its_own_cannot_stand_behind_a_front() -> None:
    with pytest.raises(UsageError, match=r"fixed: nginx takes the port .* write \{port\}"):
        own("fixed+nginx")
