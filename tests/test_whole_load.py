"""`servelab load` from argv to the printed report, on a deterministic world, with exact numbers."""

import json
from pathlib import Path
from typing import Any

import pytest

from servelab.model.load import OpenLoop
from servelab.model.noise import Noise
from servelab.model.outcome import Outcome
from tests.conftest import Run
from tests.fake_world import Script, World

URL = "http://127.0.0.1:8000/x"


def world_of(**script: Any) -> World:
    return World({}, current=Script(**script))


def trial_of(printed: str) -> dict[str, Any]:
    (trial,) = json.loads(printed)["trials"]
    assert isinstance(trial, dict)
    return trial


def test_a_closed_loop_is_told_with_exact_figures(run: Run) -> None:
    status, printed, notes = run(
        world_of(service_s=0.01), "load", URL, "-c", "10", "--requests", "10000"
    )
    assert status == 0
    assert f"\n{URL}\n" in printed
    assert "GET /x; 10 callers, each waiting for its answer, connections kept\n" in printed
    assert "OK: all 10000 answers were right, 100.0 requests/s\n" in printed
    assert "Requests per second:  100.0\n" in printed
    assert "Time taken:           1 min 40 s\n" in printed
    assert "Requests:             10000 scheduled, 10000 sent\n" in printed
    assert "Failures:             none\n" in printed
    rows = {words[0]: words[1:] for words in map(str.split, printed.splitlines()) if words}
    # Each of 10 callers waits for 10 answers of 10 ms, but in the first round.
    assert list(map(float, rows["mean"])) == [100, 100, 0, 0]
    assert list(map(float, rows["50%"])) == [100, 100, 0, 0]
    assert list(map(float, rows["99.9%"])) == [100, 100, 0, 0]
    assert list(map(float, rows["max"])) == [100, 100, 0, 0]
    assert "response time, ms\n" in printed
    assert "█" * 40 in printed
    assert "Results: servelab-results/" in notes


def test_the_object_has_the_times_apart(run: Run) -> None:
    status, printed, _ = run(
        world_of(service_s=0.01), "load", URL, "-c", "10", "-n", "100", "--json"
    )
    trial = trial_of(printed)
    assert status == 0
    assert (trial["deployment"], trial["stack"]) == ("load", "load")
    assert (trial["command"], trial["workload"]) == (URL, "GET /x")
    assert trial["ledger"] == {"scheduled": 100, "sent": 100, "ok": 100}
    assert trial["throughput_per_s"] == pytest.approx(100)
    assert trial["response_time_s"]["mean"] == pytest.approx((0.55 + 90 * 0.1) / 100)
    assert trial["response_time_s"]["p90"] == pytest.approx(0.1)
    assert trial["response_time_s"]["p95"] is None
    assert trial["response_time_s"]["p99.9"] is None
    assert trial["round_trip_time_s"] == trial["response_time_s"]
    assert trial["generator_delay_s"]["max"] == trial["connection_wait_s"]["max"] == 0
    assert trial["generator"]["cpu_us_per_request"] == pytest.approx(1000)
    assert trial["generator"]["pacing"] == "timer"
    assert sum(trial["response_time_histogram"]["counts"]) == 100
    assert trial["records"] == "records/load-1.parquet"


def test_an_open_loop_counts_the_wait_from_the_planned_start(run: Run) -> None:
    # 20 requests a second to a server that does 10: the n-th waits n * 50 ms and takes 100.
    world = world_of(service_s=0.1)
    status, printed, _ = run(
        world, "load", URL, "--rate", "20", "--duration", "10", "--arrivals", "constant", "--json"
    )
    trial = trial_of(printed)
    assert status == 0
    assert trial["load"]["type"] == "open"
    assert trial["ledger"]["ok"] == 200
    assert trial["response_time_s"]["mean"] == pytest.approx(0.1 + 0.05 * 199 / 2)
    assert trial["response_time_s"]["max"] == pytest.approx(0.1 + 0.05 * 199)


def test_failures_decide_the_status_and_are_told_by_class(run: Run) -> None:
    status, printed, _ = run(
        world_of(failures=5, failure=Outcome.TRUNCATED), "load", URL, "-n", "100"
    )
    assert status == 1
    assert "FAILED: 5 of 100 requests failed, more than 0.1% (5 truncated)\n" in printed
    assert "Right answers:        95\n" in printed
    assert "Failures:             5 truncated\n" in printed


def test_quiet_is_the_verdict(run: Run) -> None:
    _, printed, _ = run(world_of(), "load", URL, "-n", "100", "-q")
    assert printed == "OK: all 100 answers were right, 10.00 requests/s\n"


def test_show_and_report_tell_the_same_from_the_folder(run: Run) -> None:
    _, first, _ = run(world_of(), "load", URL, "-n", "1000", "--out", "here")
    status, again, _ = run(world_of(), "show", "here")
    assert (status, again) == (0, first)
    _, as_object, _ = run(world_of(), "show", "here", "--json")
    assert trial_of(as_object)["deployment"] == "load"
    status, page, _ = run(world_of(), "report", "here")
    assert status == 0
    assert page.startswith("# Load: http://127.0.0.1:8000/x\n")
    assert "**OK: all 1000 answers were right, 10.00 requests/s**" in page
    assert "| 50% | " in page


def test_nothing_that_is_stored_tells_a_credential(run: Run, tmp_path: Path) -> None:
    run(
        world_of(),
        *("load", "http://me:hunter2@127.0.0.1:8000/?token=hunter2", "-n", "10"),
        *("-H", "Authorization: Bearer hunter2", "--header=Cookie: id=hunter2"),
        *("--out", "here"),
    )
    stored = [path for path in (tmp_path / "here").rglob("*") if path.is_file()]
    assert len(stored) >= 2
    assert all(b"hunter2" not in path.read_bytes() for path in stored)


def test_run_takes_a_rate_and_hands_it_on(run: Run) -> None:
    world = World({"flask": Script(service_s=0.01)})
    status, printed, _ = run(
        world,
        *("run", "sync-devserver", "cpu", "--rate", "50", "--arrivals", "constant", "--seed", "3"),
        *("-n", "1000", "--pacing", "spin", "--generators", "2", "--json"),
    )
    trial = trial_of(printed)
    (plan,) = world.plans
    assert status == 0
    assert plan.load == OpenLoop(rate_per_s=50, arrivals="constant", seed=3)
    assert (plan.pacing.value, plan.generators) == ("spin", 2)
    assert trial["load"]["rate_per_s"] == 50
    assert trial["response_time_s"]["p99"] == pytest.approx(0.01)
    assert trial["generator_delay_s"]["max"] == 0


def test_run_without_a_rate_has_callers_who_may_think(run: Run) -> None:
    world = World({"flask": Script(service_s=0.01)})
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--think-time", "0.5", "--json")
    assert trial_of(printed)["load"] == {"type": "closed", "callers": 100, "think_time_s": 0.5}


def test_a_loaded_server_is_no_disturbance_of_its_own_load(run: Run) -> None:
    busy = World({}, noise=Noise(seconds=9.0, cpus=2, foreign_cpu_share=0.9, suspended_s=4.0))
    _, printed, _ = run(busy, "load", URL, "-n", "100", "--json")
    trial = trial_of(printed)
    assert trial["noise"]["foreign_cpu_share"] is None
    assert [each["kind"] for each in trial["warnings"]] == ["clock-jump"]
