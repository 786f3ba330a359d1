"""A stack: a framework on a server, and the deployments of it that are measured."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from servelab.catalogue.frameworks import Framework, framework
from servelab.catalogue.server import Server
from servelab.catalogue.settings import convert_settings
from servelab.errors import UsageError
from servelab.model.deployment import Deployment, Interface, ServerSettings


class Published(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The figures that the seed published, measured on another machine with old versions."""

    failures: int
    requests_per_s: float
    mean_ms: float
    p50_ms: float
    p100_ms: float


class Stack(Struct, frozen=True, kw_only=True):
    """A framework on a server, by name."""

    name: str
    summary: str
    framework: str
    interface: Interface
    application: str
    server: str
    seed_position: int | None = None
    """Place on the seed's page; None beyond the seed."""
    deployments: tuple[Deployment, ...] = ()
    published: tuple[dict[str, Published], ...] = ()
    """For each deployment, workload -> figures."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables of its command; ``{cpu_count}`` stands for that number."""

    @property
    def is_beyond_the_seed(self) -> bool:
        """Tell whether the seed lacks this stack."""
        return self.seed_position is None


class _DeploymentEntry(Struct, frozen=True, forbid_unknown_fields=True):
    settings: dict[str, Any] = {}
    published: dict[str, Published] = {}


class _StackFile(Struct, frozen=True, forbid_unknown_fields=True):
    summary: str
    framework: str
    application: str
    server: str
    deployments: tuple[_DeploymentEntry, ...]
    settings: dict[str, Any] = {}
    variables: dict[str, str] = {}
    seed_position: int | None = None


def read_stack(path: Path, servers: dict[str, Server[Any]]) -> Stack:
    """Read a stack's TOML; raise UsageError naming the file when it is no valid stack."""
    try:
        content = msgspec.toml.decode(path.read_bytes(), type=_StackFile)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is no stack: {error}.") from None
    if content.server not in servers:
        raise UsageError(f"{path} names the server {content.server!r}, which does not exist.")
    server = servers[content.server]
    stack = Stack(
        name=path.stem,
        summary=content.summary,
        framework=content.framework,
        interface=framework(content.framework).interface,
        application=content.application,
        server=content.server,
        seed_position=content.seed_position,
        published=tuple(entry.published for entry in content.deployments),
        variables=tuple(content.variables.items()),
    )
    settings = [
        convert_settings(server, {**content.settings, **entry.settings}, of=path.stem)
        for entry in content.deployments
    ]
    deployments = tuple(
        deploy(stack, server, framework=framework(stack.framework), settings=each)
        for each in settings
    )
    return msgspec.structs.replace(stack, deployments=deployments)


def deploy(
    stack: Stack, server: Server[Any], *, framework: Framework, settings: ServerSettings
) -> Deployment:
    """Return the deployment of a stack with settings; raise UsageError where they do not go."""
    objection = server.objection(settings, framework)
    if objection is None and stack.interface not in server.interfaces:
        objection = f"{server.name} cannot serve {stack.interface.value.upper()} applications"
    if objection is not None:
        raise UsageError(f"{stack.name}: {objection}.")
    return Deployment(
        stack=stack.name,
        server=server.name,
        framework=stack.framework,
        interface=stack.interface,
        application=stack.application,
        settings=settings,
        heading=server.heading(settings),
        processes=server.processes(settings),
        summary=stack.summary,
    )
