"""What is raced for a user's application: the ways to run its servers, and where each begins."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from servelab import catalogue
from servelab.model.deployment import Deployment, Interface
from servelab.model.service import Service
from servelab.model.tuning import Candidate, StackVariant, Tuning, TuningOrder
from servelab.tuning import space as starts_of

_FOLKLORE = {Interface.WSGI: "gunicorn-sync", Interface.ASGI: "gunicorn-uvicorn"}
"""Whose manual advises 2 * cores + 1 processes."""


class Space(Struct, frozen=True, kw_only=True):
    """The ways to run the servers that can serve an application."""

    ways: tuple[StackVariant, ...]
    starts: tuple[Deployment, ...]
    """One of each way."""
    benchmarks: tuple[Candidate, ...]


def lay_out(
    service: Service, *, only: Sequence[str], cpu_count: int, front: str | None = None
) -> Space:
    """Return all ways, or those of the named servers and variants; raise UnknownName, UsageError.

    With a `front` all of them are behind it, but those that were named behind another. Development
    servers are no answer to how an application is to be served.
    """
    ways = tuple(
        dict.fromkeys(
            way if way.front else msgspec.structs.replace(way, front=front)
            for way in catalogue.own_ways(service, only=tuple(only), cpu_count=cpu_count)
        )
    )
    folklore = _FOLKLORE.get(service.interface)
    benchmarks = tuple(
        _with_processes(way, count=2 * cpu_count + 1) for way in ways if way.stack == folklore
    )
    return Space(
        ways=ways,
        starts=tuple(
            catalogue.own_deployment(starts_of.start(way), service=service, cpu_count=cpu_count)
            for way in ways
        ),
        benchmarks=benchmarks,
    )


def without(tuning: Tuning, *, space: Space, excluded: Mapping[str, str]) -> Tuning:
    """Return a race without the ways whose start was excluded."""
    started = zip(space.ways, space.starts, strict=True)
    gone = {way.name for way, start in started if start.name in excluded}
    return msgspec.structs.replace(
        tuning,
        space=tuple(way for way in tuning.space if way.name not in gone),
        benchmarks=tuple(each for each in tuning.benchmarks if each.way not in gone),
    )


def deployment_of(order: TuningOrder) -> Callable[[Candidate], Deployment]:
    """Return what makes the deployment of a candidate."""
    service = order.options.service
    assert service is not None  # noqa: S101 - nothing else is raced

    def made(candidate: Candidate) -> Deployment:
        return catalogue.own_deployment(candidate, service=service, cpu_count=order.cpu_count)

    return made


def _with_processes(way: StackVariant, *, count: int) -> Candidate:
    begun = starts_of.start(way)
    settings = tuple((key, count if key == "processes" else value) for key, value in begun.settings)
    return msgspec.structs.replace(begun, settings=settings)
