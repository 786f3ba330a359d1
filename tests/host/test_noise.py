import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from servelab.host import noise, pace
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


def test_a_suspension_and_a_set_clock_are_told_apart() -> None:
    slept = seen(reading(0), reading(10, boot_s=70, wall_s=70))
    assert (slept.suspended_s, slept.clock_step_s) == (60, 0)
    stepped = seen(reading(0), reading(10, wall_s=3610))
    assert (stepped.suspended_s, stepped.clock_step_s) == (0, 3600)


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
