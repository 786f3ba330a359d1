import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from servelab.host import noise, pace
from servelab.host.beside import Member
from servelab.host.noise import Reading
from servelab.linux.processors import ProcessorTimes
from servelab.linux.procfs import ProcessStat
from servelab.linux.throttling import Throttling
from servelab.model.noise import Noise

OWN = 10
"""The number of servelab itself in what follows."""


def process(
    pid: int, *, parent: int = 1, cpu_s: float = 0.0, ended_s: float = 0.0, name: str = "x"
) -> ProcessStat:
    return ProcessStat(
        pid=pid,
        name=name,
        state="S",
        parent=parent,
        session=1,
        user_s=cpu_s,
        system_s=0.0,
        children_user_s=ended_s,
        children_system_s=0.0,
        threads=1,
        start_ticks=pid,
        rss_bytes=0,
    )


def times(
    *, idle_s: float, total_s: float, irq_s: float = 0.0, softirq_s: float = 0.0, steal_s: float = 0
) -> ProcessorTimes:
    return ProcessorTimes(
        total_s=total_s,
        idle_s=idle_s,
        hard_interrupts_s=irq_s,
        soft_interrupts_s=softirq_s,
        steal_s=steal_s,
    )


def reading(
    at_s: float,
    *processes: ProcessStat,
    cpus: ProcessorTimes | None = None,
    wall_s: float | None = None,
    boot_s: float | None = None,
    throttled: dict[Path, Throttling] | None = None,
    stall_s: float | None = None,
    overflows: int | None = None,
    named: Mapping[int, Member] = MappingProxyType({}),
) -> Reading:
    return Reading(
        monotonic_s=at_s,
        boot_s=at_s if boot_s is None else boot_s,
        wall_s=at_s if wall_s is None else wall_s,
        processors=cpus,
        processes={each.identity: each for each in processes},
        own=frozenset(each.identity for each in processes if each.name == "ours"),
        throttling=throttled or {},
        memory_stall_s=stall_s,
        swapped_in_bytes=None,
        listen_overflows=overflows,
        beside={each.identity: named[each.pid] for each in processes if each.pid in named},
    )


def seen(first: Reading, last: Reading, *, unwaited_cpu_s: float = 0.0) -> Noise:
    return noise.between(first, last, cpu_count=2, unwaited_cpu_s=unwaited_cpu_s)


def test_foreign_time_is_what_was_not_idle_not_stolen_and_not_ours() -> None:
    first = reading(0, process(OWN, cpu_s=3, name="ours"), cpus=times(idle_s=100, total_s=500))
    last = reading(
        10,
        process(OWN, cpu_s=11, name="ours"),
        cpus=times(idle_s=108, total_s=520, steal_s=1),
    )
    found = seen(first, last)
    # 20 s of CPU time, 8 idle, 1 stolen, 8 ours: 3 are somebody else's.
    assert found.foreign_cpu_share == pytest.approx(3 / 20)
    assert found.steal_share == pytest.approx(1 / 20)


def test_our_processes_that_ended_are_ours_still() -> None:
    first = reading(
        0,
        process(OWN, name="ours"),
        process(11, parent=OWN, cpu_s=5, name="ours"),
        cpus=times(idle_s=0, total_s=0),
    )
    last = reading(10, process(OWN, ended_s=25, name="ours"), cpus=times(idle_s=0, total_s=20))
    assert seen(first, last).foreign_cpu_share == 0.0


def test_our_processes_that_nobody_waited_for_are_ours_when_the_sampler_saw_them() -> None:
    first = reading(0, process(OWN, name="ours"), cpus=times(idle_s=0, total_s=0))
    last = reading(10, process(OWN, cpu_s=12, name="ours"), cpus=times(idle_s=0, total_s=20))
    assert seen(first, last).foreign_cpu_share == pytest.approx(8 / 20)
    assert seen(first, last, unwaited_cpu_s=8.0).foreign_cpu_share == pytest.approx(0.0)


def test_interrupts_are_ours_where_the_kernel_charges_us_with_them_and_nobodys_elsewhere() -> None:
    ours = process(OWN, cpu_s=16, name="ours")
    first = reading(0, process(OWN, name="ours"), cpus=times(idle_s=0, total_s=0))
    sampled = reading(10, ours, cpus=times(idle_s=4, total_s=20, softirq_s=6))
    assert seen(first, sampled).foreign_cpu_share == 0.0
    timed = reading(
        10,
        process(OWN, cpu_s=10, name="ours"),
        cpus=times(idle_s=4, total_s=20, softirq_s=5.5, irq_s=0.5),
    )
    assert seen(first, timed).foreign_cpu_share == pytest.approx(0.0)


def test_a_kernel_that_counts_nothing_shows_no_foreign_time() -> None:
    first = reading(0, process(OWN, name="ours"), cpus=times(idle_s=0, total_s=0))
    found = seen(first, reading(10, process(OWN, name="ours"), cpus=times(idle_s=0, total_s=0)))
    assert (found.foreign_cpu_share, found.steal_share) == (None, None)
    assert seen(reading(0), reading(10)).foreign_cpu_share is None


def test_a_load_of_a_few_ticks_says_nothing_of_foreign_time() -> None:
    first = reading(0, cpus=times(idle_s=0, total_s=0))
    last = reading(0.9, process(30, cpu_s=0.9), cpus=times(idle_s=0.9, total_s=1.8))
    found = seen(first, last)
    assert (found.foreign_cpu_share, found.foreign_processes) == (None, ())


def test_the_busiest_foreign_processes_are_named_with_their_ended_children() -> None:
    first = reading(
        0,
        process(OWN, name="ours"),
        process(30, cpu_s=100, name="make"),
        process(31, parent=30, cpu_s=1, name="sh"),
        process(32, parent=31, cpu_s=50, name="cc"),
        process(40, cpu_s=7, name="idle"),
        cpus=times(idle_s=0, total_s=0),
    )
    last = reading(
        10,
        process(OWN, cpu_s=9, name="ours"),
        # It inherited 1 + 50 s that were used before the load, and 3 s of it.
        process(30, cpu_s=100, ended_s=54, name="make"),
        process(40, cpu_s=7.1, name="idle"),
        process(50, cpu_s=4, name="new"),
        cpus=times(idle_s=4, total_s=20),
    )
    found = seen(first, last).foreign_processes
    assert [each.name for each in found] == ["new", "make"]
    assert [each.cpu_share for each in found] == pytest.approx([4 / 20, 3 / 20])


POSTGRES = Member("postgres", 1.0)


def test_a_program_that_the_user_named_is_not_foreign_nor_are_its_children_that_ended() -> None:
    named = {30: POSTGRES, 31: POSTGRES, 32: POSTGRES, 33: POSTGRES}
    first = reading(
        0,
        process(OWN, name="ours"),
        process(30, cpu_s=100, name="postgres"),
        process(31, parent=30, cpu_s=50, name="postgres"),
        process(32, parent=30, cpu_s=7, name="postgres"),
        cpus=times(idle_s=0, total_s=0),
        named=named,
    )
    last = reading(
        10,
        process(OWN, cpu_s=4, name="ours"),
        # One child has ended: of the 53 s that are inherited it used 50 s before the load.
        process(30, cpu_s=101, ended_s=53, name="postgres"),
        process(32, parent=30, cpu_s=9, name="postgres"),
        process(33, parent=30, cpu_s=2, name="postgres"),
        process(40, cpu_s=2, name="stranger"),
        cpus=times(idle_s=6, total_s=20),
        named=named,
    )
    found = seen(first, last)
    # 20 s, 6 idle, 4 ours, 1 + 3 + 2 + 2 the database's: 2 are somebody else's.
    assert found.foreign_cpu_share == pytest.approx(2 / 20)
    assert [each.name for each in found.foreign_processes] == ["stranger"]
    assert [each.name for each in found.foreign_programs] == ["stranger"]


def test_who_lost_its_parent_or_came_while_we_watched_still_belongs_to_its_program() -> None:
    first = reading(
        0,
        process(30, cpu_s=1, name="postgres"),
        process(31, parent=30, cpu_s=5, name="archiver"),
        cpus=times(idle_s=0, total_s=0),
        named={30: POSTGRES, 31: POSTGRES},
    )
    last = reading(
        10,
        process(31, parent=1, cpu_s=11, name="archiver"),
        process(50, cpu_s=3, name="postgres"),
        cpus=times(idle_s=11, total_s=20),
        named={50: POSTGRES},
    )
    assert seen(first, last).foreign_cpu_share == pytest.approx(0.0)


def test_of_a_program_with_cpus_of_its_own_only_what_it_took_of_ours_is_subtracted() -> None:
    def with_share(share: float) -> float | None:
        named = {30: Member("postgres", share)}
        first = reading(0, process(30), cpus=times(idle_s=0, total_s=0), named=named)
        last = reading(10, process(30, cpu_s=8), cpus=times(idle_s=12, total_s=20), named=named)
        return seen(first, last).foreign_cpu_share

    assert with_share(1.0) == pytest.approx(0.0)
    assert with_share(0.5) == pytest.approx(4 / 20)
    assert with_share(0.0) == pytest.approx(8 / 20)


def test_a_program_of_many_processes_that_take_little_each_is_named_with_their_sum() -> None:
    many = [process(pid, cpu_s=0.19, name="postgres") for pid in range(100, 150)]
    last = reading(
        10, *many, process(30, cpu_s=1, name="backup"), cpus=times(idle_s=9.5, total_s=20)
    )
    found = seen(reading(0, cpus=times(idle_s=0, total_s=0)), last)
    assert [each.name for each in found.foreign_processes] == ["backup"]
    (postgres, backup) = found.foreign_programs
    assert (postgres.name, postgres.processes) == ("postgres", 50)
    assert postgres.cpu_share == pytest.approx(9.5 / 20)
    assert (backup.name, backup.processes) == ("backup", 1)


def test_a_suspension_and_a_set_clock_are_told_apart() -> None:
    slept = seen(reading(0), reading(10, boot_s=70, wall_s=70))
    assert (slept.suspended_s, slept.clock_step_s) == (60, 0)
    stepped = seen(reading(0), reading(10, wall_s=3610))
    assert (stepped.suspended_s, stepped.clock_step_s) == (0, 3600)


def test_clocks_that_were_not_read_at_one_moment_are_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The first time servelab is off the CPU for 50 ms between the monotonic clock and the next.
    now_s = iter([100.0, 100.0501, 100.0502, 100.0503])
    behind_s = iter([0.0501, 0.0502])
    monkeypatch.setattr("servelab.host.noise.time.monotonic", lambda: next(now_s))
    monkeypatch.setattr("servelab.host.noise.time.clock_gettime", lambda _: 500.0 + next(behind_s))
    monkeypatch.setattr("servelab.host.noise.time.time", lambda: 1e9)

    found = noise.read(frozenset({0}))
    assert found.boot_s - found.monotonic_s == pytest.approx(400.0)


def test_the_cgroup_that_was_stopped_longest_speaks() -> None:
    outer, inner = Path("/a"), Path("/a/b")
    first = reading(0, throttled={outer: Throttling(5, 1, 1.0), inner: Throttling(0, 0, 0.0)})
    last = reading(10, throttled={outer: Throttling(105, 9, 1.5), inner: Throttling(0, 0, 0.0)})
    found = seen(first, last)
    assert (found.quota_periods, found.throttled_periods, found.throttled_s) == (100, 8, 0.5)
    assert seen(reading(0), reading(10)).throttled_periods is None


def test_counters_are_differences_and_missing_ones_stay_missing() -> None:
    found = seen(reading(0, stall_s=3.0, overflows=4), reading(10, stall_s=3.5, overflows=9))
    assert found.memory_stall_share == pytest.approx(0.05)
    assert found.listen_overflows == 5
    assert found.swapped_in_bytes is None
    assert seen(reading(0), reading(10, overflows=9)).listen_overflows is None


def test_calibration_compares_time_with_cpu_time() -> None:
    found = pace.calibrate(duration_s=0.02)
    assert found is not None
    assert found.wall_per_cpu > 0.9
    assert found.loops_per_cpu_s > 100


def test_a_clock_too_coarse_to_calibrate_with_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("servelab.host.pace.time.thread_time", lambda: 7.0)
    assert pace.calibrate(duration_s=0.001) is None


def test_a_trial_without_a_load_has_no_noise() -> None:
    watch = noise.Watch()
    with watch:
        pass
    assert watch.noise() is None


def test_a_load_that_fails_has_no_noise_and_the_error_goes_on() -> None:
    watch = noise.Watch()
    with pytest.raises(KeyError), watch, watch.loading():
        raise KeyError
    assert watch.noise() is None


BURN = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"
WATCHED = f"""
import json, subprocess, sys, msgspec
from servelab.host import noise
noise._NAMED = 10_000  # on a busy machine others may be ahead
burn = [sys.executable, "-S", "-c", {BURN.format(seconds=0.7)!r}]
noise._NAMED = 1000  # other programs may be busy, too
watch = noise.Watch()
print("ready", flush=True)
with watch, watch.loading():
    sys.stdin.readline()
    with subprocess.Popen(burn) as ended:
        pass
first, last = watch._readings
print(json.dumps({{
    "noise": msgspec.to_builtins(watch.noise()),
    "own_s": noise.own_cpu_s(first, last),
    "ended": ended.pid,
}}))
"""


@contextmanager
def burning() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-S", "-c", BURN.format(seconds=600)]) as busy:
        yield busy
        busy.kill()


@pytest.mark.live
def test_a_stranger_is_noticed_and_our_own_load_is_not() -> None:
    command = [sys.executable, "-c", WATCHED]
    with (
        burning() as stranger,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as watcher,
    ):
        assert watcher.stdin is not None
        assert watcher.stdout is not None
        watcher.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            stranger.wait(1.0)
        printed, _ = watcher.communicate(b"go\n", timeout=60)
    found: dict[str, Any] = json.loads(printed)
    seen_by_it = found["noise"]
    named = {each["pid"]: each["cpu_share"] for each in seen_by_it["foreign_processes"]}
    capacity_s = seen_by_it["seconds"] * seen_by_it["cpus"]
    assert stranger.pid in named
    assert {watcher.pid, found["ended"]}.isdisjoint(named)
    # Its own child used .7 s; the stranger what it is said to; the two do not overlap.
    assert found["own_s"] >= 0.68
    assert seen_by_it["foreign_cpu_share"] >= named[stranger.pid] - 0.03
    assert seen_by_it["foreign_cpu_share"] * capacity_s + found["own_s"] <= capacity_s * 1.03
