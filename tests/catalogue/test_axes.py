"""What a search may change: sensible values, in order, with the folklore's among them."""

import pytest

from servelab.catalogue.axes import processes_axis, threads_axis
from servelab.catalogue.folklore import MOST_PROCESSES


@pytest.mark.parametrize("cpu_count", [1, 2, 3, 4, 6, 8, 12, 64, 200, 600])
def test_processes_rise_and_none_comes_twice(cpu_count: int) -> None:
    values = [value for value in processes_axis(cpu_count).values if isinstance(value, int)]
    assert values == sorted(set(values))
    assert (values[0], values[-1]) == (1, min(4 * cpu_count, MOST_PROCESSES))


@pytest.mark.parametrize("cpu_count", [1, 2, 3, 4, 6, 8, 12, 64])
def test_processes_hold_one_for_each_cpu_and_the_folklore(cpu_count: int) -> None:
    axis = processes_axis(cpu_count)
    assert {cpu_count, 2 * cpu_count, 2 * cpu_count + 1} <= set(axis.values)
    assert axis.start == cpu_count


def test_processes_on_two_cpus() -> None:
    assert processes_axis(2).values == (1, 2, 4, 5, 8)


def test_processes_never_exceed_what_settings_allow() -> None:
    axis = processes_axis(600)
    assert axis.start == MOST_PROCESSES
    assert axis.start in axis.values


def test_threads_start_at_one_of_their_values() -> None:
    axis = threads_axis("blocking_threads", start=16)
    assert axis.setting == "blocking_threads"
    assert axis.start in axis.values
