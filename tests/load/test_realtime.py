"""The generator in real time, where the kernel lets it."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import msgspec
import pytest

from servelab.load import realtime
from servelab.load.generator import generate
from servelab.model.load import ClosedLoop, LoadProgress, Scheduling

from .fault_server import right, serving
from .loads import plan_for
from .test_generator import engines


def is_permitted() -> bool:
    with realtime.scheduled(realtime.FIFO) as granted:
        return granted == realtime.FIFO


needs_permission = pytest.mark.skipif(
    not is_permitted(), reason="this user may not schedule in real time (CAP_SYS_NICE, ulimit -r)"
)


def test_nothing_asked_is_nothing_changed() -> None:
    with realtime.scheduled(realtime.NORMAL) as granted:
        assert granted == realtime.NORMAL
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_where_it_is_refused_all_goes_on_normally(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with realtime.scheduled(realtime.FIFO) as granted:
        assert granted == realtime.NORMAL


@needs_permission
def test_it_has_the_lowest_priority_passes_it_to_nobody_and_ends_with_the_block() -> None:
    child = "import os; print(os.sched_getscheduler(0) == os.SCHED_OTHER)"
    with realtime.scheduled(realtime.FIFO) as granted:
        assert granted == realtime.FIFO
        assert os.sched_getscheduler(0) == os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        assert os.sched_getparam(0).sched_priority == 1
        told = subprocess.check_output([sys.executable, "-S", "-c", child], text=True)
    assert told == "True\n"
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.live
@needs_permission
@pytest.mark.parametrize("count", [1, 2])
def test_the_generators_run_as_they_were_asked_and_say_so(count: int, tmp_path: Path) -> None:
    seen: dict[str, set[int]] = {}

    def look(_progress: LoadProgress) -> None:
        for pid in engines():
            seen.setdefault(pid, set()).add(os.sched_getscheduler(int(pid)))

    def is_seen(expected: int) -> str | None:
        """Tell whether each engine was seen as it is to run: one may begin later than another."""
        has_been = len(seen) == count and all(expected in found for found in seen.values())
        return "seen" if has_been else None

    with serving(right) as server:
        for asked, expected in (
            (Scheduling.FIFO, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK),
            (Scheduling.NORMAL, os.SCHED_OTHER),
        ):
            seen.clear()
            plan = plan_for(
                server.address,
                load=ClosedLoop(callers=2, think_time_s=0.02),
                requests=None,
                duration_s=60,
                generators=count,
            )
            plan = msgspec.structs.replace(plan, scheduling=asked)
            result = generate(
                plan,
                records=tmp_path / "records.parquet",
                on_progress=look,
                should_stop=partial(is_seen, expected),
            )
            assert result.scheduling is asked
            assert len(seen) == count
            # One that has ended its load runs as others do until all have ended theirs.
            assert all(expected in found for found in seen.values())
            assert all(found <= {expected, os.SCHED_OTHER} for found in seen.values())
