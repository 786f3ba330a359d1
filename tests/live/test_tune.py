"""A race for real: it ends, says what it may, leaves nothing, and its files serve."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.live.asking import asked, complaint
from tests.own_environments import make_environment

from servelab.launch.server import launched
from servelab.linux import ports
from servelab.model.address import LOOPBACK, Address
from servelab.model.launch import LaunchCommand
from servelab.store import folder as stored

pytestmark = pytest.mark.live

APPLICATION = """
from flask import Flask

app = Flask(__name__)


@app.get("/")
def answer():
    return "served from the shop"
"""
UNMOVED = """
from servelab.cli import main
from servelab.explain import disturbance

disturbance.FOREIGN_LIMIT = disturbance.STEAL_LIMIT = 2.0
main()
"""
"""servelab which no neighbour can disturb: what it finds is not asked about, but that it ends."""
ASKED = (
    *("tune", "shop:app", "--only", "gunicorn-gthread", "--only", "waitress"),
    *("--duration", "0.3", "--warm-up", "0.1", "-c", "4", "--budget", "12s", "--json"),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shop")
    (made / "shop.py").write_text(APPLICATION)
    make_environment(made / ".venv", "flask==3.1.3")
    return made


def servelab(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    surroundings = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    return subprocess.run(
        [sys.executable, "-c", UNMOVED, *arguments],
        cwd=cwd,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_race_of_two_servers_ends_and_what_it_writes_serves(
    project: Path, tmp_path: Path
) -> None:
    before = {each.name for each in project.iterdir()}
    done = servelab(*ASKED, "--out", str(tmp_path / "here"), cwd=project)
    # 3: too little time for a verdict, or the two under one name came out too different
    assert done.returncode in {0, 3}, done.stderr
    assert "Traceback" not in done.stderr
    race = json.loads(done.stdout)["race"]
    assert race["rounds"] >= 1
    assert race["ending"] is not None
    assert {each.name for each in project.iterdir()} - before <= {"__pycache__"}
    assert servelab("leftovers", cwd=project).returncode == 0
    run = stored.read(tmp_path / "here")
    assert len({trial.id for trial in run.trials}) == race["trials"] == len(run.trials)
    assert race["winner"] is not None
    deploy = tmp_path / "here" / "deploy"
    assert deploy.exists() == (race["verdicts"]["doubt"] is None)
    if deploy.exists():
        serve_with(deploy / "Procfile", project=project, tmp_path=tmp_path)


def serve_with(procfile: Path, *, project: Path, tmp_path: Path) -> None:
    """Install what the command needs as told, start it, and get an answer."""
    port = ports.next_free_port(23100)
    line = procfile.read_text().partition("web:")[2].strip()
    words = shlex.split(line.replace("$PORT", str(port)).replace("0.0.0.0", LOOPBACK))  # noqa: S104
    server = {"waitress-serve": "waitress", "gunicorn": "gunicorn"}[words[0]]
    environment = make_environment(tmp_path / "serving", "flask==3.1.3", server)
    address = Address(LOOPBACK, port)
    with launched(
        LaunchCommand(argv=tuple(words)),
        programs=environment / "bin",
        directory=project,
        variables={},
        log=tmp_path / "log",
        address=address,
    ) as running:
        running.wait_ready(lambda: complaint(address), timeout_s=60)
        assert asked(address) == "served from the shop"
