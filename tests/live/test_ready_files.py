"""The files that are made ready serve for real."""

from pathlib import Path

import msgspec
import pytest
from tests.live.asking import asked, complaint
from tests.report import units
from tests.report.own_runs import SERVICE, deployment, environment_in, trial_of

from servelab import catalogue
from servelab.environment import build
from servelab.environment.interpreters import own_interpreter
from servelab.launch.server import launched
from servelab.linux import ports
from servelab.model.address import LOOPBACK, Address
from servelab.model.launch import LaunchCommand
from servelab.model.ready import Place
from servelab.report import deploy
from servelab.store.ready_files import write_files

pytestmark = pytest.mark.live

APPLICATION = """
import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def answer():
    return f"{os.environ['MODE']} {os.getppid()}"
"""


def test_the_unit_and_gunicorns_file_serve_an_application_of_flask(tmp_path: Path) -> None:
    environment = build.ensure(
        catalogue.environment_spec("gunicorn"), interpreter=own_interpreter()
    )
    project = tmp_path / "my %shop $1"
    project.mkdir()
    (project / "site_of_shop.py").write_text(APPLICATION)
    service = msgspec.structs.replace(
        SERVICE,
        application="site_of_shop:app",
        directory=str(project),
        environment=environment_in(str(environment.directory)),
        variables=(("MODE", "50 % $off"),),
    )
    of = deployment("gunicorn-gthread:processes=2,threads=2", service=service)
    trial = trial_of(
        of,
        service=service,
        packages={package.name: package.version for package in environment.packages},
    )
    address = Address(LOOPBACK, ports.next_free_port(23000))
    made = deploy.ready(of, service=service, trial=trial, place=Place(address=address))
    paths = write_files(made.files, folder=project)
    assert {path.name for path in paths} == {
        "gunicorn.conf.py",
        "shop-site-app.service",
        "Procfile",
    }
    unit = (project / "shop-site-app.service").read_text()
    (command,) = units.settings(unit, "ExecStart")
    variables = dict(
        word.partition("=")[::2]
        for value in units.settings(unit, "Environment")
        for word in units.words(value)
    )
    (directory,) = units.settings(unit, "WorkingDirectory")
    argv = units.words(command, is_command=True)
    assert argv[0] == str(environment.programs / "gunicorn")
    with launched(
        LaunchCommand(argv=tuple(argv)),
        programs=None,
        directory=Path(directory.replace("%%", "%")),
        variables=variables,
        log=tmp_path / "log",
        address=address,
    ) as server:
        server.wait_ready(lambda: complaint(address), timeout_s=60)
        text = asked(address)
        assert text.startswith("50 % $off ")
