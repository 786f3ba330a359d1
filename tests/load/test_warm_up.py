import time
from pathlib import Path

import numpy as np
import pytest

from servelab.load.generator import generate, read_records
from servelab.measure import audit, figures
from servelab.model.load import ClosedLoop, OpenLoop

from .fault_server import Connection, right, serving
from .loads import plan_for

pytestmark = pytest.mark.live


@pytest.mark.parametrize("load", [ClosedLoop(callers=3), OpenLoop(rate_per_s=500)])
def test_requests_planned_during_the_warm_up_are_recorded_apart(
    load: ClosedLoop | OpenLoop, tmp_path: Path
) -> None:
    def slowly(connection: Connection, nonce: bytes) -> bool:
        time.sleep(0.005)
        return right(connection, nonce)

    with serving(slowly) as server:
        plan = plan_for(server.address, load=load, requests=None, duration_s=0.4, warm_up_s=0.2)
        result = generate(plan, records=tmp_path / "records.parquet")
    assert result.warm_up_records == tmp_path / "records.warm-up.parquet"
    warm_up, measured = read_records(result.warm_up_records), read_records(result.records)

    until_ns = round((result.begun_s + 0.2) * 1e9)
    assert len(warm_up) > 0
    assert len(measured) > 0
    assert warm_up.planned_ns.max() < until_ns <= measured.planned_ns.min()
    assert measured.planned_ns.max() < until_ns + 0.4e9
    assert len(warm_up) + len(measured) == result.scheduled == result.outcomes["ok"]
    assert sorted([*warm_up.sequence, *measured.sequence]) == list(range(result.scheduled))
    assert not list(audit.errors_of_generator(result, sent=warm_up.sent + measured.sent))


def test_the_rate_after_a_warm_up_counts_the_answers_that_came_in_the_window(
    tmp_path: Path,
) -> None:
    with serving(right) as server:
        plan = plan_for(
            server.address,
            load=ClosedLoop(callers=2),
            requests=None,
            duration_s=0.3,
            warm_up_s=0.1,
        )
        result = generate(plan, records=tmp_path / "records.parquet")
    assert result.warm_up_records is not None
    every = [read_records(result.warm_up_records), read_records(result.records)]
    window = figures.window_after(0.1, duration_s=0.3, result=result)

    after_s = np.concatenate([each.finished_ns for each in every]) / 1e9 - window.began_s
    expected = ((after_s >= 0) & (after_s < window.seconds)).sum() / window.seconds
    assert window.rate_per_s(*every) == pytest.approx(expected)
    assert window.seconds == pytest.approx(0.3, abs=0.05)


def test_without_a_warm_up_there_is_no_file_of_one(tmp_path: Path) -> None:
    with serving(right) as server:
        plan = plan_for(server.address, requests=5)
        result = generate(plan, records=tmp_path / "records.parquet")
    assert result.warm_up_records is None
    assert [path.name for path in tmp_path.iterdir()] == ["records.parquet"]
