"""How a deployment is started, and whether it can be here."""

from pathlib import Path
from typing import Any

import msgspec

from servelab.catalogue.discovery import server_of, stack
from servelab.catalogue.frameworks import framework
from servelab.catalogue.own import framework_of_service
from servelab.catalogue.own_module import NAMED, own_module
from servelab.catalogue.server import LaunchRequest
from servelab.model.address import Address
from servelab.model.deployment import Deployment
from servelab.model.environment import Interpreter, Package
from servelab.model.launch import PYTHON_PATH, ConfigurationFile, LaunchCommand
from servelab.model.service import Service

_DEFAULT_LISTEN_LIMIT = 4096


def launch_command(
    deployment: Deployment,
    *,
    service: Service | None = None,
    address: Address,
    longest_drain_s: float,
    cpu_count: int,
    listen_limit: int = _DEFAULT_LISTEN_LIMIT,
    packages: tuple[Package, ...] = (),
    unix_socket: Path | None = None,
    module_folder: Path | None = None,
) -> LaunchCommand:
    """Return the command that starts a deployment in its application's folder.

    `service` is the user's application, where it is none of the catalogue's.
    `listen_limit` is the host's ``net.core.somaxconn``; `packages` are those of the environment,
    for flags that only some versions have (none: the catalogue's own versions). With a
    `unix_socket`, which not all servers can have, it listens there instead of at the address.
    `module_folder` is where the module of `own_module` lies, for those that need it; by default
    where the server is started.
    """
    command = server_of(deployment).command(
        _request(
            deployment,
            service=service,
            address=address,
            longest_drain_s=longest_drain_s,
            cpu_count=cpu_count,
            listen_limit=listen_limit,
            packages=packages,
            unix_socket=unix_socket,
        )
    )
    if service is not None:
        return _finding_module(command, deployment, service=service, folder=module_folder)
    variables = tuple(
        (name, value.replace("{cpu_count}", str(cpu_count)))
        for name, value in stack(deployment.stack).variables
    )
    return msgspec.structs.replace(command, variables=(*command.variables, *variables))


def configuration_file(
    deployment: Deployment,
    *,
    service: Service,
    address: Address,
    longest_drain_s: float,
    cpu_count: int,
    listen_limit: int = _DEFAULT_LISTEN_LIMIT,
    packages: tuple[Package, ...] = (),
    unix_socket: Path | None = None,
    module_folder: Path | None = None,
) -> ConfigurationFile | None:
    """Return the server's own file with the settings of `launch_command`; None: it has none."""
    write = server_of(deployment).configuration
    if write is None:
        return None
    file = write(
        _request(
            deployment,
            service=service,
            address=address,
            longest_drain_s=longest_drain_s,
            cpu_count=cpu_count,
            listen_limit=listen_limit,
            packages=packages,
            unix_socket=unix_socket,
        )
    )
    command = _finding_module(file.command, deployment, service=service, folder=module_folder)
    return msgspec.structs.replace(file, command=command)


def _finding_module(
    command: LaunchCommand, deployment: Deployment, *, service: Service, folder: Path | None
) -> LaunchCommand:
    if own_module(deployment, service=service) is None:
        return command
    said = (
        f"{NAMED}: a module of servelab's, for {deployment.server} cannot be told "
        f"{service.name} itself."
    )
    return msgspec.structs.replace(
        command,
        module_folder=str(folder or "."),
        keeps_python_path=PYTHON_PATH in dict(service.variables),
        departures=(*command.departures, said),
    )


def _request(
    deployment: Deployment,
    *,
    service: Service | None,
    address: Address,
    longest_drain_s: float,
    cpu_count: int,
    listen_limit: int,
    packages: tuple[Package, ...],
    unix_socket: Path | None = None,
) -> LaunchRequest[Any]:
    has_module = service is not None and own_module(deployment, service=service) is not None
    # Whatever it is in the module, to the server it is a name.
    is_factory = service is not None and service.is_factory and not has_module
    return LaunchRequest(
        settings=deployment.settings,
        application=NAMED if has_module else deployment.application,
        framework=framework(deployment.framework)
        if service is None
        else framework_of_service(service),
        address=address,
        longest_drain_s=longest_drain_s,
        cpu_count=cpu_count,
        listen_limit=listen_limit,
        packages=packages,
        is_factory=is_factory,
        arguments=service.arguments if service is not None and is_factory else "",
        is_own=service is not None,
        unix_socket=unix_socket,
    )


def why_not_here(
    deployment: Deployment,
    *,
    interpreter: Interpreter,
    compiler: Path | None,
    service: Service | None = None,
) -> str | None:
    """Say in a sentence why a deployment cannot run on an interpreter of this machine, or None."""
    server = server_of(deployment)
    needs, found = server.needs, f"{interpreter.path} is {interpreter.version}"
    if interpreter.minor < needs.minimum_python:
        return f"{server.name} needs Python {_dotted(needs.minimum_python)} or newer; {found}."
    if needs.below_python is not None and interpreter.minor >= needs.below_python:
        return f"{server.name} needs a Python below {_dotted(needs.below_python)}; {found}."
    needs_gil = needs.needs_gil
    if service is not None and server.needs_gil_beside is not None:
        needs_gil = server.needs_gil_beside(deployment.settings)
    if needs_gil and interpreter.is_free_threaded:
        return (
            f"{server.name}, or a package that it needs, has no build for free-threaded Python; "
            "choose another interpreter with --python."
        )
    if needs.needs_compiler and compiler is None:
        return f"{server.name} is built from source and finds no C compiler; install one (cc)."
    return None


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(str(number) for number in version)
