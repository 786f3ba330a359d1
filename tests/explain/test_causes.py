"""Causes: which rule speaks on which evidence."""

import msgspec
import pytest

from servelab.explain.causes import explain
from servelab.model.front import FrontUse
from servelab.model.load import ClosedLoop, Connections
from servelab.model.trial import Ceiling, Trial, TrialStatus
from servelab.model.usage import MemoryKind, ProcessUsage


def usage(cpu_s: float) -> ProcessUsage:
    return ProcessUsage(
        seconds=10,
        user_s=cpu_s,
        system_s=0,
        peak_memory_bytes=1,
        final_memory_bytes=1,
        memory_kind=MemoryKind.PROPORTIONAL,
        peak_threads=51,
        peak_processes=2,
        voluntary_switches=0,
        involuntary_switches=0,
        processes=(),
        samples=1,
    )


BASE = Trial(
    id="x",
    deployment="x",
    stack="x",
    heading="",
    workload="cpu",
    status=TrialStatus.OK,
    command="x",
    started_at="",
    load=ClosedLoop(callers=100),
    connections=Connections.FRESH,
    timeout_s=60,
    ledger={"scheduled": 100, "sent": 100, "ok": 100},
    interpreter="3.11",
    window_s=10,
    throughput_per_s=10,
    efficiency=0.5,
    work_share=1.0,
    cpu_s_per_call=0.1,
    voluntary_switches_per_call=0,
    calls_per_worker={"1": 50, "2": 50},
    usage=usage(20.0),
    ceiling=Ceiling(per_s=20, source="", rate_by_processes={1: 10, 2: 20}, cpu_s_per_call=0.1),
)


def causes(**changed: object) -> list[str]:
    trial = msgspec.structs.replace(BASE, **changed)
    return [f"{cause.short} | {cause.sentence}" for cause in explain(trial)]


def test_near_the_ceiling_nothing_is_to_be_explained() -> None:
    (cause,) = causes(efficiency=0.95)
    assert cause == "near the ceiling | it reaches 95% of what the hardware does"


def test_above_the_ceiling_the_ceiling_is_doubted() -> None:
    (cause,) = causes(efficiency=1.2)
    assert cause.startswith("faster than its ceiling | it reaches 120% of the ceiling")


def test_where_no_rule_speaks_the_figures_do() -> None:
    (cause,) = causes(efficiency=0.85, usage=usage(19.0), work_share=0.9)
    assert cause.startswith("small losses | ")
    assert "1.90 of 2 cores, and 90% of its CPU time was the bare work" in cause


def test_one_process_leaves_a_core_unused() -> None:
    (cause,) = causes(usage=usage(10.0), calls_per_worker={"1": 100})
    assert cause.startswith("1.0 of 2 cores | it used 1.00 of 2 cores: one process did")


def test_uneven_workers_are_named_with_their_calls() -> None:
    (cause,) = causes(usage=usage(12.0), calls_per_worker={"1": 7, "2": 14, "3": 50, "4": 59})
    assert cause.startswith("uneven workers | ")
    assert "(7 / 14 / 50 / 59)" in cause


def test_threads_that_wake_one_another_are_told_from_other_costs() -> None:
    (threads,) = causes(work_share=0.6, cpu_s_per_call=0.164, voluntary_switches_per_call=2142.0)
    assert threads.startswith("threads contend | ")
    assert "51 threads woke one another 2142 times in each call" in threads
    (serving,) = causes(work_share=0.6, cpu_s_per_call=0.164)
    assert serving.startswith("CPU spent on serving | ")


def test_the_larger_loss_comes_first() -> None:
    both = causes(usage=usage(10.0), calls_per_worker={"1": 100}, work_share=0.7)
    assert [cause.partition(" | ")[0] for cause in both] == [
        "1.0 of 2 cores",
        "CPU spent on serving",
    ]


def test_waiting_is_explained_by_how_many_waited_at_once() -> None:
    (cause,) = causes(workload="io", throughput_per_s=4.0, efficiency=0.04)
    assert cause.startswith("4 of 100 at once | on average 4.0 of 100 calls waited")


def test_waiting_without_a_back_end_names_none() -> None:
    (cause,) = causes(workload="sleep", throughput_per_s=2000.0, efficiency=0.1)
    assert cause.startswith("10 of 100 at once | on average 10.0 of 100 calls waited at once;")
    (cause,) = causes(workload="io", throughput_per_s=4.0, efficiency=0.04)
    assert "waited for the back end at once;" in cause


def test_short_work_is_told_in_digits_that_count() -> None:
    ceiling = Ceiling(per_s=9000.0, source="", rate_by_processes={2: 9000.0}, cpu_s_per_call=3.1e-7)
    (cause,) = causes(workload="hello", ceiling=ceiling, work_share=0.001, cpu_s_per_call=0.00022)
    assert "a call took 0.22 ms of CPU where the bare work takes 0.00031 ms" in cause


@pytest.mark.parametrize(
    "changed",
    [
        {"status": TrialStatus.FAILED},
        {"usage": None},
        {"ceiling": None},
        {"efficiency": None},
        {"window_s": 0.0},
    ],
)
def test_without_evidence_nothing_is_said(changed: dict[str, object]) -> None:
    assert causes(**changed) == []


def front(cpu_s: float) -> FrontUse:
    return FrontUse(
        name="nginx",
        command="nginx",
        configuration="logs/nginx.conf",
        upstream="unix:/run/server.sock",
        log="logs/nginx.log",
        usage=usage(cpu_s),
    )


def test_what_a_front_took_of_the_cores_is_a_cause_and_no_rest() -> None:
    # 16 s of 2 cores * 10 s for the server, 3 s for its front: no core was left unused.
    assert causes(usage=usage(16.0), front=front(3.0)) == [
        "nginx took 0.3 of 2 cores | nginx took 0.3 of 2 cores"
    ]


def test_a_front_that_took_next_to_nothing_is_not_worth_a_sentence() -> None:
    said = causes(usage=usage(12.0), front=front(0.9))
    assert not any("nginx" in each for each in said)
    assert any("1.20 of 2 cores" in each for each in said)
