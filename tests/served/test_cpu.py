"""The workload cpu: the seed's function, and a check that wrong results do not pass."""

import asyncio
import math

import numpy as np
import pytest

from servelab.served.workloads import cpu, load


@pytest.mark.parametrize("num", [0, 1, 2, 5, 10, 100, 500, 1000, 1200])
def test_right_results_pass(num: int) -> None:
    parameters = cpu.Parameters(num=num)
    assert cpu.check(parameters, cpu.work(parameters)) is None


@pytest.mark.parametrize("num", [5500, 8000])
def test_elements_too_small_for_a_float_are_expected(num: int) -> None:
    parameters = cpu.Parameters(num=num)
    result = cpu.work(parameters)
    assert math.isfinite(result["mean_ln"])
    assert cpu.check(parameters, result) is None


def test_the_expected_mean_is_the_stated_formula_where_nothing_is_too_small() -> None:
    for num in (0, 10, 1000, 3000):
        expected, _ = cpu._expected_mean(num)
        assert expected == pytest.approx(-1 + num * (2 * math.log(2) - 1.5))
    assert cpu._expected_mean(1000)[1] == 1.5


def test_the_function_draws_from_the_global_generator() -> None:
    np.random.seed(7)  # noqa: NPY002 - it is the global generator that is tested
    first = cpu.long_running(3)
    np.random.seed(7)  # noqa: NPY002
    assert np.array_equal(first, cpu.long_running(3))


def test_synchronous_and_asynchronous_work_are_the_same() -> None:
    parameters = cpu.Parameters(num=10)
    workload = load("cpu")
    workload.prepare()
    result = asyncio.run(workload.work_async(parameters))
    assert workload.check(parameters, result) is None
    asyncio.run(workload.close())


def test_the_work_of_fewer_multiplications_is_caught() -> None:
    result = cpu.work(cpu.Parameters(num=980))
    reason = cpu.check(cpu.Parameters(num=1000), result)
    assert reason is not None
    assert "mean of ln m is" in reason


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        {},
        {"shape": [100, 100]},
        {"shape": [100], "mean_ln": -114.7},
        {"shape": [100, 100], "mean_ln": None},
        {"shape": [100, 100], "mean_ln": "-114.7"},
        {"shape": [100, 100], "mean_ln": math.nan},
        {"shape": [100, 100], "mean_ln": math.inf},
        {"shape": [100, 100], "mean_ln": -100.0},
    ],
)
def test_other_results_are_wrong(result: object) -> None:
    assert cpu.check(cpu.Parameters(), result) is not None
