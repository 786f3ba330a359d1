"""What each generator process does; together they do exactly what was asked."""

from itertools import product

import pytest

from servelab.load.shares import split, usable_generators
from servelab.model.address import Address
from servelab.model.load import ClosedLoop, Connections, LoadPlan, OpenLoop, Protocol

from .loads import plan_for

TARGET = Address("127.0.0.1", 1)


def closed(plan: LoadPlan) -> int:
    assert isinstance(plan.load, ClosedLoop)
    return plan.load.callers


def opened(plan: LoadPlan) -> OpenLoop:
    assert isinstance(plan.load, OpenLoop)
    return plan.load


@pytest.mark.parametrize(
    ("callers", "requests", "generators"),
    [*product((1, 3, 64, 100), (1, 7, 300), (1, 2, 3, 8))],
)
def test_callers_and_requests_add_up_exactly(callers: int, requests: int, generators: int) -> None:
    plan = plan_for(
        TARGET, load=ClosedLoop(callers=callers), requests=requests, generators=generators
    )
    shares = split(plan)

    assert len(shares) == min(callers, requests, generators)
    assert sum(closed(share) for share in shares) == callers
    assert sum(share.requests or 0 for share in shares) == requests
    assert max(map(closed, shares)) - min(map(closed, shares)) <= 1


def test_a_load_for_a_time_has_no_number_of_requests_in_any_share() -> None:
    plan = plan_for(TARGET, load=ClosedLoop(callers=4), requests=None, duration_s=1, generators=2)

    assert [share.requests for share in split(plan)] == [None, None]
    assert [share.duration_s for share in split(plan)] == [1, 1]


@pytest.mark.parametrize(("callers", "channels"), [(10, 3), (64, 64), (5, 5), (7, 4)])
def test_each_channel_keeps_its_callers(callers: int, channels: int) -> None:
    plan = plan_for(
        TARGET,
        load=ClosedLoop(callers=callers),
        requests=None,
        protocol=Protocol.GRPC,
        channels=channels,
        generators=2,
    )

    def callers_by_channel(share: LoadPlan) -> list[int]:
        return [
            len(range(channel, closed(share), share.channels)) for channel in range(share.channels)
        ]

    found = [number for share in split(plan) for number in callers_by_channel(share)]
    assert sorted(found) == sorted(callers_by_channel(plan))


def test_an_open_loops_limits_are_dealt_and_its_rate_is_not() -> None:
    load = OpenLoop(rate_per_s=1000, in_flight_limit=11, connection_limit=5)
    shares = split(plan_for(TARGET, load=load, requests=100, generators=2))

    assert [opened(share).in_flight_limit for share in shares] == [6, 5]
    assert [opened(share).connection_limit for share in shares] == [3, 2]
    # Each process sees the whole schedule and takes every other arrival of it.
    assert [opened(share).rate_per_s for share in shares] == [1000, 1000]
    assert [share.requests for share in shares] == [100, 100]


def test_there_are_no_more_processes_than_connections_to_share() -> None:
    load = OpenLoop(rate_per_s=1000, connection_limit=2)
    assert usable_generators(plan_for(TARGET, load=load, generators=8)) == 2
    one_channel = plan_for(
        TARGET,
        load=ClosedLoop(callers=64),
        requests=None,
        protocol=Protocol.GRPC,
        connections=Connections.KEPT,
        generators=8,
    )
    assert usable_generators(one_channel) == 1
