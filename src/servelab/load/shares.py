"""Shares of a load plan, one for each generator process; together they are the plan. Pure."""

import msgspec

from servelab.model.load import ClosedLoop, Connections, LoadPlan, OpenLoop, Protocol


def usable_generators(plan: LoadPlan) -> int:
    """Return how many processes can take part: each needs a caller, a connection, a request."""
    limits = [plan.generators]
    if plan.requests is not None:
        limits.append(plan.requests)
    if plan.protocol is Protocol.GRPC and plan.connections is Connections.KEPT:
        limits.append(plan.channels)
    if isinstance(plan.load, ClosedLoop):
        limits.append(plan.load.callers)
    else:
        limits.append(plan.load.in_flight_limit)
        if plan.load.connection_limit is not None:
            limits.append(plan.load.connection_limit)
    return max(1, min(limits))


def split(plan: LoadPlan) -> tuple[LoadPlan, ...]:
    """Return what each process does.

    Callers, channels and limits are dealt out, and requests in proportion to the callers. An open
    loop keeps its whole schedule: each process takes every n-th arrival of it.
    """
    count = usable_generators(plan)
    return tuple(_share(plan, index=index, count=count) for index in range(count))


def dealt(total: int, *, index: int, count: int) -> int:
    """Return how many of so many things one gets when they are dealt out in turn."""
    return total // count + (index < total % count)


def _share(plan: LoadPlan, *, index: int, count: int) -> LoadPlan:
    channels = max(1, dealt(plan.channels, index=index, count=count))
    if isinstance(plan.load, ClosedLoop):
        return msgspec.structs.replace(
            plan,
            load=msgspec.structs.replace(
                plan.load, callers=_callers(plan, index=index, count=count)
            ),
            requests=_requests(plan, index=index, count=count),
            channels=channels,
        )
    return msgspec.structs.replace(
        plan, load=_limits(plan.load, index=index, count=count), channels=channels
    )


def _callers(plan: LoadPlan, *, index: int, count: int) -> int:
    """Return the number of callers whose channel (each has its own in HTTP) is dealt to one."""
    assert isinstance(plan.load, ClosedLoop)  # noqa: S101 - the one caller has seen to it
    callers = plan.load.callers
    shares_channels = plan.protocol is Protocol.GRPC and plan.connections is Connections.KEPT
    channels = plan.channels if shares_channels else callers
    return sum(
        dealt(callers, index=channel, count=channels) for channel in range(index, channels, count)
    )


def _requests(plan: LoadPlan, *, index: int, count: int) -> int | None:
    """Return a number in proportion to the callers; all of them add up exactly."""
    if plan.requests is None:
        return None
    shares = [_callers(plan, index=each, count=count) for each in range(count)]
    before, after = sum(shares[:index]), sum(shares[: index + 1])
    return plan.requests * after // sum(shares) - plan.requests * before // sum(shares)


def _limits(load: OpenLoop, *, index: int, count: int) -> OpenLoop:
    connections = load.connection_limit
    return msgspec.structs.replace(
        load,
        in_flight_limit=dealt(load.in_flight_limit, index=index, count=count),
        connection_limit=(
            None if connections is None else dealt(connections, index=index, count=count)
        ),
    )
