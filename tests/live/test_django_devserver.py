"""Django's own server, on a project that Django itself made."""

import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from servelab import catalogue
from servelab.environment import build
from servelab.environment.interpreters import own_interpreter
from servelab.launch.server import launched
from servelab.linux import ports
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Interface

pytestmark = pytest.mark.live

DEADLINE_S = 60.0


@pytest.mark.parametrize("threading", ["with", "without"])
def test_a_new_project_is_served_in_one_process(tmp_path: Path, threading: str) -> None:
    server = catalogue.server("django_devserver")
    spec = catalogue.environment_spec(server.name, with_requirements=("django>=5.2,<7",))
    environment = build.ensure(spec, interpreter=own_interpreter())
    project = tmp_path / "project"
    project.mkdir()
    start = (str(environment.python), "-m", "django", "startproject", "shop", str(project))
    subprocess.run(start, check=True, timeout=DEADLINE_S)
    address = Address(LOOPBACK, ports.next_free_port(25_900))
    asked = catalogue.LaunchRequest(
        settings=server.settings(threading=threading),
        application="shop.wsgi:application",
        framework=catalogue.Framework(
            name="django",
            summary="Django",
            interface=Interface.WSGI,
            requirements=(),
            directory=Path(),
        ),
        address=address,
        longest_drain_s=5,
        cpu_count=2,
        listen_limit=ports.listen_limit(),
        packages=environment.packages,
        is_own=True,
    )

    def complaint() -> str | None:
        try:
            page()
        except (urllib.error.URLError, ConnectionError) as error:
            return repr(error)
        return None

    def page() -> str:
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
            return str(answer.read().decode())

    with launched(
        server.command(asked),
        programs=environment.programs,
        directory=project,
        log=tmp_path / "server.log",
        address=address,
    ) as runs:
        runs.wait_ready(complaint, timeout_s=DEADLINE_S)
        assert "Django" in page()
        assert runs.worker_ids() == {runs.pid}
