"""How much load may go to a host that is not this machine."""

import pytest

from servelab.errors import UsageError
from servelab.load import caps
from servelab.model.address import Address
from servelab.model.load import ClosedLoop, Load, LoadPlan, OpenLoop, Protocol, Request


def plan(load: Load, *, requests: int | None = None, duration_s: float | None = 10.0) -> LoadPlan:
    return LoadPlan(
        target=Address("203.0.113.9", 80),
        protocol=Protocol.HTTP,
        request=Request(path="/"),
        check="servelab.load.answers:any_answer",
        load=load,
        requests=requests,
        duration_s=duration_s,
    )


def test_callers_think_so_long_that_all_of_them_keep_to_the_rate() -> None:
    load = caps.capped(plan(ClosedLoop(callers=50))).load
    assert load == ClosedLoop(callers=50, think_time_s=0.05)


def test_callers_who_think_longer_anyway_are_left_alone() -> None:
    load = ClosedLoop(callers=50, think_time_s=1.0)
    assert caps.capped(plan(load)).load == load


@pytest.mark.parametrize(
    "asked",
    [
        plan(ClosedLoop(callers=65)),
        plan(OpenLoop(rate_per_s=1001)),
        plan(ClosedLoop(callers=1), duration_s=61),
    ],
)
def test_more_is_refused_with_the_caps_in_words(asked: LoadPlan) -> None:
    with pytest.raises(UsageError, match="at most 1000 requests/s, 64 at a time and 60 s"):
        caps.capped(asked)


def test_a_number_of_requests_ends_with_the_time() -> None:
    capped = caps.capped(plan(ClosedLoop(callers=1), requests=10**9, duration_s=None))
    assert (capped.requests, capped.duration_s) == (10**9, 60.0)


@pytest.mark.parametrize(("asked", "given"), [(None, 64), (10, 10), (1000, 64)])
def test_an_open_loop_has_so_many_connections_at_most(asked: int | None, given: int) -> None:
    load = caps.capped(plan(OpenLoop(rate_per_s=1000, connection_limit=asked))).load
    assert isinstance(load, OpenLoop)
    assert load.connection_limit == given
