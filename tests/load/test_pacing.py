"""Pacing and stop rules, on a clock that only moves when it is read."""

import heapq
from collections.abc import Callable
from itertools import count

import pytest

from servelab.load import schedule
from servelab.load.answers import any_answer
from servelab.load.dispatch import ClosedDispatch, OpenDispatch, SharedLanes
from servelab.load.lane import Dispatch, Lane
from servelab.load.ledger import Ledger
from servelab.load.loop import SpinningLoop
from servelab.load.record import COLUMNS, ROW
from servelab.model.outcome import Outcome

READING_NS = 100
"""How far the clock moves when it is read."""
ROUND_NS = 20 * READING_NS
"""More than a round of the loop, or the taking up of a request, takes."""


class Clock:
    def __init__(self) -> None:
        self._now_ns = count(0, READING_NS)

    def __call__(self) -> int:
        return next(self._now_ns)


class Rows:
    def __init__(self) -> None:
        self.rows: list[tuple[int, ...]] = []
        self.pack = ROW.pack

    def keep(self, row: bytes) -> None:
        self.rows.append(ROW.unpack(row))

    def column(self, name: str) -> list[int]:
        at = [known for known, _ in COLUMNS].index(name)
        return [row[at] for row in sorted(self.rows)]


class World:
    """A server that answers each request so long after it was taken up."""

    def __init__(self, *, service_ns: int) -> None:
        self.clock = Clock()
        self.loop = SpinningLoop(tick_ns=1_000_000, clock=self.clock)
        self.rows = Rows()
        self.ledger = Ledger(self.rows, check=any_answer({}), timeout_ns=10**12, clock=self.clock)
        self.service_ns = service_ns
        self.dispatch: Dispatch
        self.most_in_flight = 0

    def run(self, dispatch: Dispatch) -> None:
        self.dispatch = dispatch
        dispatch.begin(0)
        self.loop.run(is_over=lambda: dispatch.is_over, tick=dispatch.expire)
        self.loop.close()


class FakeLane:
    def __init__(self, world: World) -> None:
        self.world = world

    def start(self, planned_ns: int, taken_up_ns: int, _now_ns: int) -> None:
        world = self.world
        world.most_in_flight = max(world.most_in_flight, world.ledger.in_flight)

        def end() -> None:
            finished_ns = world.clock()
            world.ledger.settle(
                Outcome.OK,
                reason="",
                sequence=world.ledger.next_sequence(),
                planned_ns=planned_ns,
                taken_up_ns=taken_up_ns,
                sent_ns=taken_up_ns,
                finished_ns=finished_ns,
            )
            world.dispatch.free(self, finished_ns)

        world.loop.call_at(taken_up_ns + world.service_ns, end)

    def expire(self, now_ns: int) -> int:
        return now_ns + 10**12

    def abandon(self, now_ns: int) -> None:
        raise AssertionError(now_ns)


@pytest.fixture
def world() -> World:
    return World(service_ns=1_000_000)


def closed(
    world: World,
    callers: int,
    *,
    requests: int | None,
    end_ns: int | None = None,
    think_ns: int = 0,
) -> ClosedDispatch:
    lanes: list[Lane] = [FakeLane(world) for _ in range(callers)]
    return ClosedDispatch(
        schedule.ClosedSchedule(requests=requests, end_ns=end_ns, think_ns=think_ns),
        ledger=world.ledger,
        loop=world.loop,
        callers=lanes,
    )


def opened(world: World, *planned_ns: int, limit: int = 100) -> OpenDispatch:
    return OpenDispatch(
        iter(planned_ns),
        ledger=world.ledger,
        loop=world.loop,
        pool=SharedLanes([FakeLane(world)]),
        in_flight_limit=limit,
    )


def test_every_arrival_is_taken_up_within_a_round_of_its_moment(world: World) -> None:
    planned_ns = [number * 37_000 for number in range(500)]
    world.run(opened(world, *planned_ns))

    assert world.rows.column("planned_ns") == planned_ns
    delays_ns = [
        taken_ns - planned
        for taken_ns, planned in zip(world.rows.column("taken_up_ns"), planned_ns, strict=True)
    ]
    assert all(0 <= delay_ns <= ROUND_NS for delay_ns in delays_ns)


def test_arrivals_of_one_moment_are_all_taken_up_and_none_is_moved(world: World) -> None:
    world.run(opened(world, *[5_000_000] * 20, 5_000_001))

    assert world.rows.column("planned_ns") == [5_000_000] * 20 + [5_000_001]
    assert max(world.rows.column("taken_up_ns")) <= 5_000_000 + 21 * ROUND_NS


def test_an_open_loop_ends_with_its_last_answer(world: World) -> None:
    world.run(opened(world, 1_000, 500_000))

    assert world.ledger.last_finished_ns >= 1_500_000
    assert world.ledger.in_flight == 0


def test_callers_never_have_more_than_one_request_in_flight_each(world: World) -> None:
    world.run(closed(world, 3, requests=50))

    assert len(world.rows.rows) == 50
    assert world.most_in_flight == 3


def test_a_caller_thinks_for_exactly_its_time(world: World) -> None:
    world.run(closed(world, 1, requests=10, think_ns=250_000))

    planned_ns, finished_ns = world.rows.column("planned_ns"), world.rows.column("finished_ns")
    assert [
        later - earlier for earlier, later in zip(finished_ns, planned_ns[1:], strict=False)
    ] == [250_000] * 9


def test_nothing_starts_at_or_after_the_end_of_the_time(world: World) -> None:
    world.run(closed(world, 2, requests=None, end_ns=10_000_000))

    assert max(world.rows.column("planned_ns")) < 10_000_000
    # A request takes a little more than a millisecond.
    assert len(world.rows.rows) in {18, 20}


def test_a_caller_whose_time_to_think_ends_with_the_word_to_stop_starts_nothing(
    world: World,
) -> None:
    dispatch = closed(world, 3, requests=10, think_ns=250_000)
    dispatch.begin(0)

    dispatch.stop()
    assert [dispatch.forgo(1), dispatch.forgo(1)] == [10, 0]
    world.loop.run(is_over=lambda: world.clock() > 1_000_000, tick=dispatch.expire)
    world.loop.close()

    assert world.ledger.next_sequence() == 0
    assert world.ledger.in_flight == 0
    assert dispatch.is_over


def test_a_stop_does_not_wait_for_the_count_of_what_was_still_to_come(world: World) -> None:
    dispatch = OpenDispatch(
        count(0, 1_000_000),  # without end
        ledger=world.ledger,
        loop=world.loop,
        pool=SharedLanes([FakeLane(world)]),
        in_flight_limit=100,
    )
    dispatch.begin(0)
    dispatch.stop()

    assert dispatch.is_over
    assert [dispatch.forgo(7), dispatch.forgo(5)] == [7, 5]
    world.loop.run(is_over=lambda: world.clock() > 5_000_000, tick=dispatch.expire)
    world.loop.close()
    assert world.rows.rows == []


def test_littles_identity_holds_to_the_nanosecond(world: World) -> None:
    world.run(opened(world, *(number * 300_000 for number in range(50))))

    times_ns = sum(world.rows.column("finished_ns")) - sum(world.rows.column("planned_ns"))
    assert world.ledger.area_ns == times_ns


def test_only_rounds_with_work_count_as_busy(world: World) -> None:
    world.run(opened(world, 0, 50_000_000))

    assert 0 < world.loop.busy_ns < world.loop.total_ns / 10


def test_due_callbacks_run_in_the_order_of_their_moments() -> None:
    loop = SpinningLoop(tick_ns=1_000, clock=Clock())
    called: list[int] = []
    moments_ns = [5_000, 1_000, 3_000, 3_000]

    def note(when_ns: int) -> Callable[[], None]:
        return lambda: called.append(when_ns)

    for when_ns in moments_ns:
        loop.call_at(when_ns, note(when_ns))
    loop.run(is_over=lambda: len(called) == 4, tick=lambda _: None)
    loop.close()

    assert called == heapq.nsmallest(4, moments_ns)
