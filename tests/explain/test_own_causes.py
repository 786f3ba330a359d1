"""Causes for applications of users: what is said where the work itself is not known."""

from typing import Any

import msgspec
import pytest

from servelab.explain import own_causes
from servelab.explain.causes import explain
from servelab.model.beside import BesideProgram, BesideUse
from servelab.model.limits import Limits
from servelab.model.load import ClosedLoop, OpenLoop
from servelab.model.placement import Placement
from servelab.model.times import Times
from servelab.model.trial import Ceiling, GeneratorUsage, Trial, TrialStatus
from servelab.model.usage import MemoryKind, ProcessCpu, ProcessUsage, Throttling
from tests.explain.test_causes import BASE
from tests.fake_world import QUIET

SECONDS = 10.0
PLACEMENT = Placement(
    server_cpus=(0, 1),
    load_cpus=(2,),
    is_shared=False,
    generator_cpus=((2,),),
    server_cores=2,
    note="",
)


def usage(*cores: float, threads: int = 3, processes: int = 3) -> ProcessUsage:
    """Return the usage of processes that used so many cores each; the supervisor used little."""
    each = tuple(
        ProcessCpu(number, used * SECONDS) for number, used in enumerate((*cores, 0.001), start=1)
    )
    return ProcessUsage(
        seconds=SECONDS,
        user_s=sum(cores) * SECONDS,
        system_s=0,
        peak_memory_bytes=1,
        final_memory_bytes=1,
        memory_kind=MemoryKind.PROPORTIONAL,
        peak_threads=threads,
        peak_processes=processes,
        voluntary_switches=0,
        involuntary_switches=0,
        processes=each,
        samples=1,
    )


def times(mean: float) -> Times:
    return Times(
        mean=mean,
        p50=mean,
        p60=mean,
        p70=mean,
        p75=mean,
        p80=mean,
        p90=mean,
        p95=mean,
        p99=None,
        max=mean,
    )


OWN = msgspec.structs.replace(
    BASE,
    workload="shop.site:app",
    load=ClosedLoop(callers=50),
    load_s=SECONDS,
    window_s=SECONDS,
    throughput_per_s=100.0,
    efficiency=None,
    work_share=None,
    ceiling=None,
    calls_per_worker={},
    cpu_s_per_call=0.01,
    response_time_s=times(0.5),
    placement=PLACEMENT,
    usage=usage(1.0),
)


def trial(**changed: Any) -> Trial:
    return msgspec.structs.replace(OWN, **changed)


def causes(**changed: Any) -> list[str]:
    return [f"{cause.short} | {cause.sentence}" for cause in explain(trial(**changed))]


def test_one_process_that_fills_a_core_leaves_the_other_unused() -> None:
    (cause,) = causes()
    assert cause == (
        "1.0 of 2 cores: one process | it used 1.00 of 2 cores: one process did all the work, with "
        "3 threads in all, and took no more than a core each"
    )


def test_a_process_whose_threads_compute_side_by_side_is_not_held_to_one_core() -> None:
    (cause,) = causes(usage=usage(1.5))
    assert cause.endswith("one process did all the work, with 3 threads in all")


def test_too_few_processes_are_counted() -> None:
    four = msgspec.structs.replace(PLACEMENT, server_cores=4)
    (cause,) = causes(placement=four, usage=usage(0.95, 1.0))
    assert cause.startswith("1.9 of 4 cores: 2 processes | it used 1.95 of 4 cores: 2 processes")


def test_all_cores_busy_comes_with_what_a_call_costs() -> None:
    (cause,) = causes(usage=usage(0.98, 0.96), cpu_s_per_call=0.0123)
    assert cause == (
        "all cores busy: 12.3 ms CPU per call | it used 1.94 of 2 cores: a call took 12.3 ms of CPU"
    )


def test_what_the_generator_took_of_shared_cores_counts_as_busy() -> None:
    shared = msgspec.structs.replace(PLACEMENT, is_shared=True, shared_cores=2.0)
    generator = GeneratorUsage(
        cpu_s=0.4 * SECONDS,
        cpu_share=0.4,
        share_of_all_cpu=0.2,
        processes=1,
        delay_p99_s=None,
        connections_opened=50,
    )
    seen = {"usage": usage(0.75, 0.75), "generator": generator}
    (cause,) = causes(placement=shared, **seen)
    assert cause.startswith("all cores busy")
    assert "it used 1.50 of 2 cores, the generator 0.40 more" in cause
    assert not causes(**seen)[0].startswith("all cores busy")


def test_work_that_piles_up_in_one_process_is_told_with_their_shares() -> None:
    (cause,) = causes(usage=usage(0.97, 0.2))
    assert cause == (
        "uneven processes | it used 1.17 of 2 cores, its processes 0.97 / 0.20: work piled up in "
        "one of them"
    )


def test_waiting_calls_are_counted_by_littles_law() -> None:
    (cause,) = causes(
        usage=usage(0.15, 0.15, threads=18), cpu_s_per_call=0.003, response_time_s=times(0.5)
    )
    assert cause == (
        "waits: 0.3 of 2 cores | it used 0.30 of 2 cores while 50 calls were there at once: a call "
        "took 500 ms, 3.00 ms of it CPU; the rest is waiting, for what the application asks or for "
        "one of 18 threads in 3 processes"
    )


def test_nothing_is_said_of_cores_that_were_idle_for_no_visible_reason() -> None:
    assert causes(usage=usage(0.7), cpu_s_per_call=0.01, response_time_s=times(0.012)) == []


def test_few_callers_are_no_fault_of_the_server() -> None:
    (cause,) = causes(load=ClosedLoop(callers=1), usage=usage(0.7), response_time_s=times(0.01))
    assert cause == "1 caller | it used 0.70 of 2 cores: 1 caller asked for no more at once"


def test_callers_who_pause_are_no_fault_of_the_server() -> None:
    load = ClosedLoop(callers=50, think_time_s=2.0)
    (cause,) = causes(load=load, usage=usage(0.1))
    assert cause.startswith("callers pause | it used 0.10 of 2 cores: 50 callers paused for 2 s")


def test_an_open_loop_that_is_answered_whole_shows_what_is_left() -> None:
    (cause,) = causes(load=OpenLoop(rate_per_s=100.0), usage=usage(0.3, 0.3))
    assert cause == (
        "keeps up: 0.6 of 2 cores | it answered all of the 100 requests/s, and it used 0.60 of 2 "
        "cores"
    )
    (cause,) = causes(load=OpenLoop(rate_per_s=150.0))
    assert cause.startswith("1.0 of 2 cores: one process")


def test_a_limit_that_stopped_it_comes_first() -> None:
    half = msgspec.structs.replace(PLACEMENT, server_cores=0.5)
    found = causes(
        placement=half,
        limits=Limits(cpus=0.5),
        throttling=Throttling(periods=100, throttled_periods=90, throttled_s=5.0),
        usage=usage(0.5),
    )
    assert [cause.partition(" | ")[0] for cause in found] == [
        "limit of 0.5 cores",
        "all cores busy: 10.0 ms CPU per call",
    ]
    assert "its limit of 0.5 cores stopped it in 90 of 100 periods" in found[0]


def test_threads_that_give_the_cpu_away_are_counted_only_where_it_was_wanted() -> None:
    busy = causes(usage=usage(1.0, threads=51, processes=2), voluntary_switches_per_call=2142.0)
    assert busy[1].startswith(
        "2142 switches per call | its 51 threads gave the CPU away 2142 times"
    )
    idle = causes(usage=usage(0.2, threads=51, processes=2), voluntary_switches_per_call=2142.0)
    assert len(idle) == 1


def test_a_few_failures_are_told() -> None:
    found = causes(ledger={"scheduled": 5000, "sent": 5000, "ok": 4997, "timeout": 3})
    assert "3 of 5000 failed | 3 of 5000 calls got no right answer" in found


def test_what_others_took_is_named_and_idle_cores_are_not_held_against_the_server() -> None:
    noise = msgspec.structs.replace(QUIET, foreign_cpu_share=0.7, steal_share=0.05)
    assert causes(usage=usage(0.15, 0.15), noise=noise) == [
        ("others took 75% of the CPU | it used 0.30 of 2 cores; others took 75% of the CPU time")
    ]
    assert causes(noise=QUIET) == causes(noise=None)


def test_the_larger_loss_comes_first() -> None:
    found = explain(trial(voluntary_switches_per_call=100.0, usage=usage(1.0, threads=20)))
    assert [cause.factor for cause in found] == sorted(cause.factor for cause in found)


@pytest.mark.parametrize(
    "changed",
    [
        {"status": TrialStatus.FAILED},
        {"usage": None},
        {"placement": None},
        {"throughput_per_s": None},
        {"load_s": 0.0, "window_s": 0.0},
        {"workload": "cpu"},
        {"deployment": "load"},
    ],
)
def test_without_evidence_nothing_is_said(changed: dict[str, object]) -> None:
    assert causes(**changed) == []


CEILING = Ceiling(per_s=200, source="", rate_by_processes={1: 100, 2: 200}, cpu_s_per_call=0.01)


def test_with_a_ceiling_the_same_rules_hold_and_the_cost_of_serving_joins_them() -> None:
    found = causes(
        ceiling=CEILING, ceiling_per_s=200.0, efficiency=0.5, work_share=0.6, cpu_s_per_call=0.0167
    )
    assert [cause.partition(" | ")[0] for cause in found] == [
        "1.0 of 2 cores: one process",
        "CPU spent on serving",
    ]


def test_threads_that_contend_are_told_once() -> None:
    found = causes(
        ceiling=CEILING,
        ceiling_per_s=200.0,
        efficiency=0.5,
        work_share=0.6,
        cpu_s_per_call=0.0167,
        voluntary_switches_per_call=2142.0,
        usage=usage(1.0, threads=51),
    )
    assert [cause.partition(" | ")[0] for cause in found] == [
        "1.0 of 2 cores: one process",
        "threads contend",
    ]


def test_near_a_ceiling_there_is_nothing_to_explain() -> None:
    (cause,) = causes(ceiling=CEILING, ceiling_per_s=200.0, efficiency=0.97)
    assert cause.startswith("near the ceiling | ")


def test_own_is_what_the_catalogue_does_not_name() -> None:
    assert own_causes.is_own(OWN)
    assert not own_causes.is_own(BASE)


def beside(cores: float) -> BesideUse:
    return BesideUse(
        seconds=SECONDS,
        cpus=2,
        programs=(
            BesideProgram(
                name="postgres", cpu_s=cores * SECONDS, shared_cpu_s=cores * SECONDS, processes=9
            ),
            BesideProgram(name="memcached", cpu_s=0.0, shared_cpu_s=0.0, processes=1),
        ),
    )


def test_what_a_database_took_comes_first_and_its_part_of_the_cores_is_not_idle() -> None:
    shared = msgspec.structs.replace(PLACEMENT, is_shared=True, shared_cores=2.0)
    seen = {"usage": usage(0.7), "beside": beside(1.2), "beside_cpu_s_per_call": 0.012}
    (first, second) = causes(placement=shared, **seen)
    assert first == "postgres took 1.2 of 2 CPUs | postgres took 1.2 of 2 CPUs, 12 ms for each call"
    assert second.startswith("all cores busy: 10.0 ms CPU per call | it used 0.70 of 2 cores")
    assert "postgres 1.20" in second


def test_of_a_database_as_much_is_on_the_servers_cores_as_they_are_of_all() -> None:
    four = msgspec.structs.replace(beside(1.2), cpus=4)
    (waits, database) = causes(usage=usage(0.7), beside=four, response_time_s=times(0.5))
    # 0.7 of the server's own and half of the 1.2 make 1.3 of 2.
    assert waits.startswith("waits: 0.7 of 2 cores")
    assert database.startswith("postgres took 1.2 of 4 CPUs")


def test_a_database_that_took_next_to_nothing_is_not_mentioned() -> None:
    assert causes(beside=beside(0.05)) == causes()
