"""The servers that can serve a user's own application, each in all its variants."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from servelab.catalogue.behind import behind, split_front
from servelab.catalogue.discovery import servers
from servelab.catalogue.environments import environment_spec, spec_beside
from servelab.catalogue.frameworks import Framework
from servelab.catalogue.names import unknown
from servelab.catalogue.own_command import COMMAND, server_of_command
from servelab.catalogue.selection import on_python, split_python, split_settings
from servelab.catalogue.server import Naming, Server
from servelab.catalogue.settings import convert_settings
from servelab.catalogue.stack import Stack, deploy
from servelab.model.deployment import Deployment, Interface
from servelab.model.environment import EnvironmentSpec
from servelab.model.service import OwnCommand, Service
from servelab.model.tuning import Candidate
from servelab.model.variant import Variant, given


def framework_of_service(service: Service) -> Framework:
    """Return what the application is written in; what that needs is the user's own matter."""
    return Framework(
        name=service.framework,
        summary=service.name,
        interface=service.interface,
        requirements=(),
        directory=Path(service.directory),
    )


def own_environment_spec(deployment: Deployment, *, service: Service) -> EnvironmentSpec:
    """Return what the environment of a deployment must hold, over what the user's own holds."""
    if deployment.server == COMMAND.name:
        return EnvironmentSpec(
            name=COMMAND.name,
            requirements=(),
            constraints="",
            lock=None,
            beside=service.environment,
            is_built=False,
        )
    if service.environment is None:
        return environment_spec(deployment.server)
    return spec_beside(deployment.server, user=service.environment, settings=deployment.settings)


def own_deployments(service: Service, *, cpu_count: int) -> tuple[Deployment, ...]:
    """Return one deployment for each server and variant that can serve it, as a search begins.

    Those of the user's own commands come last.
    """
    found = (
        own_start(on, variant=variant, service=service)
        for on in servers()
        for variant in own_variants(on, service=service, cpu_count=cpu_count)
        if obstacle_to_own(on, service=service) is None
        and not _objects(on, variant, service=service)
    )
    return (*found, *(_of_command(each, service=service) for each in service.commands))


def own_deployment(candidate: Candidate, *, service: Service, cpu_count: int) -> Deployment:
    """Return the deployment of a candidate of a race; raise UnknownName or UsageError."""
    values = given(candidate.settings)
    if (command := command_named(candidate.stack, service=service)) is not None:
        made = _of_command(command, service=service, values=values)
    else:
        on, (variant, *_) = own_stack(candidate.stack, service=service, cpu_count=cpu_count)
        made = _deployed(service, on, variant=variant, values=values)
    (found,) = behind([made], name=candidate.front)
    return found


def command_named(name: str, *, service: Service) -> OwnCommand | None:
    """Return the command of a name, None where a server is meant; UnknownName if there is none."""
    commands = {each.name: each for each in service.commands}
    if name not in commands and not service.application:
        raise unknown("command", name, known=list(commands))
    return commands.get(name)


def own_deployments_named(
    names: tuple[str, ...], *, service: Service, cpu_count: int
) -> tuple[Deployment, ...]:
    """Return the deployments that have these names; raise UnknownName or UsageError.

    A name holds all settings: what it leaves out is not set, wherever a search would begin.
    """
    return tuple(
        each for name in names for each in _named(name, service=service, cpu_count=cpu_count)
    )


def _named(name: str, *, service: Service, cpu_count: int) -> tuple[Deployment, ...]:
    selected, python = split_python(name)
    selected, front = split_front(selected)
    stack, _, settings = selected.partition(":")
    overrides = split_settings(settings, text=name) if settings else {}
    if (command := command_named(stack, service=service)) is not None:
        return behind([_of_command(command, service=service, values=overrides)], name=front)
    on, (variant, *_) = own_stack(stack, service=service, cpu_count=cpu_count)
    values = {**dict(variant.fixed), **overrides}
    found = behind([_deployed(service, on, variant=variant, values=values)], name=front)
    return on_python(found, python=python)


def obstacle_to_own(on: Server[Any], *, service: Service) -> str | None:
    """Say in a sentence why a server cannot serve an application at all; None where it can."""
    obstacle = _obstacle(on, service=service)
    return None if obstacle is None else f"{on.name} {obstacle}"


def own_obstacles(service: Service) -> dict[str, tuple[str, ...]]:
    """Return what keeps servers of the application's interface from it, with their names.

    Of programs that listen by themselves that is nothing.
    """
    found: dict[str, tuple[str, ...]] = {}
    for on in servers() if service.application else ():
        obstacle = _obstacle(on, service=service)
        variants = tuple(own_variants(on, service=service, cpu_count=1))
        would_serve = any(not _objects(on, each, service=service) for each in variants)
        if would_serve and obstacle is not None:
            found[obstacle] = (*found.get(obstacle, ()), on.name)
    return found


def _obstacle(on: Server[Any], *, service: Service) -> str | None:
    if service.interface not in on.interfaces:
        return f"serves no {service.interface.value.upper()} applications."
    if service.interface is Interface.GRPC:
        return "cannot start a gRPC service of yours; give its command with --command."
    if service.is_factory and on.naming is Naming.NOTHING:
        return (
            "finds an application by itself, and cannot be told of a factory; name one that is "
            f"ready instead of {service.name}."
        )
    return None


def own_stack(
    name: str, *, service: Service, cpu_count: int
) -> tuple[Server[Any], tuple[Variant, ...]]:
    """Return server and variants of a stack's name; raise UnknownName."""
    known = own_stacks(service, cpu_count=cpu_count)
    if name not in known:
        raise unknown("server", name, known=list(known))
    return known[name]


def own_stacks(
    service: Service, *, cpu_count: int
) -> dict[str, tuple[Server[Any], tuple[Variant, ...]]]:
    """Return server and variants of each name that selects some, ``SERVER[-VARIANT]``."""
    found: dict[str, tuple[Server[Any], tuple[Variant, ...]]] = {}
    for on in servers():
        variants = tuple(own_variants(on, service=service, cpu_count=cpu_count))
        found[on.name] = (on, variants)
        found |= {own_stack_name(on, each): (on, (each,)) for each in variants if each.name}
    return found


def own_variants(on: Server[Any], *, service: Service, cpu_count: int) -> Iterator[Variant]:
    """Yield the ways to run a server for the application's interface."""
    if service.interface in on.interfaces:
        yield from on.variants(service.interface, cpu_count)


def _objects(on: Server[Any], variant: Variant, *, service: Service) -> bool:
    """Tell whether a server has an objection to a variant for this application."""
    settings = convert_settings(on, given(variant.start), of=own_stack_name(on, variant))
    return on.objection(settings, framework_of_service(service)) is not None


def own_stack_name(on: Server[Any], variant: Variant) -> str:
    """Return what selects one way to run a server."""
    return f"{on.name}-{variant.name}" if variant.name else on.name


def own_start(on: Server[Any], *, variant: Variant, service: Service) -> Deployment:
    """Return the deployment with which a search through a variant begins."""
    return _deployed(service, on, variant=variant, values=given(variant.start))


def _of_command(
    command: OwnCommand, *, service: Service, values: Mapping[str, Any] = MappingProxyType({})
) -> Deployment:
    is_grpc = service.interface is Interface.GRPC
    on = server_of_command(command)
    return deploy(
        Stack(
            name=command.name,
            summary=COMMAND.summary,
            framework=service.framework,
            interface=Interface.GRPC if is_grpc else Interface.HTTP,
            application=shlex.join(command.argv),
            server=COMMAND.name,
        ),
        on,
        framework=framework_of_service(service),
        settings=convert_settings(on, values, of=command.name),
    )


def _deployed(
    service: Service, on: Server[Any], *, variant: Variant, values: dict[str, Any]
) -> Deployment:
    name = own_stack_name(on, variant)
    return deploy(
        Stack(
            name=name,
            summary=f"{service.name} on {on.summary}",
            framework=service.framework,
            interface=service.interface,
            application=service.application,
            server=on.name,
        ),
        on,
        framework=framework_of_service(service),
        settings=convert_settings(on, values, of=name),
    )
