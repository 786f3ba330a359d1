"""What makes a trial's figures worth believing."""

import msgspec
import pytest

from servelab.measure import gates
from servelab.measure.gates import Punctuality
from servelab.model.beside import BesideProgram, BesideUse
from servelab.model.load import ClosedLoop, OpenLoop, Pacing, Scheduling
from servelab.model.trial import GeneratorUsage, TrialStatus

OPEN, CLOSED = OpenLoop(rate_per_s=100), ClosedLoop(callers=1)
USAGE = GeneratorUsage(
    cpu_s=1,
    cpu_share=0.5,
    share_of_all_cpu=None,
    processes=1,
    delay_p99_s=None,
    connections_opened=1,
)


def punctuality(
    *, delay_p99_s: float | None = 0.0005, limit_s: float = 0.001, offered: float | None = 1.0
) -> Punctuality:
    return Punctuality(delay_p99_s=delay_p99_s, limit_s=limit_s, offered_share=offered)


@pytest.mark.parametrize(
    ("median_s", "limit_s"), [(0.0, 0.001), (0.005, 0.001), (0.01, 0.001), (0.5, 0.05)]
)
def test_a_generator_may_be_late_by_a_millisecond_or_a_tenth_of_the_median(
    median_s: float, limit_s: float
) -> None:
    assert gates.lateness_limit_s(median_s) == pytest.approx(limit_s)


@pytest.mark.parametrize(
    ("found", "is_late"),
    [
        (punctuality(), False),
        (punctuality(delay_p99_s=None), False),
        (punctuality(delay_p99_s=0.001), False),
        (punctuality(delay_p99_s=0.0011), True),
        (punctuality(offered=0.99), False),
        (punctuality(offered=0.989), True),
    ],
)
def test_a_late_generator_invalidates_an_open_loop_and_only_warns_in_a_closed_one(
    found: Punctuality, *, is_late: bool
) -> None:
    status, reason = gates.status_of_generator(found, load=OPEN, remedy="do better")
    assert status is (TrialStatus.INVALID if is_late else TrialStatus.OK)
    assert (reason or "").endswith("; do better") is is_late
    assert not list(gates.warnings_on_lateness(found, load=OPEN))

    assert gates.status_of_generator(found, load=CLOSED, remedy="") == (TrialStatus.OK, None)
    kinds = [warning.kind for warning in gates.warnings_on_lateness(found, load=CLOSED)]
    assert kinds == ["late-generator"] * is_late


@pytest.mark.parametrize(
    ("scheduling", "is_apart", "remedy"),
    [
        (Scheduling.NORMAL, False, "a core of its own (--server-cpus, --load-cpus) or the right"),
        (Scheduling.NORMAL, True, "quiet the machine"),
        (Scheduling.FIFO, False, "quiet the machine"),
    ],
)
def test_a_late_generator_is_offered_only_what_it_has_not_got(
    scheduling: Scheduling, *, is_apart: bool, remedy: str
) -> None:
    assert remedy in gates.remedy_of_lateness(scheduling, is_apart=is_apart)


@pytest.mark.parametrize(
    ("throughput_per_s", "null_rate_per_s", "kinds"),
    [
        (700.0, 1000.0, []),
        (701.0, 1000.0, ["client-bound"]),
        (701.0, None, []),
        (None, 1000.0, []),
    ],
)
def test_a_rate_near_that_against_no_server_is_a_lower_limit(
    throughput_per_s: float | None, null_rate_per_s: float | None, kinds: list[str]
) -> None:
    usage = msgspec.structs.replace(USAGE, null_rate_per_s=null_rate_per_s)
    found = gates.warnings_on_null_rate(usage, throughput_per_s=throughput_per_s)
    assert [warning.kind for warning in found] == kinds


def test_client_bound_is_said_once() -> None:
    usage = msgspec.structs.replace(USAGE, cpu_share=0.9, null_rate_per_s=1000.0)
    found = [
        *gates.warnings_on_generator(usage),
        *gates.warnings_on_null_rate(usage, throughput_per_s=900.0),
    ]
    assert [warning.kind for warning in found] == ["client-bound"]


def test_a_spinning_generator_is_judged_by_its_work_not_by_its_core() -> None:
    idle = msgspec.structs.replace(USAGE, cpu_share=1.0, pacing=Pacing.SPIN, busy_share=0.2)
    assert not list(gates.warnings_on_generator(idle))
    busy = msgspec.structs.replace(idle, busy_share=0.8)
    assert [warning.kind for warning in gates.warnings_on_generator(busy)] == ["client-bound"]


def test_a_program_that_is_gone_when_the_load_ends_is_told() -> None:
    there = BesideProgram(name="postgres", cpu_s=1.0, shared_cpu_s=1.0, processes=1)
    gone = BesideProgram(name="redis-server", cpu_s=0.0, shared_cpu_s=0.0, processes=0)
    use = BesideUse(seconds=10.0, cpus=2, programs=(there, gone))
    (warning,) = gates.warnings_on_beside(use)
    assert warning.kind == "beside-missing"
    assert warning.text.startswith("redis-server, which was named with --beside, did not run")
