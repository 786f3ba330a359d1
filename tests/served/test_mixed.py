"""The workload mixed: which calls are slow, and what each must answer."""

import asyncio
from collections import Counter

import pytest

from servelab.served import workloads
from servelab.served.workloads import cpu, hello, mixed

PARAMETERS = mixed.Parameters(num=10)
TURNS = mixed.turns(PARAMETERS)
SLOW = [place for place, turn in enumerate(TURNS) if turn.kind == mixed.SLOW]


def test_one_call_in_five_is_slow() -> None:
    assert Counter(turn.kind for turn in TURNS) == {"fast": 16, "slow": 4}
    assert {turn.parameters for turn in TURNS if turn.kind == "slow"} == {PARAMETERS}


def test_the_first_call_is_fast_as_it_is_what_readiness_asks_for() -> None:
    assert TURNS[0].kind == mixed.FAST


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_that_are_dealt_calls_in_turn_get_as_many_slow_ones_each(workers: int) -> None:
    dealt = Counter(place % workers for place in SLOW)
    assert dealt == dict.fromkeys(range(workers), 4 // workers)


@pytest.mark.parametrize("workers", [3, 5, 6, 7, 8])
def test_no_worker_that_is_dealt_calls_in_turn_gets_half_of_the_slow_ones(workers: int) -> None:
    places = [place + len(TURNS) * cycle for place in SLOW for cycle in range(workers)]
    dealt = Counter(place % workers for place in places)
    assert max(dealt.values()) <= len(places) / 2
    assert len(dealt) >= 3


@pytest.mark.parametrize("turn", [TURNS[0], TURNS[SLOW[0]]])
def test_right_results_pass_and_those_of_the_other_kind_do_not(turn: workloads.Turn) -> None:
    parameters = turn.parameters
    (other,) = {each.parameters for each in TURNS} - {parameters}
    for result in (mixed.work(parameters), asyncio.run(mixed.work_async(parameters))):
        assert mixed.check(parameters, result) is None
        assert mixed.check(other, result) is not None


def test_a_fast_call_greets_and_a_slow_one_does_the_work_of_cpu() -> None:
    fast, slow = TURNS[0].parameters, TURNS[SLOW[0]].parameters
    assert hello.check(hello.Parameters(), mixed.work(fast)) is None
    assert cpu.check(cpu.Parameters(num=10), mixed.work(slow)) is None


def test_parameters_go_through_the_text_of_a_request() -> None:
    assert workloads.parse("mixed", {}) == mixed.Parameters(num=100)
    assert workloads.parse("mixed", {"num": "0"}) == TURNS[0].parameters
