"""Plans for the tests, and what every load must satisfy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from servelab.load.generator import Records, generate, read_records
from servelab.model.address import Address
from servelab.model.load import (
    ClosedLoop,
    Connections,
    Load,
    LoadPlan,
    LoadProgress,
    LoadResult,
    Pacing,
    Protocol,
    Request,
    Tls,
)
from servelab.model.outcome import Outcome


def plan_for(
    target: Address,
    *,
    load: Load | None = None,
    requests: int | None = 10,
    duration_s: float | None = None,
    warm_up_s: float = 0.0,
    connections: Connections = Connections.KEPT,
    timeout_s: float = 30.0,
    request: Request | None = None,
    protocol: Protocol = Protocol.HTTP,
    channels: int = 1,
    check_parameters: str = "{}",
    check: str = "servelab.load.answers:echoed_nonce",
    generators: int = 1,
    pacing: Pacing = Pacing.TIMER,
    tls: Tls | None = None,
) -> LoadPlan:
    return LoadPlan(
        target=target,
        protocol=protocol,
        channels=channels,
        check_parameters=check_parameters,
        request=request or Request(path="/"),
        check=check,
        load=load or ClosedLoop(callers=2),
        requests=requests,
        duration_s=duration_s,
        warm_up_s=warm_up_s,
        connections=connections,
        timeout_s=timeout_s,
        generators=generators,
        pacing=pacing,
        tls=tls,
    )


def run(
    plan: LoadPlan,
    folder: Path,
    *,
    should_stop: Callable[[], str | None] = lambda: None,
    on_progress: Callable[[LoadProgress], None] = lambda _progress: None,
) -> tuple[LoadResult, Records]:
    """Run a load; hold its books against its records."""
    result = generate(
        plan,
        records=folder / "records.parquet",
        should_stop=should_stop,
        on_progress=on_progress,
    )
    records = read_records(result.records)
    unrecorded = result.scheduled - len(records)
    assert sum(result.outcomes.values()) == result.scheduled
    assert unrecorded == 0 or unrecorded <= result.outcomes["unsent"]
    assert len(set(records.sequence)) == len(records)
    if result.generator_processes == 1:
        assert sorted(records.sequence) == list(range(len(records)))
    assert (records.finished_ns[1:] >= records.finished_ns[:-1]).all()
    assert sum(result.cpu_s_by_process) == pytest.approx(result.cpu_s)
    assert result.in_flight_area_s == pytest.approx(result.response_time_sum_s, rel=1e-6)
    assert result.response_time_sum_s == pytest.approx(records.response_time_s.sum(), rel=1e-6)
    assert (records.taken_up_ns >= records.planned_ns).all()
    ok = records.outcome == Outcome.OK
    for earlier, later in (
        (records.taken_up_ns, records.connection_ready_ns),
        (records.connection_ready_ns, records.sent_ns),
        (records.first_byte_ns, records.finished_ns),
    ):
        assert (earlier[ok] <= later[ok]).all()
    parts_s = records.generator_delay_s + records.connection_wait_s + records.round_trip_time_s
    assert parts_s[ok] == pytest.approx(records.response_time_s[ok], rel=1e-9, abs=1e-9)
    assert sorted(path.name for path in folder.iterdir()) == ["records.parquet"]
    return result, records
