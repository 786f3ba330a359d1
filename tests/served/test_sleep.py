"""The workload sleep."""

import asyncio
import math
import time

import pytest

from servelab.served.workloads import sleep


def test_it_waits_as_long_as_it_says_and_passes() -> None:
    parameters = sleep.Parameters(delay_s=0.02)
    began_s = time.monotonic()
    result = sleep.work(parameters)
    assert time.monotonic() - began_s >= 0.02
    assert sleep.check(parameters, result) is None
    assert sleep.waiting_s(parameters) == 0.02


def test_other_calls_go_on_while_the_event_loop_waits() -> None:
    parameters = sleep.Parameters(delay_s=0.5)

    async def twenty() -> list[dict[str, float]]:
        calls = (sleep.work_async(parameters) for _ in range(20))
        return list(await asyncio.gather(*calls))

    began_s = time.monotonic()
    results = asyncio.run(twenty())
    assert time.monotonic() - began_s < 20 * 0.5 / 2
    assert [sleep.check(parameters, result) for result in results] == [None] * 20


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "no waited_s"),
        ({}, "no waited_s"),
        ({"waited_s": "1"}, "no waited_s"),
        ({"waited_s": 1.0, "more": 1}, "no waited_s"),
        ({"waited_s": 0.9}, "it waited 0.9 s instead of 1"),
        ({"waited_s": -2.0}, "it waited -2 s"),
        ({"waited_s": math.nan}, "it waited nan s"),
        ({"waited_s": math.inf}, "it waited inf s"),
    ],
)
def test_other_results_are_wrong(result: object, reason: str) -> None:
    assert (sleep.check(sleep.Parameters(delay_s=1.0), result) or "").startswith(reason)


def test_a_long_wait_is_slow_and_not_wrong() -> None:
    assert sleep.check(sleep.Parameters(), {"waited_s": 3.0}) is None


@pytest.mark.parametrize("delay_s", [-0.001, 60.1, math.nan, math.inf])
def test_delays_out_of_range_are_refused(delay_s: float) -> None:
    with pytest.raises(ValueError, match="is not between 0 and 60"):
        sleep.Parameters(delay_s=delay_s)
