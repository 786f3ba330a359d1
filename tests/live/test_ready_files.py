"""The files that are made ready serve for real."""

from pathlib import Path
from typing import Any

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
from servelab.report import deploy, procfile, systemd_variables
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


VARIABLES = "MODE='50 % $off'\nPYTHONPATH=lib\n"

FACTORY = """
import os


class Shop:
    def __init__(self, name):
        self.name = name

    def app(self):
        def answer(environ, start_response):
            text = f"{self.name} {os.environ['MODE']} {os.getppid()}"
            start_response("200 OK", [("Content-Length", str(len(text)))])
            return [text.encode()]

        return answer
"""


def test_the_unit_and_gunicorns_file_serve_an_application_of_flask(tmp_path: Path) -> None:
    environment = build.ensure(
        catalogue.environment_spec("gunicorn"), interpreter=own_interpreter()
    )
    project = tmp_path / "my %shop $1"
    project.mkdir()
    (project / "site_of_shop.py").write_text(APPLICATION)
    (project / ".env").write_text(VARIABLES)
    service = msgspec.structs.replace(
        SERVICE,
        application="site_of_shop:app",
        directory=str(project),
        environment=environment_in(str(environment.directory)),
        variables=(("MODE", "50 % $off"), ("PYTHONPATH", "lib")),
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
    text = served_by_unit(project / "shop-site-app.service", address=address, log=tmp_path / "log")
    assert text.startswith("50 % $off ")


@pytest.mark.parametrize("name", ["cheroot", "gunicorn-sync", "gevent_pywsgi"])
def test_all_that_is_written_serves_what_a_server_cannot_be_told(name: str, tmp_path: Path) -> None:
    environment = build.ensure(
        catalogue.environment_spec(name.partition("-")[0]), interpreter=own_interpreter()
    )
    project, folder = tmp_path / "my shop", tmp_path / "to deploy"
    project.mkdir()
    (project / "lib").mkdir()
    (project / "lib" / "site_of_shop.py").write_text(FACTORY)
    (project / ".env").write_text(VARIABLES)
    service = msgspec.structs.replace(
        SERVICE,
        application="site_of_shop:Shop",
        is_factory=True,
        arguments="'it'",
        further=".app()",
        directory=str(project),
        environment=environment_in(str(environment.directory)),
        variables=(("MODE", "50 % $off"), ("PYTHONPATH", "lib")),
    )
    of = deployment(name, service=service)
    packages = {package.name: package.version for package in environment.packages}
    trial = trial_of(of, service=service, packages=packages)
    address = Address(LOOPBACK, ports.next_free_port(23000))
    place = Place(address=address, folder=str(folder))
    made = deploy.ready(of, service=service, trial=trial, place=place)
    write_files(made.files, folder=folder)
    log = tmp_path / "log"
    text = served_by_unit(folder / "shop-site-app.service", address=address, log=log)
    assert text.startswith("it 50 % $off ")

    shell = {
        "programs": environment.programs,
        "directory": project,
        "variables": {"MODE": "x", "PYTHONPATH": "lib"},
    }
    shown = deploy.command_elsewhere(
        of, service=service, trial=trial, address=address, module_folder=str(folder)
    )
    assert shown is not None
    assert served_by_shell(shown, address=address, log=log, **shell).startswith("it x ")

    # As a platform would have them: all in the project, the port in a variable.
    write_files(made.files, folder=project)
    line = (project / "Procfile").read_text().removeprefix("web: ").strip()
    line = line.replace(procfile.ANY_HOST, LOOPBACK)
    shell["variables"] = {"MODE": "y", "PYTHONPATH": "lib", "PORT": str(address.port)}
    assert served_by_shell(line, address=address, log=log, **shell).startswith("it y ")


def served_by_unit(file: Path, *, address: Address, log: Path) -> str:
    """Return what is answered by what systemd would start."""
    unit = file.read_text()
    (command,) = units.settings(unit, "ExecStart")
    variables = dict(
        word.partition("=")[::2]
        for value in units.settings(unit, "Environment")
        for word in units.words(value)
    )
    for path in units.settings(unit, "EnvironmentFile"):
        variables |= systemd_variables.read(Path(path.replace("%%", "%")).read_text())
    (directory,) = units.settings(unit, "WorkingDirectory")
    argv = [
        word.replace("${PYTHONPATH}", variables.get("PYTHONPATH", ""))
        for word in units.words(command, is_command=True)
    ]
    assert Path(argv[0]).is_absolute()
    return served(
        LaunchCommand(argv=tuple(argv)),
        address=address,
        programs=None,
        directory=Path(directory.replace("%%", "%")),
        variables=variables,
        log=log,
    )


def served_by_shell(line: str, *, address: Address, log: Path, **of: Any) -> str:
    """Return what is answered by what a person would type."""
    command = LaunchCommand(argv=("/bin/sh", "-c", f"{line} & wait"))
    return served(command, address=address, log=log, **of)


def served(command: LaunchCommand, *, address: Address, **of: Any) -> str:
    with launched(command, address=address, grace_s=2, **of) as server:
        server.wait_ready(lambda: complaint(address), timeout_s=60)
        return asked(address)
