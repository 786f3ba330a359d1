"""From a deployment that was measured to what serves with it: commands and files; pure.

What was measured is what is made ready: only the address differs, and that is said.
"""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from servelab import catalogue
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment
from servelab.model.environment import Package, python_in_words
from servelab.model.launch import ConfigurationFile, LaunchCommand, longest_drain_s
from servelab.model.ready import Place, Ready, TextFile, requirements_name
from servelab.model.service import Service
from servelab.model.trial import Trial
from servelab.report import procfile, systemd
from servelab.report.other_python import OtherPython, other_python
from servelab.report.plain_text import name as name_of
from servelab.store import redaction

PROCFILE = "Procfile"
_LISTEN_LIMIT = 4096
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_LONGEST_NAME = 80
_OTHER_PORT = 1
"""Nobody serves there."""


def ready(
    deployment: Deployment,
    *,
    service: Service,
    trial: Trial,
    place: Place | None = None,
    listen_limit: int = _LISTEN_LIMIT,
) -> Ready:
    """Return all that it takes to serve with a deployment as a trial of it was measured.

    `listen_limit` is ``net.core.somaxconn`` of the machine. Raise UsageError where something
    cannot be written in a unit or a Procfile.
    """
    making = _Making(
        deployment=deployment,
        service=service,
        trial=trial,
        place=place or Place(),
        listen_limit=listen_limit,
    )
    configuration = making.configuration
    files = [
        *([TextFile(name=configuration.name, text=configuration.text)] if configuration else []),
        TextFile(name=f"{_slug(service.name)}.service", text=systemd.unit(_unit(making))),
        TextFile(name=PROCFILE, text=_procfile(making) + "\n"),
    ]
    return Ready(
        deployment=deployment.name,
        install=install_line(catalogue.to_install(deployment, packages=trial.packages)),
        command=str(making.typed),
        files=tuple(files),
        differences=tuple(_differences(making)),
        notes=tuple(_notes(making)),
    )


def command_elsewhere(
    deployment: Deployment, *, service: Service, trial: Trial, address: Address
) -> str | None:
    """Return the measured command with another address; None where servelab would change more."""
    making = _Making(
        deployment=deployment,
        service=service,
        trial=trial,
        place=Place(address=address),
        listen_limit=_LISTEN_LIMIT,
    )
    if trial.port is None or not _is_as_measured(making, measured=Address(LOOPBACK, trial.port)):
        return None
    return str(making.command_at(address))


def install_line(requirements: Iterable[str]) -> str:
    """Return the command line that installs requirements; empty without any."""
    texts = tuple(requirements)
    return shlex.join(["pip", "install", *texts]) if texts else ""


@dataclass(frozen=True, kw_only=True)
class _Making:
    """What everything is made from."""

    deployment: Deployment
    service: Service
    trial: Trial
    place: Place
    listen_limit: int

    @cached_property
    def configuration(self) -> ConfigurationFile | None:
        return self.configuration_at(self.place.address)

    @cached_property
    def typed(self) -> LaunchCommand:
        """Return what one types in the folder: short where all else is in a script or file."""
        return self.own_script_at(self.place.address) or self.command_at(self.place.address)

    @property
    def folder(self) -> str:
        return self.place.folder or self.service.directory

    @property
    def programs(self) -> PurePosixPath:
        """Return where the programs of the user's environment are, or are to be."""
        user = self.service.environment
        if user is None or self.other is not None:
            folder = ".venv" if self.other is None else self.other.folder
            return PurePosixPath(self.service.directory) / folder / "bin"
        return PurePosixPath(user.directory) / "bin"

    @cached_property
    def other(self) -> OtherPython | None:
        """Return the interpreter that was measured where the user's environment has another."""
        return other_python(self.trial, service=self.service)

    def own_script_at(self, address: Address) -> LaunchCommand | None:
        """Return the command of a file that is itself the program; None where it is settings."""
        found, elsewhere = (
            self.configuration_at(each) for each in (address, Address(address.host, _OTHER_PORT))
        )
        # A script is told the address; a configuration holds it.
        if found is None or elsewhere is None or found.command == elsewhere.command:
            return None
        return found.command

    def command_at(self, address: Address) -> LaunchCommand:
        return catalogue.launch_command(
            self.deployment,
            service=self.service,
            address=address,
            longest_drain_s=longest_drain_s(self.trial.timeout_s),
            cpu_count=self._cpu_count,
            listen_limit=self.listen_limit,
            packages=self._packages,
        )

    def configuration_at(self, address: Address) -> ConfigurationFile | None:
        return catalogue.configuration_file(
            self.deployment,
            service=self.service,
            address=address,
            longest_drain_s=longest_drain_s(self.trial.timeout_s),
            cpu_count=self._cpu_count,
            listen_limit=self.listen_limit,
            packages=self._packages,
        )

    @property
    def _cpu_count(self) -> int:
        return self.trial.placement.server_core_count if self.trial.placement else 1

    @property
    def _packages(self) -> tuple[Package, ...]:
        return tuple(Package(name, version) for name, version in self.trial.packages.items())


# ---- the unit and the Procfile


def _unit(making: _Making) -> systemd.Unit:
    command = making.configuration.command if making.configuration else making.typed
    program, *arguments = command.argv
    variables, secret = _variables(making)
    file = making.place.environment_file
    where = file.path if file is not None else f"{making.service.directory}/.env"
    return systemd.Unit(
        description=f"{name_of(making.service.name)} on {name_of(making.deployment.title)}",
        directory=making.service.directory,
        program=str(making.programs / program),
        arguments=tuple(_where_it_lies(word, making=making) for word in arguments),
        variables=(*_surroundings(making), *command.variables, *variables),
        environment_file=where if file is not None or secret else None,
        remarks=tuple(_remarks(making)),
        limits=making.trial.limits,
    )


def _surroundings(making: _Making) -> Iterable[tuple[str, str]]:
    """Yield what activating the environment does, as it was when the server was measured."""
    yield "PATH", f"{making.programs}:{_SYSTEM_PATH}"
    yield "VIRTUAL_ENV", str(making.programs.parent)


def _variables(making: _Making) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the variables that may be written down, and the names of those that may not.

    Neither has what the environment file sets.
    """
    file = making.place.environment_file
    missing = [
        (name, value)
        for name, value in making.service.variables
        if file is None or name not in file.names
    ]
    secret = tuple(name for name, value in missing if _is_secret(name, value))
    return tuple(pair for pair in missing if pair[0] not in secret), secret


def _is_secret(name: str, value: str) -> bool:
    return value == redaction.HIDDEN or redaction.argument(f"{name}={value}") != f"{name}={value}"


def _where_it_lies(word: str, *, making: _Making) -> str:
    """Return the path of the configuration file where the word names it in another folder."""
    found = making.configuration
    if found is None or word != found.name or making.folder == making.service.directory:
        return word
    return str(PurePosixPath(making.folder) / found.name)


def _remarks(making: _Making) -> Iterable[str]:
    words = catalogue.server(making.deployment.server).on_sigterm
    if words:
        yield words


def _procfile(making: _Making) -> str:
    first, second = (
        making.own_script_at(address) or making.command_at(address)
        for address in (Address(procfile.ANY_HOST, port) for port in procfile.PORTS)
    )
    return procfile.line(first, second)


# ---- what is said of them


def _differences(making: _Making) -> Iterable[str]:
    trial, address = making.trial, making.place.address
    measured = None if trial.port is None else Address(LOOPBACK, trial.port)
    if measured != address:
        yield f"It listens on {address}; " + (
            "where it was measured is not known." if measured is None else f"measured: {measured}."
        )
    yield f"The Procfile has it listen on {procfile.ANY_HOST} and the port that the platform gives."
    if measured is not None and not _is_as_measured(making, measured=measured):
        yield (
            f"servelab would start it otherwise today; what was measured is: {trial.command}. "
            "Measure again, or take that command."
        )
    if making.configuration is not None and making.own_script_at(address) is None:
        yield f"The unit has the same settings from {making.configuration.name}."


def _is_as_measured(making: _Making, *, measured: Address) -> bool:
    made = redaction.command(making.command_at(measured))
    return redaction.words(str(made)) == redaction.words(making.trial.command)


def _notes(making: _Making) -> Iterable[str]:
    service, address = making.service, making.place.address
    if making.other is not None:
        python = python_in_words(making.other.version)
        (how,) = making.other.making(results=None, project=service.directory)
        yield (
            f"It was measured on {python}, and the environment of yours is on another one: make it "
            f"with {how}, and install there what yours holds; a file "
            f"{requirements_name(making.other.version)} in the results has the list."
        )
    elif service.environment is None:
        yield f"Make the environment first: python3 -m venv {shlex.quote(f'{_venv(making)}')}."
    if address.host != LOOPBACK:
        yield (
            f"On {address.host} it is reached without a proxy; put one before it where clients are "
            "slow or not trusted."
        )
    yield from _remarks(making)
    if catalogue.server(making.deployment.server).is_for_development:
        yield f"{making.deployment.server} is for development: its own manual says so."
    _, secret = _variables(making)
    if secret:
        yield (
            f"No file has the value of {', '.join(map(name_of, secret))}: the unit reads it from "
            f"{_environment_file(making)}, as NAME=value."
        )
    elif making.place.environment_file is not None:
        yield (
            f"systemd reads {making.place.environment_file.path} as lines of NAME=value, without "
            "`export` and without variables in values."
        )
    if service.variables:
        names = ", ".join(name_of(name) for name, _ in service.variables)
        yield f"What runs the Procfile has to set {names}."
    if making.trial.limits is not None:
        yield f"The unit keeps the limits under which it was measured: {making.trial.limits}."


def _venv(making: _Making) -> PurePosixPath:
    return making.programs.parent


def _environment_file(making: _Making) -> str:
    file = making.place.environment_file
    return f"{making.service.directory}/.env" if file is None else file.path


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:_LONGEST_NAME] or "application"
