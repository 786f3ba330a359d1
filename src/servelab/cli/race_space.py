"""What is raced for a user's application: the ways to run its servers, and where each begins."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from servelab import catalogue
from servelab.model.deployment import Deployment
from servelab.model.service import Service
from servelab.model.tuning import Candidate, StackVariant, Tuning, TuningOrder
from servelab.tuning import space as starts_of


class Space(Struct, frozen=True, kw_only=True):
    """The ways to run the servers that can serve an application."""

    ways: tuple[StackVariant, ...]
    starts: tuple[Deployment, ...]
    """One of each way."""
    benchmarks: tuple[Candidate, ...]

    @property
    def rehearsed(self) -> tuple[Deployment, ...]:
        """Return the starts, each once: ways that differ in their axes may begin alike."""
        return tuple({each.name: each for each in self.starts}.values())


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
    return Space(
        ways=ways,
        starts=tuple(
            catalogue.own_deployment(starts_of.start(way), service=service, cpu_count=cpu_count)
            for way in ways
        ),
        benchmarks=_folklore(ways, service=service, cpu_count=cpu_count),
    )


def without(tuning: Tuning, *, space: Space, excluded: Mapping[str, str]) -> Tuning:
    """Return a race without the ways whose start was excluded."""
    started = zip(space.ways, space.starts, strict=True)
    left = tuple(way for way, start in started if start.name not in excluded)
    return msgspec.structs.replace(
        tuning,
        space=left,
        benchmarks=tuple(
            each for each in tuning.benchmarks if any(starts_of.holds(way, each) for way in left)
        ),
    )


def deployment_of(order: TuningOrder) -> Callable[[Candidate], Deployment]:
    """Return what makes the deployment of a candidate."""
    service = order.options.service
    assert service is not None  # noqa: S101 - nothing else is raced

    def made(candidate: Candidate) -> Deployment:
        return catalogue.own_deployment(candidate, service=service, cpu_count=order.cpu_count)

    return made


def _folklore(
    ways: Sequence[StackVariant], *, service: Service, cpu_count: int
) -> tuple[Candidate, ...]:
    """Return the folklore setting of each way that may have it.

    Where the user keeps the processes to other values it could win, and would be no answer.
    """
    stack = catalogue.folklore_stack(service.interface)
    count = catalogue.folklore_processes(cpu_count)
    found: dict[str, Candidate] = {}
    for way in ways:
        benchmark = starts_of.with_value(starts_of.start(way), setting="processes", value=count)
        if way.stack == stack and starts_of.holds(way, benchmark):
            found.setdefault(way.name, benchmark)
    return tuple(found.values())
