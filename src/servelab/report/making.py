"""A deployment that was measured, and where it is to serve: all that its files are made from."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeVar

from servelab import catalogue
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment
from servelab.model.environment import Package
from servelab.model.launch import ConfigurationFile, LaunchCommand, longest_drain_s
from servelab.model.ready import Place, TextFile
from servelab.model.service import Service
from servelab.model.trial import Trial
from servelab.report import deploy_front, procfile, unit_variables
from servelab.report.other_python import OtherPython, other_python
from servelab.report.unit_variables import UnitVariables
from servelab.store import redaction

OTHER_PORT = 1
"""Nobody serves there."""
_LONGEST_NAME = 80

Made = TypeVar("Made")


def slug_of(name: str) -> str:
    """Return the name for files and folders of what is served under a name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:_LONGEST_NAME] or "application"


@dataclass(frozen=True, kw_only=True)
class Making:
    """What everything is made from."""

    deployment: Deployment
    service: Service
    trial: Trial
    place: Place
    listen_limit: int

    @cached_property
    def configuration(self) -> ConfigurationFile | None:
        """Return the server's own file; None where it has none."""
        return self.configuration_at(self.listens_at)

    @property
    def started(self) -> LaunchCommand:
        """Return what a service manager starts."""
        if self.configuration is not None:
            return self.configuration.command
        return self.command_at(self.listens_at)

    @property
    def is_own(self) -> bool:
        """Tell whether it is a program of the user's."""
        return catalogue.is_own_command(self.deployment)

    @property
    def name(self) -> str:
        """Return what is served, as its user named it."""
        return self.deployment.stack if self.is_own else self.service.name

    @property
    def slug(self) -> str:
        """Return the name for files and folders."""
        return slug_of(self.name)

    @cached_property
    def listens_at(self) -> Address | Path:
        """Return where it is to listen: a unix socket has a path."""
        return deploy_front.socket(self.trial, name=self.slug) or self.place.address

    @cached_property
    def measured_at(self) -> Address | Path | None:
        """Return where it listened when it was measured; None where that is not known."""
        if self.trial.front is not None:
            return deploy_front.upstream(self.trial)
        return None if self.trial.port is None else Address(LOOPBACK, self.trial.port)

    @cached_property
    def is_told_its_port(self) -> bool:
        """Tell whether it can be made to listen on another port."""
        one, other = (self.command_at(Address(LOOPBACK, port)) for port in procfile.PORTS)
        return one != other

    @cached_property
    def typed(self) -> LaunchCommand:
        """Return what one types in the folder: short where all else is in a script or file."""
        return self.own_script_at(self.place.address) or self.command_at(self.place.address)

    @cached_property
    def module(self) -> TextFile | None:
        """Return the module that names the application; None where the server needs none."""
        return catalogue.own_module(self.deployment, service=self.service)

    @cached_property
    def variables(self) -> UnitVariables:
        """Return where a unit has the user's variables from."""
        return unit_variables.of_service(
            self.service, file=self.place.environment_file, name=self.slug
        )

    @property
    def has_environment(self) -> bool:
        """Tell whether it runs in an environment of the user's, be it one that is to be made."""
        return self.service.environment is not None or not self.is_own

    @property
    def folder(self) -> str:
        """Return where the files will lie."""
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
            self.configuration_at(each) for each in (address, Address(address.host, OTHER_PORT))
        )
        # A script is told the address; a configuration holds it.
        if found is None or elsewhere is None or found.command == elsewhere.command:
            return None
        return found.command

    def command_at(self, at: Address | Path) -> LaunchCommand:
        """Return the measured command with another place to listen."""
        made = self._made(catalogue.launch_command, at=at)
        # What users write into their own commands is looked through, as where it is stored.
        return redaction.command(made) if self.is_own else made

    def configuration_at(self, at: Address | Path) -> ConfigurationFile | None:
        """Return the server's own file with another place to listen; None where it has none."""
        return self._made(catalogue.configuration_file, at=at)

    def _made(self, make: Callable[..., Made], *, at: Address | Path) -> Made:
        """Return what the catalogue makes for the conditions of the trial."""
        placement, packages = self.trial.placement, self.trial.packages
        return make(
            self.deployment,
            service=self.service,
            address=at if isinstance(at, Address) else self.place.address,
            longest_drain_s=longest_drain_s(self.trial.timeout_s),
            cpu_count=placement.server_core_count if placement else 1,
            listen_limit=self.listen_limit,
            packages=tuple(Package(name, version) for name, version in packages.items()),
            unix_socket=None if isinstance(at, Address) else at,
            module_folder=Path(self.folder),
        )
