"""What a user selects to serve an application: ``SERVER[-VARIANT][:key=value/...][+FRONT]``."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from servelab.catalogue.behind import behind, split_front
from servelab.catalogue.discovery import servers
from servelab.catalogue.names import unknown
from servelab.catalogue.narrowing import narrow
from servelab.catalogue.own import (
    command_named,
    obstacle_to_own,
    own_deployment,
    own_stack,
    own_stack_name,
    own_stacks,
    own_start,
    own_variants,
)
from servelab.catalogue.own_command import server_of_command
from servelab.catalogue.selection import on_python, split_python, split_settings
from servelab.catalogue.server import Server
from servelab.errors import UsageError
from servelab.model.deployment import Deployment, Interface
from servelab.model.service import OwnCommand, Service
from servelab.model.tuning import Candidate, StackVariant
from servelab.model.variant import Setting, Variant


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
            on, own_variants(on, service=service, cpu_count=cpu_count), service=service, allowed={}
        ).ways
    )
    return (*of_servers, *map(_way_of, service.commands))


def check_own_selection(text: str, *, service: Service) -> None:
    """Raise UnknownName or UsageError for what would select nothing of any application.

    Of the service only its commands are looked at, and whether it has an application.
    """
    selected, _ = split_python(text)
    selected, front = split_front(selected)
    behind((), name=front)
    name, colon, settings = selected.partition(":")
    allowed = split_settings(settings, text=text) if colon else {}
    if (command := command_named(name, service=service)) is not None:
        on = server_of_command(command)
    else:
        known = {
            stack: found
            for each in Interface
            for stack, (found, _) in own_stacks(
                msgspec.structs.replace(service, interface=each), cpu_count=1
            ).items()
        }
        if name not in known:
            raise unknown("server", name, known=list(known))
        on = known[name]
    narrow(Variant(), on=on, allowed=allowed, of=name)


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
    if (command := command_named(name, service=service)) is not None:
        if python is not None:
            raise UsageError(
                f"{name} is a command, which names its interpreter itself; leave @{python} out."
            )
        way = _way_of(command)
        on = server_of_command(command)
        variant = narrow(way.variant, on=on, allowed=allowed, of=command.name)
        ways: tuple[StackVariant, ...] = (msgspec.structs.replace(way, variant=variant),)
    else:
        on, variants = own_stack(name, service=service, cpu_count=cpu_count)
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
        of = own_stack_name(on, variant)
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


def _combinations(variant: Variant, *, of: frozenset[str]) -> Iterator[tuple[Setting, ...]]:
    """Yield each combination of the values of some axes, with the rest as a search begins."""
    axes = [axis for axis in variant.axes if axis.setting in of]
    for values in itertools.product(*(axis.values for axis in axes)):
        chosen = dict(zip((axis.setting for axis in axes), values, strict=True))
        yield tuple({**dict(variant.start), **chosen}.items())


def _refuse_objections(on: Server[Any], variant: Variant, *, service: Service) -> None:
    """Raise UsageError where a value of an axis does not go with the application or the others."""
    for axis in variant.axes:
        for value in axis.values:
            begun = msgspec.structs.replace(axis, start=value)
            axes = tuple(begun if each is axis else each for each in variant.axes)
            own_start(on, variant=msgspec.structs.replace(variant, axes=axes), service=service)
