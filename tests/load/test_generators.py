"""Several generator processes are one generator."""

import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from servelab.errors import GeneratorKilled
from servelab.load.generator import generate
from servelab.model.load import ClosedLoop, LoadProgress, OpenLoop, Pacing

from .fault_server import Connection, right, serving
from .loads import plan_for, run
from .test_generator import engines

pytestmark = pytest.mark.live


def test_a_closed_loop_is_shared_exactly(tmp_path: Path) -> None:
    with serving(right) as server:
        plan = plan_for(server.address, load=ClosedLoop(callers=7), requests=101, generators=3)
        result, records = run(plan, tmp_path)

    assert result.outcomes == {"ok": 101}
    assert result.scheduled == 101
    assert server.connections == result.connections_opened == 7
    assert len(set(records.connection)) == 7
    assert sorted(server.received) == sorted(b"%016d" % number for number in records.sequence)
    assert result.generator_processes == len(result.cpu_s_by_process) == 3
    assert all(cpu_s > 0 for cpu_s in result.cpu_s_by_process)


def test_the_union_of_the_open_schedules_is_the_one_of_one_process(tmp_path: Path) -> None:
    def offsets(generators: int) -> list[int]:
        folder = tmp_path / str(generators)
        folder.mkdir()
        load = OpenLoop(rate_per_s=500, seed=5)
        plan = plan_for(server.address, load=load, requests=60, generators=generators)
        _, records = run(plan, folder)
        planned_ns = sorted(records.planned_ns)
        return [later - planned_ns[0] for later in planned_ns]

    with serving(right) as server:
        assert offsets(3) == pytest.approx(offsets(1), abs=2)


def test_progress_adds_up_and_never_falls(tmp_path: Path) -> None:
    told: list[LoadProgress] = []
    while_all_ran: list[LoadProgress] = []

    def is_all_told() -> str | None:
        while_all_ran[:] = told
        return "seen" if len(told) >= 4 and told[-1].in_flight == 4 else None

    with serving(right) as server:
        generate(
            plan_for(
                server.address,
                load=ClosedLoop(callers=4),
                requests=None,
                duration_s=60,
                generators=2,
            ),
            records=tmp_path / "records.parquet",
            on_progress=told.append,
            should_stop=is_all_told,
        )

    assert len(while_all_ran) >= 4
    assert while_all_ran[-1].in_flight == 4
    assert all(each.in_flight <= 4 for each in told)
    assert [each.finished for each in told] == sorted(each.finished for each in told)
    # Of both together no more is told than one of them tells.
    assert all(later.elapsed_s - each.elapsed_s >= 0.2 for each, later in pairwise(told))


def test_each_process_has_a_core_of_its_own_where_there_are_several(tmp_path: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        pytest.skip("one core only")
    seen: list[frozenset[int]] = []

    def look(_progress: LoadProgress) -> None:
        seen.extend(frozenset(os.sched_getaffinity(int(pid))) for pid in engines())

    with serving(right) as server:
        generate(
            plan_for(server.address, requests=None, duration_s=60, generators=2),
            records=tmp_path / "records.parquet",
            cpus=[(cpu,) for cpu in cpus],
            on_progress=look,
            should_stop=lambda: "seen" if seen else None,
        )

    assert set(seen) == {frozenset({cpu}) for cpu in cpus}


def test_all_processes_stop_together(tmp_path: Path) -> None:
    def answer_some(connection: Connection, nonce: bytes) -> bool:
        if nonce >= b"%016d" % 8:
            connection.stopped.wait()
        return right(connection, nonce)

    with serving(answer_some) as server:
        plan = plan_for(server.address, load=ClosedLoop(callers=4), requests=1000, generators=2)
        result, _ = run(
            plan, tmp_path, should_stop=lambda: "enough" if len(server.received) >= 12 else None
        )

    assert result.was_interrupted
    assert result.scheduled == 1000
    assert result.outcomes == {"ok": 8, "abandoned": 4, "unsent": 988}


@pytest.mark.parametrize("stop", [signal.SIGKILL, None])
def test_one_dead_engine_or_an_interrupt_ends_them_all(
    stop: signal.Signals | None, tmp_path: Path
) -> None:
    def end(_progress: LoadProgress) -> None:
        if stop is None:
            raise KeyboardInterrupt
        os.kill(int(min(engines())), stop)

    records = tmp_path / "records.parquet"
    with serving(right) as server, pytest.raises((GeneratorKilled, KeyboardInterrupt)):
        generate(
            plan_for(server.address, requests=None, duration_s=60, generators=2),
            records=records,
            on_progress=end,
        )

    assert not engines()
    # What was recorded before a kill is kept; what was interrupted is not asked for any more.
    assert set(tmp_path.iterdir()) <= ({records} if stop is not None else set())


def test_a_spinning_generator_tells_how_busy_it_was(tmp_path: Path) -> None:
    with serving(right) as server:
        load = OpenLoop(rate_per_s=100, arrivals="constant")
        plan = plan_for(server.address, load=load, requests=30, pacing=Pacing.SPIN, generators=2)
        result, _ = run(plan, tmp_path)

    assert result.outcomes == {"ok": 30}
    assert result.pacing is Pacing.SPIN
    assert result.busy_share is not None
    assert 0 < result.busy_share < 1


def test_a_sleeping_generator_has_no_busy_share(tmp_path: Path) -> None:
    with serving(right) as server:
        result, _ = run(plan_for(server.address), tmp_path)

    assert result.pacing is Pacing.TIMER
    assert result.busy_share is None
