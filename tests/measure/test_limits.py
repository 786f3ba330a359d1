"""A server that may use no more than it was given, from the command line to the report."""

from pathlib import Path

import pytest
from tests.conftest import Run
from tests.fake_world import Script, World
from tests.test_whole_tool import trials_of

from servelab.model.limits import Limits, parse_memory
from servelab.model.placement import HostCpus

HALF_A_CORE = Limits(cpus=0.5)
BOTH = Limits(cpus=0.5, memory_bytes=512 << 20)
TYPED = ("--cpus", "0.5", "--memory", "512m")


def test_server_and_ceiling_are_limited_and_nothing_else_is(run: Run) -> None:
    world = World({"flask": Script()})
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", *TYPED, "--json")
    (trial,) = trials_of(printed)
    # The bare work in one process, which is all that half a core keeps busy; then the server.
    assert world.limits == [HALF_A_CORE, BOTH]
    assert trial["limits"] == {"cpus": 0.5, "memory_bytes": 536_870_912}
    assert trial["placement"]["server_cores"] == 0.5
    assert list(trial["ceiling"]["rate_by_processes"]) == ["1"]


def test_what_part_of_the_time_the_limit_stopped_the_server_is_stored_and_printed(run: Run) -> None:
    world = World({"flask": Script(cpu_s_per_call=0.02)})
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", *TYPED, "--json")
    assert trials_of(printed)[0]["throttling"] == {
        "periods": 4,
        "throttled_periods": 3,
        "throttled_s": 0.5,
    }
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", *TYPED)
    expected = "0.5 cores, 512 MiB; throttled in 3 of 4 periods, by the kernel's count\n"
    assert f"Limits:               {expected}" in printed
    assert "it used 0.20 of 0.5 cores" in printed


def test_more_cores_than_there_are_limit_nothing_below_them(run: Run) -> None:
    world = World({"flask": Script()}, cpus=HostCpus(allowed=(0, 1), online=(0, 1)))
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--cpus", "8", "--json")
    assert trials_of(printed)[0]["placement"]["server_cores"] == 2.0


def test_a_part_of_a_core_keeps_a_process_of_its_own_busy(run: Run) -> None:
    world = World({"flask": Script()})
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--cpus", "1.5", "--json")
    assert list(trials_of(printed)[0]["ceiling"]["rate_by_processes"]) == ["1", "2"]


def test_the_slow_api_is_not_limited_and_the_generators_calibration_is_not_either(
    run: Run,
) -> None:
    world = World({"flask": Script(service_s=0.001)})
    run(world, "run", "sync-devserver", "io", *TYPED)
    # The slow API alone and beside the server, the server, and the null server.
    assert world.limits == [None, None, BOTH, None]


def test_a_null_server_that_stands_for_the_ceiling_is_limited(run: Run) -> None:
    world = World({"flask": Script()}, bare_call_s=0.0005)
    run(world, "run", "sync-devserver", "cpu", "--cpus", "0.5")
    assert world.limits[:2] == [HALF_A_CORE, HALF_A_CORE]


@pytest.mark.parametrize(
    "script",
    [
        Script(oom_kills=1),
        Script(oom_kills=1, dies_under_load=True),
        Script(oom_kills=1, dies_at_start=True),
    ],
)
def test_a_kill_for_memory_is_the_servers_failure_and_its_reason(script: Script, run: Run) -> None:
    world = World({"flask": script})
    status, printed, _ = run(world, "run", "sync-devserver", "cpu", *TYPED, "--json")
    (trial,) = trials_of(printed)
    assert status == 1
    assert trial["status"] == "failed"
    assert trial["reason"].startswith("killed by the memory limit (512 MiB); ")


def test_without_a_limit_of_memory_a_kill_is_not_put_down_to_it(run: Run) -> None:
    world = World({"flask": Script(oom_kills=1)})
    status, printed, _ = run(world, "run", "sync-devserver", "cpu", "--cpus", "1", "--json")
    assert status == 0
    assert trials_of(printed)[0]["status"] == "ok"


def test_where_it_is_not_permitted_nothing_is_measured(run: Run, tmp_path: Path) -> None:
    world = World({"flask": Script()}, cannot_limit="cannot limit the server: it is not writable")
    status, _, complaint = run(world, "run", "sync-devserver", "cpu", *TYPED)
    assert status == 2
    assert complaint == "servelab: cannot limit the server: it is not writable\n"
    assert not world.server_cpus
    assert not (tmp_path / "servelab-results").exists()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("lots", "write it as 512m or 2g"), ("512x", "write it as"), ("4m", "less than 8m")],
)
def test_unfit_memory_is_one_sentence(typed: str, sentence: str, run: Run) -> None:
    status, _, complaint = run(World({}), "run", "sync-devserver", "cpu", "--memory", typed)
    assert status == 2
    assert sentence in complaint


@pytest.mark.parametrize(
    ("text", "count"),
    [("512m", 512 << 20), ("2G", 2 << 30), ("1.5g", 3 << 29), ("100k", 102_400), ("9", 9)],
)
def test_memory_is_read_as_container_engines_read_it(text: str, count: int) -> None:
    assert parse_memory(text) == count


def test_limits_say_themselves() -> None:
    assert str(BOTH) == "0.5 cores, 512 MiB"
    assert str(Limits(cpus=1.0)) == "1 core"
