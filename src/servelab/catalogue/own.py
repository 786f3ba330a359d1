"""The servers that can serve a user's own application, each in all its variants."""

import itertools
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from servelab.catalogue.behind import behind, split_front
from servelab.catalogue.discovery import servers
from servelab.catalogue.environments import environment_spec, spec_beside
from servelab.catalogue.frameworks import Framework
from servelab.catalogue.names import unknown
from servelab.catalogue.narrowing import narrow
from servelab.catalogue.own_command import COMMAND, server_of_command
from servelab.catalogue.selection import on_python, split_python, split_settings
from servelab.catalogue.server import Naming, Server
from servelab.catalogue.settings import convert_settings
from servelab.catalogue.stack import Stack, deploy
from servelab.errors import UsageError
from servelab.model.deployment import Deployment, Interface
from servelab.model.environment import EnvironmentSpec
from servelab.model.service import OwnCommand, Service
from servelab.model.tuning import Candidate, StackVariant
from servelab.model.variant import Value, Variant


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
        _deployment(service, on, variant=variant)
        for on in servers()
        for variant in _variants(on, service=service, cpu_count=cpu_count)
        if obstacle_to_own(on, service=service) is None
        and not _objects(on, variant, service=service)
    )
    return (*found, *(_of_command(each, service=service) for each in service.commands))


def find_own_deployments(text: str, *, service: Service, cpu_count: int) -> tuple[Deployment, ...]:
    """Return what ``SERVER[-VARIANT][:key=value/value,...][+FRONT][@PYTHON]`` selects.

    A server alone means all its variants that can serve it, and have what the settings say; the
    name of a command means that, and its axes are its settings. Of several values each is one
    deployment; what the text leaves out is as a search begins. Raise UnknownName or UsageError.
    """
    chosen = _chosen(text, service=service, cpu_count=cpu_count)
    found = [
        own_deployment(
            Candidate(stack=each.stack, settings=settings), service=service, cpu_count=cpu_count
        )
        for each in chosen.ways
        for settings in _combinations(each.variant, of=chosen.named)
    ]
    return on_python(behind(found, name=chosen.front), python=chosen.python)


def own_ways(
    service: Service, *, only: tuple[str, ...], cpu_count: int
) -> tuple[StackVariant, ...]:
    """Return the ways to run a user's application, or commands, that a search goes through.

    `only` names servers, their variants or commands, each perhaps with the values that settings
    may have, and behind a front: ``SERVER[-VARIANT][:key=value/value,...][+FRONT]``; without it all
    commands, and all servers that are meant for production. Raise UnknownName, or UsageError where
    one of them cannot serve it so.
    """
    if not only:
        return _all_ways(service, cpu_count=cpu_count)
    found: list[StackVariant] = []
    for text in only:
        chosen = _chosen(text, service=service, cpu_count=cpu_count)
        if chosen.python is not None:
            raise UsageError(
                f"{text}: a race is run on one interpreter; give it with --python {chosen.python}."
            )
        found += (msgspec.structs.replace(each, front=chosen.front) for each in chosen.ways)
    return tuple(dict.fromkeys(found))


def _all_ways(service: Service, *, cpu_count: int) -> tuple[StackVariant, ...]:
    of_servers = (
        way
        for on in servers()
        if not on.is_for_development and obstacle_to_own(on, service=service) is None
        for way in _narrowed(
            on, _variants(on, service=service, cpu_count=cpu_count), service=service, allowed={}
        ).ways
    )
    return (*of_servers, *map(_way_of, service.commands))


class _Narrowed(NamedTuple):
    """The ways to run one server, or command, with the values that were named."""

    ways: tuple[StackVariant, ...]
    objections: tuple[UsageError, ...] = ()
    """To the other variants."""


class _Chosen(NamedTuple):
    """What a text selects."""

    ways: tuple[StackVariant, ...]
    named: frozenset[str]
    """The settings that it says something of."""
    front: str | None
    python: str | None


def _chosen(text: str, *, service: Service, cpu_count: int) -> _Chosen:
    """Take a selection apart; raise UnknownName, or UsageError where no variant is left."""
    selected, python = split_python(text)
    selected, front = split_front(selected)
    name, colon, settings = selected.partition(":")
    allowed = split_settings(settings, text=text) if colon else {}
    if (command := _command_named(name, service=service)) is not None:
        if python is not None:
            raise UsageError(
                f"{name} is a command, which names its interpreter itself; leave @{python} out."
            )
        way = _way_of(command)
        on = server_of_command(command)
        variant = narrow(way.variant, on=on, allowed=allowed, of=command.name)
        ways: tuple[StackVariant, ...] = (msgspec.structs.replace(way, variant=variant),)
    else:
        on, variants = _selected(name, service=service, cpu_count=cpu_count)
        if (obstacle := obstacle_to_own(on, service=service)) is not None:
            raise UsageError(obstacle)
        ways, objections = _narrowed(on, variants, service=service, allowed=allowed)
        if not ways:
            raise objections[0]
    return _Chosen(ways=ways, named=frozenset(allowed), front=front, python=python)


def _way_of(command: OwnCommand) -> StackVariant:
    return StackVariant(stack=command.name, variant=Variant(axes=command.axes))


def _narrowed(
    on: Server[Any],
    variants: Iterable[Variant],
    *,
    service: Service,
    allowed: Mapping[str, str],
) -> _Narrowed:
    """Return the variants of a server that take all values that are allowed.

    What these make of one variant may be another one, which is left then: with threads, uWSGI's
    one request at a time.
    """
    own, made, objections = [], [], []
    for variant in variants:
        of = _stack_name(on, variant)
        try:
            narrowed = narrow(variant, on=on, allowed=allowed, of=of)
            _refuse_objections(on, narrowed, service=service)
        except UsageError as error:
            objections.append(error)
            continue
        made.append(StackVariant(stack=of, variant=narrowed))
        if _has(variant, settings=allowed):
            own.append(made[-1])
    reached = {_space(way.variant) for way in own}
    left = (way for way in made if way in own or _space(way.variant) not in reached)
    return _Narrowed(tuple(left), tuple(objections))


def _has(variant: Variant, *, settings: Iterable[str]) -> bool:
    return {*settings} <= {*dict(variant.fixed), *(axis.setting for axis in variant.axes)}


def _space(variant: Variant) -> frozenset[object]:
    """Return what a search through a variant can reach, wherever it begins."""
    return frozenset([*variant.fixed, *((axis.setting, axis.values) for axis in variant.axes)])


def _combinations(
    variant: Variant, *, of: frozenset[str]
) -> Iterator[tuple[tuple[str, Value], ...]]:
    """Yield each combination of the values of some axes, with the rest as a search begins."""
    axes = [axis for axis in variant.axes if axis.setting in of]
    begun = {**dict(variant.fixed), **{axis.setting: axis.start for axis in variant.axes}}
    for values in itertools.product(*(axis.values for axis in axes)):
        chosen = dict(zip((axis.setting for axis in axes), values, strict=True))
        yield tuple({**begun, **chosen}.items())


def own_deployment(candidate: Candidate, *, service: Service, cpu_count: int) -> Deployment:
    """Return the deployment of a candidate of a race; raise UnknownName or UsageError."""
    values = {key: value for key, value in candidate.settings if value is not None}
    if (command := _command_named(candidate.stack, service=service)) is not None:
        made = _of_command(command, service=service, values=values)
    else:
        on, (variant, *_) = _selected(candidate.stack, service=service, cpu_count=cpu_count)
        made = _deployed(service, on, variant=variant, values=values)
    (found,) = behind([made], name=candidate.front)
    return found


def _command_named(name: str, *, service: Service) -> OwnCommand | None:
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
    if (command := _command_named(stack, service=service)) is not None:
        return behind([_of_command(command, service=service, values=overrides)], name=front)
    on, (variant, *_) = _selected(stack, service=service, cpu_count=cpu_count)
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
        variants = tuple(_variants(on, service=service, cpu_count=1))
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


def _selected(
    name: str, *, service: Service, cpu_count: int
) -> tuple[Server[Any], tuple[Variant, ...]]:
    """Return server and variants of a stack's name."""
    by_stack: dict[str, tuple[Server[Any], tuple[Variant, ...]]] = {}
    for on in servers():
        variants = tuple(_variants(on, service=service, cpu_count=cpu_count))
        by_stack[on.name] = (on, variants)
        by_stack |= {_stack_name(on, each): (on, (each,)) for each in variants if each.name}
    if name not in by_stack:
        raise unknown("server", name, known=list(by_stack))
    return by_stack[name]


def _variants(on: Server[Any], *, service: Service, cpu_count: int) -> Iterator[Variant]:
    if service.interface in on.interfaces:
        yield from on.variants(service.interface, cpu_count)


def _objects(on: Server[Any], variant: Variant, *, service: Service) -> bool:
    """Tell whether a server has an objection to a variant for this application."""
    settings = convert_settings(on, _values(variant), of=_stack_name(on, variant))
    return on.objection(settings, framework_of_service(service)) is not None


def _refuse_objections(on: Server[Any], variant: Variant, *, service: Service) -> None:
    """Raise UsageError where a value of an axis does not go with the application or the others."""
    for axis in variant.axes:
        for value in axis.values:
            begun = msgspec.structs.replace(axis, start=value)
            axes = tuple(begun if each is axis else each for each in variant.axes)
            _deployment(service, on, variant=msgspec.structs.replace(variant, axes=axes))


def _values(variant: Variant) -> dict[str, Any]:
    starts = {axis.setting: axis.start for axis in variant.axes if axis.start is not None}
    return {**dict(variant.fixed), **starts}


def _stack_name(on: Server[Any], variant: Variant) -> str:
    return f"{on.name}-{variant.name}" if variant.name else on.name


def _deployment(service: Service, on: Server[Any], *, variant: Variant) -> Deployment:
    """Return the deployment with which a search through a variant begins."""
    return _deployed(service, on, variant=variant, values=_values(variant))


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
    name = _stack_name(on, variant)
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
