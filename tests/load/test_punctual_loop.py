"""On a simulated clock: setting the timer is sleeping until it rings."""

import itertools
import socket
from collections.abc import Callable, Iterable

import pytest

from servelab.load.punctual_loop import LONGEST_LEAD_NS, PunctualLoop
from servelab.load.timerfd import Timer

TICK_NS = 1_000_000_000
LOOK_NS = 1_000


class World:
    """Time goes by when the clock is looked at, and when the timer is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, wakes_after_ns: Iterable[int]) -> None:
        self.now_ns = 1_000_000_000
        self.alarms_ns: list[int] = []
        set_timer = Timer.set
        after_ns = itertools.cycle(wakes_after_ns)

        def sleep(timer: Timer, when_ns: int) -> None:
            self.alarms_ns.append(when_ns)
            self.now_ns = max(self.now_ns, when_ns + next(after_ns))
            set_timer(timer, 1)

        monkeypatch.setattr(Timer, "set", sleep)

    def clock(self) -> int:
        self.now_ns += LOOK_NS
        return self.now_ns


def run_steps(world: World, *, number: int, apart_ns: int) -> tuple[PunctualLoop, list[int]]:
    """Call back so many times at equal distances; return how late each was."""
    loop = PunctualLoop(tick_ns=TICK_NS, clock=world.clock)
    late_ns: list[int] = []
    start_ns = world.now_ns + apart_ns

    def step() -> None:
        late_ns.append(world.now_ns - start_ns - len(late_ns) * apart_ns)
        plan()

    def plan() -> None:
        if len(late_ns) < number:
            loop.call_at(start_ns + len(late_ns) * apart_ns, step)

    begin: list[Callable[[], None]] = [plan]
    loop.run(
        is_over=lambda: len(late_ns) == number, tick=lambda _: begin.pop()() if begin else None
    )
    loop.close()
    return loop, late_ns


def test_who_wakes_late_learns_to_sleep_less(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, wakes_after_ns=[40_000])

    loop, late_ns = run_steps(world, number=200, apart_ns=1_000_000)

    assert late_ns[0] >= 35_000
    assert max(late_ns[100:]) < 5 * LOOK_NS
    assert min(late_ns) >= 0
    assert loop.watched_ns < 200 * 5 * LOOK_NS


def test_no_lead_is_longer_than_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, wakes_after_ns=[500_000])

    _, late_ns = run_steps(world, number=200, apart_ns=1_000_000)

    least_ns = 500_000 - LONGEST_LEAD_NS
    assert least_ns <= min(late_ns[100:]) <= max(late_ns[100:]) < least_ns + 10 * LOOK_NS


def test_watching_takes_a_twentieth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, wakes_after_ns=[10_000, 20_000, 30_000, 60_000])
    start_ns = world.now_ns

    loop, late_ns = run_steps(world, number=1000, apart_ns=100_000)

    assert min(late_ns) >= 0
    passed_ns = 1000 * 100_000
    assert passed_ns * 0.04 < loop.watched_ns < passed_ns / 20 + LONGEST_LEAD_NS
    # Given up, it slept until the moment itself, and took it up again.
    first_ns = start_ns + LOOK_NS
    is_exact = [(alarm_ns - first_ns) % 100_000 == 0 for alarm_ns in world.alarms_ns[500:]]
    assert 0 < sum(is_exact) < len(is_exact)


def test_events_are_taken_while_the_clock_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, wakes_after_ns=[-50_000])
    loop = PunctualLoop(tick_ns=TICK_NS, clock=world.clock)
    ours, theirs = socket.socketpair()
    happened: list[str] = []

    def receive(_mask: int) -> None:
        happened.append(ours.recv(1).decode())
        if len(happened) < 3:
            theirs.send(b"e")

    def begin(now_ns: int) -> None:
        if not happened:
            loop.call_at(now_ns + 1_000_000, lambda: happened.append("due"))
            theirs.send(b"e")

    loop.add(ours.fileno(), receive)
    loop.run(is_over=lambda: "due" in happened, tick=begin)
    loop.close()
    ours.close()
    theirs.close()

    assert happened == ["e", "e", "e", "due"]
    assert loop.watched_ns > 40_000


def test_who_is_over_while_watching_calls_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, wakes_after_ns=[-50_000])
    loop = PunctualLoop(tick_ns=TICK_NS, clock=world.clock)
    called: list[int] = []
    end_ns = world.now_ns + 980_000
    due_ns = world.now_ns + 1_000_000

    loop.run(
        is_over=lambda: world.now_ns >= end_ns,
        tick=lambda _: loop.call_at(due_ns, lambda: called.append(1)),
    )
    loop.close()

    assert not called
    assert world.now_ns < due_ns
