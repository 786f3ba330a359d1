"""The race within a memory limit: who takes too much is followed by one that takes less."""

from collections.abc import Callable
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servelab import catalogue
from servelab.model.deployment import Interface
from servelab.model.slo import Slo
from servelab.model.tuning import (
    Candidate,
    Loss,
    LossCause,
    Measured,
    RaceEnding,
    Round,
    StackVariant,
    Tuned,
    Tuning,
)
from servelab.model.variant import Axis
from servelab.tuning import answer, next_round
from tests.report.own_runs import SERVICE
from tests.tuning.races import MB, PROCESSES, THREADS, of, race, rounds_of, way

MORE_PROCESSES = Axis(setting="processes", values=(1, 2, 4, 8, 16, 32, 33, 64), start=16)
WORKERS = Axis(setting="workers", values=("1", "2", "4", "8"), start="8")
ASGI = msgspec.structs.replace(SERVICE, interface=Interface.ASGI, framework="fastapi")
CORES = 16


def count_of(candidate: Candidate) -> int:
    settings = dict(candidate.settings)
    return int(settings.get("processes") or settings.get("workers") or 1)


def of_each_process(megabytes: float) -> Callable[[Candidate], float]:
    return lambda candidate: megabytes * count_of(candidate)


def raced(
    tuning: Tuning,
    *,
    memory_mb: Callable[[Candidate], float],
    rate: Callable[[Candidate], float] | None = None,
) -> tuple[list[Measured], Tuned]:
    """Race with one process for a core at the best, each start and stop of 2 s and 8 s of load."""

    def weighed(each: Measured) -> Measured:
        peak_bytes = round(memory_mb(each.candidate) * MB)
        return msgspec.structs.replace(each, peak_memory_bytes=peak_bytes)

    past, _ = race(
        tuning,
        rate=lambda each, _: 100.0 * min(count_of(each), CORES) if rate is None else rate(each),
        changed=weighed,
    )
    return past, answer(past, tuning=tuning)


def within(limit_mb: float, *ways: StackVariant, **more: object) -> Tuning:
    tuning = Tuning(space=ways, memory_limit_bytes=round(limit_mb * MB))
    return msgspec.structs.replace(tuning, **more)


def over(found: Tuned) -> list[Loss]:
    return [each for each in found.losses if each.cause is LossCause.OVER_MEMORY]


@pytest.mark.parametrize("service", [SERVICE, ASGI], ids=["wsgi", "asgi"])
def test_on_many_cores_every_way_goes_on_with_fewer_processes(service: object) -> None:
    assert isinstance(service, type(SERVICE))
    ways = catalogue.own_ways(service, only=(), cpu_count=CORES)
    past, found = raced(within(800, *ways), memory_mb=of_each_process(60))
    free, _ = raced(Tuning(space=ways), memory_mb=of_each_process(60))
    assert len(past) <= len(free)
    assert found.winner is not None
    assert count_of(found.winner) == 8
    assert found.peak_memory_bytes == 480 * MB
    with_processes = {
        each.name for each in ways if any(axis.setting == "processes" for axis in each.variant.axes)
    }
    ran = {each.candidate.way for each in past if count_of(each.candidate) == 8}
    assert ran == with_processes


def test_one_that_is_over_is_followed_by_the_most_that_may_fit() -> None:
    past, found = raced(
        within(700, way("a", MORE_PROCESSES), way("b"), way("c")), memory_mb=of_each_process(80)
    )
    assert [(each.candidate, each.round) for each in over(found)] == [(of("a", 16), 1)]
    assert rounds_of(past, of("a", 8))[0] == 2
    assert rounds_of(past, of("a", 4))[0] == 3
    assert found.winner == of("a", 8)


def test_where_a_process_is_not_all_that_takes_memory_it_goes_down_again() -> None:
    _, found = raced(
        within(500, way("a", MORE_PROCESSES), way("b"), way("c")),
        memory_mb=lambda each: 30.0 if each.stack != "a" else 400 + 20 * count_of(each),
    )
    assert [(each.candidate, each.round) for each in over(found)] == [
        (of("a", 16), 1),
        (of("a", 8), 2),
    ]
    assert found.winner == of("a", 4)


def test_a_way_retires_once_its_lightest_is_over() -> None:
    _, found = raced(
        within(100, way("a", PROCESSES, THREADS), way("b"), way("c")),
        memory_mb=lambda each: 300.0 * count_of(each) if each.stack == "a" else 50,
    )
    assert [each.candidate for each in over(found)] == [
        of("a", 2, 4),
        of("a", 1, 4),
        of("a", 1, 1),
    ]
    assert found.winner is not None
    assert found.winner.stack in {"b", "c"}


def test_a_way_with_less_of_something_else_than_processes_is_tried_so() -> None:
    _, found = raced(
        within(100, way("a", PROCESSES, THREADS), way("b"), way("c")),
        memory_mb=lambda each: 30.0 * int(dict(each.settings).get("threads") or 1),
    )
    assert found.winner is not None
    assert dict(found.winner.settings)["threads"] == 1


def test_where_all_are_over_at_first_the_race_goes_on() -> None:
    ways = [way(stack, MORE_PROCESSES) for stack in ("a", "b", "c", "d")]
    _, found = raced(within(300, *ways), memory_mb=of_each_process(60))
    assert found.winner is not None
    assert count_of(found.winner) == 4
    assert found.ending is not RaceEnding.NOTHING_RUNS


def test_where_the_lightest_of_all_are_over_nothing_runs_and_that_is_known_soon() -> None:
    ways = [way(stack, MORE_PROCESSES, THREADS) for stack in ("a", "b", "c", "d")]
    past, found = raced(within(20, *ways), memory_mb=of_each_process(60))
    assert (found.winner, found.ending) == (None, RaceEnding.NOTHING_RUNS)
    assert {each.candidate for each in found.losses} >= {of(way.stack, 1, 1) for way in ways}
    assert max(each.round for each in past) == 3


def test_numbers_that_were_typed_for_a_command_go_down_too() -> None:
    ways = (way("mine", WORKERS), way("b"), way("c"))
    _, found = raced(within(300, *ways), memory_mb=of_each_process(60))
    assert found.winner is not None
    assert found.winner.settings == (("workers", "4"),)


def test_values_without_numbers_stay_as_they_are() -> None:
    kinds = Axis(setting="kind", values=("big", "small"), start="big")
    _, found = raced(
        within(100, way("mine", kinds), way("b"), way("c")),
        memory_mb=lambda each: 200.0 if each.stack == "mine" else 50,
    )
    assert len(over(found)) == 1


def test_a_lighter_beginning_has_its_neighbours_tried_as_a_start_has() -> None:
    def rate(each: Candidate) -> float:
        threads = int(dict(each.settings).get("threads") or 1)
        return 100.0 if each.stack != "a" else 15.0 * threads

    _, found = raced(
        within(200, way("a", MORE_PROCESSES, THREADS), way("b"), way("c")),
        memory_mb=of_each_process(60),
        rate=rate,
    )
    assert found.winner is not None
    assert dict(found.winner.settings)["threads"] == 16


def test_one_with_as_much_as_one_that_was_over_is_not_tried() -> None:
    past, found = raced(
        within(500, way("a", MORE_PROCESSES, THREADS), way("b"), way("c")),
        memory_mb=of_each_process(60),
    )
    assert found.winner is not None
    assert count_of(found.winner) == 8
    lost = [each.candidate for each in over(found)]
    assert of("a", 16, 4) in lost
    assert of("a", 16, 16) not in {each.candidate for each in past}


def test_a_benchmark_that_is_over_changes_nothing_of_its_way() -> None:
    folklore = of("a", 33)
    tuning = within(1000, way("a", MORE_PROCESSES), way("b"), way("c"), benchmarks=(folklore,))
    past, found = raced(tuning, memory_mb=of_each_process(60))
    assert (folklore, 1) in {(each.candidate, each.round) for each in over(found)}
    assert found.winner == of("a", 16)
    second = {each.candidate for each in past if each.round == 2}
    assert of("a", 16) in second
    assert of("a", 33) not in second


def test_one_that_was_slower_comes_back_when_the_faster_one_comes_to_take_too_much() -> None:
    tuning = within(500, way("a", MORE_PROCESSES), way("b", MORE_PROCESSES))

    def changed(each: Measured) -> Measured:
        # It grows from one round to the next.
        peak_bytes = (60 if each.round < 4 else 70) * count_of(each.candidate) * MB
        return msgspec.structs.replace(each, peak_memory_bytes=peak_bytes)

    past, _ = race(tuning, rate=lambda each, _: 100.0 * count_of(each), changed=changed)
    found = answer(past, tuning=tuning)
    assert found.winner is not None
    assert count_of(found.winner) == 4
    assert found.winner not in {each.candidate for each in found.losses}
    assert 4 not in rounds_of(past, found.winner)
    assert set(rounds_of(past, found.winner)) >= {2, 5, 6}


def test_without_room_for_a_lighter_one_the_budget_is_spent() -> None:
    ways = [way(stack, MORE_PROCESSES) for stack in ("a", "b", "c", "d")]
    _, found = raced(within(300, *ways, most_trials=6), memory_mb=of_each_process(60))
    assert (found.winner, found.ending) == (None, RaceEnding.SPENT)


def test_a_limit_that_nobody_reaches_changes_nothing() -> None:
    ways = [way(stack, MORE_PROCESSES, THREADS) for stack in ("a", "b", "c")]
    slo = Slo(quantile="p99", target_s=0.2)
    with_limit, _ = raced(within(10_000, *ways, slo=slo), memory_mb=of_each_process(60))
    without, _ = raced(Tuning(space=tuple(ways), slo=slo), memory_mb=of_each_process(60))
    assert with_limit == without


@settings(max_examples=40, deadline=None)
@given(
    limit_mb=st.integers(30, 1500),
    seed=st.integers(0, 10_000),
    most_trials=st.sampled_from([None, 12, 40]),
)
def test_any_race_within_a_limit_ends_and_follows_from_its_past(
    limit_mb: int, seed: int, most_trials: int | None
) -> None:
    ways = (way("a", MORE_PROCESSES, THREADS), way("b", PROCESSES), way("c"))
    tuning = within(limit_mb, *ways, benchmarks=(of("b", 5),), most_trials=most_trials)

    def noise(*what: object) -> float:
        return 0.7 + 0.6 * (crc32(repr((seed, *what)).encode()) % 1000) / 1000

    def changed(each: Measured) -> Measured:
        peak_bytes = 60 * MB * count_of(each.candidate) * noise(each.candidate.name, each.round)
        return msgspec.structs.replace(each, peak_memory_bytes=round(peak_bytes))

    past, ending = race(tuning, rate=lambda each, n: 100 * noise(each.name, n, 1), changed=changed)
    found = answer(past, tuning=tuning)
    lost = [each.candidate for each in found.losses]
    assert len(lost) == len(set(lost))
    assert found.winner not in lost
    if ending is RaceEnding.NOTHING_RUNS and most_trials is None:
        least = {of("a", 1, 1), of("b", 1), Candidate(stack="c")}
        assert least <= {each.candidate for each in over(found)}
    cut = seed % (len(past) + 1)
    asked = next_round(past[:cut], tuning=tuning)
    if cut < len(past):
        assert isinstance(asked, Round)
        rest = [each for each in past[cut:] if each.round == past[cut].round]
        assert [(e.candidate, e.role) for e in rest] == [
            (e.candidate, e.role) for e in asked.entrants
        ]
