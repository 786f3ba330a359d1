"""The whole tool from argv to the printed report, on a deterministic world, with exact numbers."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from servelab import catalogue
from servelab.errors import AuditFailed, CannotRunHere, StoreError
from servelab.measure import stopping
from servelab.model.environment import Interpreter
from servelab.model.load import RequestMix
from servelab.model.noise import Noise
from servelab.model.outcome import Outcome
from servelab.model.trial import Trial
from servelab.store.folder import RunFolder
from tests.conftest import Run
from tests.fake_world import Script, World


def trials_of(printed: str) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = json.loads(printed)["trials"]
    return trials


def test_the_seeds_report_has_the_seeds_labels_and_the_exact_figures(run: Run) -> None:
    world = World({"flask": Script(service_s=0.1)})
    status, printed, _ = run(world, "run", "sync-devserver", "cpu")
    assert status == 0
    # 300 answers in 30 s; each of 100 callers waits for 100 answers, but for the first round.
    assert "Number of failure:    0\n" in printed
    assert "Request per second:   10.00 [#/sec] (mean)\n" in printed
    # First round: 0.1 + 0.2 + ... + 10.0 = 505 s; then 200 times 10 s: 2505 / 300.
    assert "Time per request:     8350.0 [ms] (mean)\n" in printed
    assert " 50%  10000.0\n" in printed
    assert "100%  10000.0 (the maximum)\n" in printed
    # One process does a bare call in 50 ms, two of them 40 in a second.
    assert "Ceiling:              40.00 [#/sec], the bare work in 2 processes\n" in printed
    assert "Efficiency:           25.0 % of the ceiling\n" in printed
    assert "CPU per call:         125.0 ms, 40.0 % of it the bare work" in printed
    assert "Calls per worker:     300\n" in printed
    assert "Failures:             none\n" in printed
    assert "$ flask run --no-reload --without-threads --host 127.0.0.1 --port 3000\n" in printed


def test_json_is_one_object_and_nothing_else(run: Run) -> None:
    world = World({"uvicorn": Script(service_s=0.1, workers=4)})
    status, printed, _ = run(
        world, "run", "async-fastapi:processes=4", "cpu", "-n", "1000", "--json"
    )
    (trial,) = trials_of(printed)
    assert status == 0
    assert trial["deployment"] == "async-fastapi:processes=4"
    assert (trial["workload"], trial["status"]) == ("cpu", "ok")
    assert trial["ledger"] == {"scheduled": 1000, "sent": 1000, "ok": 1000}
    assert trial["throughput_per_s"] == pytest.approx(10.0)
    assert trial["response_time_s"]["p99"] == pytest.approx(10.0)
    assert trial["response_time_s"]["mean"] == pytest.approx((505 + 900 * 10) / 1000)
    assert trial["ceiling_per_s"] == pytest.approx(40.0)
    assert trial["efficiency"] == pytest.approx(0.25)
    assert trial["work_share"] == pytest.approx(0.4)
    assert trial["cpu_s_per_call"] == pytest.approx(0.125)
    assert trial["peak_memory_bytes"] == 50_000_000
    assert trial["voluntary_switches_per_call"] == pytest.approx(3.0)
    assert trial["calls_per_worker"] == {str(pid): 250 for pid in range(100, 104)}
    assert trial["generator"]["cpu_share"] == pytest.approx(0.01)
    assert trial["warnings"] == []
    assert trial["stop"]["exit_code"] == 0


def test_a_quantile_with_too_few_samples_beyond_it_is_null(run: Run) -> None:
    _, printed, _ = run(World({"flask": Script()}), "run", "sync-devserver", "cpu", "--json")
    times = trials_of(printed)[0]["response_time_s"]
    assert times["p95"] is not None
    assert times["p99"] is None


def test_failures_neither_flatter_nor_hide(run: Run) -> None:
    world = World({"gunicorn": Script(service_s=0.1, failures=218)})
    status, printed, _ = run(world, "run", "sync-gunicorn:processes=4", "cpu", "--json")
    (trial,) = trials_of(printed)
    assert status == 1
    assert trial["status"] == "failed"
    assert trial["ledger"] == {"scheduled": 300, "sent": 300, "ok": 82, "reset": 218}
    assert trial["throughput_per_s"] == pytest.approx(82 / 30)
    # The failed ones count as no faster than the slowest answer, 8.2 s, or than they took.
    assert trial["response_time_s"]["mean"] > 8.2
    assert "218 of 300 requests failed" in trial["reason"]


def test_one_failure_in_a_thousand_is_within_the_limit(run: Run) -> None:
    world = World({"flask": Script(failures=1, failure=Outcome.TIMEOUT)})
    status, printed, _ = run(world, "run", "sync-devserver", "cpu", "-n", "1000", "--json")
    assert status == 0
    assert trials_of(printed)[0]["ledger"]["timeout"] == 1


def test_the_table_comes_best_first_and_never_ranks_a_failed_deployment(run: Run) -> None:
    world = World(
        {
            "--without-threads": Script(service_s=0.1),
            "--with-threads": Script(service_s=0.01, failures=100),
            "uvicorn": Script(service_s=0.05),
        }
    )
    status, printed, _ = run(
        world,
        "run",
        "sync-devserver",
        "sync-devserver-threaded",
        "async-fastapi:processes=1",
        "cpu",
        "-q",
    )
    assert status == 1
    lines = printed.splitlines()
    rows = [line.split()[0:2] for line in lines if line.lstrip("* ").startswith(("sync", "async"))]
    assert [" ".join(row) for row in rows] == [
        "async-fastapi 1",
        "sync-devserver without",
        "* sync-devserver-threaded",
    ]
    verdict = next(line for line in lines if line.startswith("Highest"))
    assert "async-fastapi 1 process, 20.00 requests/s, 50.0 % of the ceiling of 40.00" in verdict
    assert "One round ranks nothing within the noise" in printed
    assert "100 of 300 requests failed" in printed


def test_a_server_that_dies_at_start_fails_and_the_others_go_on(run: Run) -> None:
    world = World({"gunicorn": Script(dies_at_start=True), "flask": Script()})
    status, printed, _ = run(world, "run", "sync-gunicorn", "sync-devserver", "cpu", "--json")
    *dead, alive = trials_of(printed)
    assert status == 1
    assert [trial["status"] for trial in dead] == ["failed"] * 3
    assert "exit code 3" in dead[0]["reason"]
    assert dead[0]["throughput_per_s"] is None
    assert dead[0]["ledger"] == {"scheduled": 0, "sent": 0, "ok": 0}
    assert dead[0]["command"].startswith("gunicorn ")
    assert alive["status"] == "ok"


def test_a_server_that_dies_under_load_fails_with_what_it_answered(run: Run) -> None:
    world = World({"flask": Script(dies_under_load=True, failures=10)})
    status, printed, _ = run(world, "run", "sync-devserver", "cpu", "--json")
    (trial,) = trials_of(printed)
    assert status == 1
    assert trial["status"] == "failed"
    assert "SIGSEGV" in trial["reason"]
    assert "line two" in trial["reason"]
    assert trial["ledger"]["ok"] == 290


def test_a_server_that_cannot_be_built_is_skipped_and_the_others_go_on(run: Run) -> None:
    world = World({"gunicorn": Script(cannot_be_built=True), "flask": Script()})
    status, printed, notes = run(world, "run", "sync-gunicorn", "sync-devserver", "cpu", "--json")
    assert status == 0
    assert [trial["stack"] for trial in trials_of(printed)] == ["sync-devserver"]
    skipped = json.loads(printed)["skipped"]
    assert list(skipped) == [
        "sync-gunicorn:processes=1,threads=50",
        "sync-gunicorn:processes=1,threads=200",
        "sync-gunicorn:processes=4,threads=50",
    ]
    assert "could not be built" in notes


def test_all_is_every_deployment_of_every_stack(run: Run) -> None:
    status, printed, _ = run(World({"": Script()}), "run", "all", "cpu", "--json")
    assert status == 0
    asked = [each.name for stack in catalogue.stacks() for each in stack.deployments]
    assert sorted(trial["deployment"] for trial in trials_of(printed)) == sorted(asked)
    assert json.loads(printed)["skipped"] == {}


def test_nothing_but_what_cannot_be_built_is_wrong_usage(run: Run) -> None:
    status, _, notes = run(
        World({"gunicorn": Script(cannot_be_built=True)}), "run", "sync-gunicorn", "cpu"
    )
    assert status == 2
    assert "could not be built" in notes


def test_books_that_do_not_balance_are_a_bug_with_its_own_status(run: Run) -> None:
    world = World({"flask": Script(lost_by_workers=1)})
    status, printed, _ = run(world, "run", "sync-devserver", "cpu", "--json")
    (trial,) = trials_of(printed)
    assert status == 70
    assert trial["status"] == "invalid"
    assert "the workers received 299 and answered 299, and 300 answers" in trial["reason"]


def test_an_interrupt_keeps_what_was_measured(run: Run, tmp_path: Path) -> None:
    world = World({"uwsgi": Script()}, interrupt_after=3)
    status, printed, notes = run(world, "run", "sync-uwsgi", "cpu", "--out", "kept")
    assert status == 130
    assert "Interrupted: 2 of 3 trials are measured." in notes
    assert printed.count("Request per second:") == 2
    status, again, _ = run(world, "show", str(tmp_path / "kept"), "--json")
    assert status == 0
    assert len(trials_of(again)) == 2


def test_show_prints_the_same_report_from_the_folder(run: Run) -> None:
    world = World({"flask": Script()})
    _, first, _ = run(
        world, "run", "sync-devserver", "sync-devserver-threaded", "cpu", "--out", "here"
    )
    _, again, _ = run(world, "show", "here")
    assert again == first
    _, latest, _ = run(world, "show", "here", "-q")
    assert latest in first


def test_the_ceiling_is_measured_once_for_all_deployments_of_a_run(run: Run) -> None:
    world = World({"flask": Script()})
    _, _, notes = run(world, "run", "sync-devserver", "sync-devserver-threaded", "cpu", "-v")
    assert notes.count("the bare work in 1 of 2 processes") == 1
    assert notes.count("the bare work in 2 of 2 processes") == 1


def test_the_ceiling_of_waiting_for_nobody_is_what_the_generator_can_carry(run: Run) -> None:
    world = World({"flask": Script()})
    _, printed, _ = run(world, "run", "sync-devserver", "sleep", "-c", "20", "-n", "300", "--json")
    trial = trials_of(printed)[0]
    # The scripted null server answers 10 calls in a second, as the scripted server does.
    assert trial["ceiling_per_s"] == pytest.approx(10.0)
    assert trial["ceiling"]["source"] == "generator and a server that does nothing"
    words = ("run", "sync-devserver", "sleep", "-c", "20", "--param", "delay_s=50", "--json")
    _, printed, _ = run(world, *words)
    trial = trials_of(printed)[0]
    assert trial["ceiling_per_s"] == pytest.approx(20 / 50)
    assert trial["ceiling"]["source"] == "20 callers / 50 s of waiting"


@pytest.mark.parametrize(
    ("bare_call_s", "ceiling_per_s", "source"),
    [
        # Two processes; the scripted null server answers 1,250 calls in a second.
        (0.0005, 1250.0, "generator and a server that does nothing"),
        (0.00099, 1250.0, "generator and a server that does nothing"),
        (0.002, 1000.0, "the bare work in 2 processes"),
    ],
)
def test_the_ceiling_of_short_work_is_the_lower_of_two_limits(
    run: Run, bare_call_s: float, ceiling_per_s: float, source: str
) -> None:
    world = World({"flask": Script()}, bare_call_s=bare_call_s, current=Script(service_s=0.0008))
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "-n", "100", "--json")
    trial = trials_of(printed)[0]
    assert trial["ceiling_per_s"] == pytest.approx(ceiling_per_s)
    assert trial["ceiling"]["source"].startswith(source)


def test_short_work_that_is_slower_than_serving_keeps_its_own_ceiling(run: Run) -> None:
    world = World({"flask": Script()}, bare_call_s=0.0009, current=Script(service_s=0.0001))
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "-n", "100", "--json")
    trial = trials_of(printed)[0]
    assert trial["ceiling_per_s"] == pytest.approx(2 / 0.0009)
    assert trial["ceiling"]["source"] == "the bare work in 2 processes"


def test_each_kind_of_call_has_response_times_of_its_own(run: Run) -> None:
    world = World({"flask": Script()})
    words = ("run", "sync-devserver", "mixed", "-n", "100", "-c", "4")
    _, printed, _ = run(world, *words, "--json")
    trial = trials_of(printed)[0]
    kinds = {kind["name"]: kind for kind in trial["kinds"]}
    assert {name: kind["calls"] for name, kind in kinds.items()} == {"fast": 80, "slow": 20}
    # One after the other at the scripted server, the last of four callers waits 0.4 s.
    assert kinds["fast"]["response_time_s"]["max"] == pytest.approx(0.4)
    _, printed, _ = run(world, *words)
    assert "Fast calls:" in printed
    assert "80; p50 400.0, max 400.0 ms" in printed


def test_calls_that_are_all_alike_have_no_kinds(run: Run) -> None:
    _, printed, _ = run(World({"flask": Script()}), "run", "sync-devserver", "cpu", "--json")
    assert trials_of(printed)[0]["kinds"] == []


def test_a_mix_is_sent_in_turn_and_checked_so(run: Run) -> None:
    world = World({"flask": Script()})
    run(world, "run", "sync-devserver", "mixed", "-n", "100", "--param", "num=7")
    (request,) = {plan.request for plan in world.plans if isinstance(plan.request, RequestMix)}
    assert [each.path for each in request.requests].count("/mixed?num=7") == 4


def test_the_ceiling_of_waiting_is_callers_over_delay(run: Run) -> None:
    world = World({"flask": Script()}, bare_call_s=9.0)
    _, printed, _ = run(world, "run", "sync-devserver", "io", "-c", "20", "-n", "300", "--json")
    trial = trials_of(printed)[0]
    # The scripted slow API answers 10 calls in a second, one request's worth.
    assert trial["ceiling_per_s"] == pytest.approx(1.0)
    _, printed, _ = run(
        world, "run", "sync-devserver", "io", "-c", "20", "--param", "delay_s=50", "--json"
    )
    trial = trials_of(printed)[0]
    assert trial["ceiling_per_s"] == pytest.approx(20 / 50)
    assert trial["timeout_s"] == pytest.approx(1.5 * 20 * 50)


def test_a_rate_that_the_generator_reaches_against_no_server_is_client_bound(run: Run) -> None:
    # The scripted null server takes as long as the scripted server: all of the rate is its own.
    world = World({"flask": Script(service_s=0.002)})
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--json")
    (trial,) = trials_of(printed)
    assert trial["status"] == "ok"
    assert trial["generator"]["null_rate_per_s"] == pytest.approx(500.0)
    assert "client-bound" in [warning["kind"] for warning in trial["warnings"]]


@pytest.mark.parametrize(
    "failure",
    [
        StoreError("no space left"),
        OSError(errno.ENOSPC, "No space left on device"),
        CannotRunHere("no port from 3200 on is free"),
        AuditFailed("the generator counted otherwise"),
    ],
)
def test_a_null_rate_that_cannot_be_measured_costs_no_trial(failure: Exception, run: Run) -> None:
    world = World({"flask": Script(service_s=0.002)}, load_failures={2: failure})
    status, printed, _ = run(world, "run", "sync-devserver", "cpu", "--json")
    assert status == 0
    (trial,) = trials_of(printed)
    assert trial["throughput_per_s"] == pytest.approx(500.0)
    assert trial["generator"]["null_rate_per_s"] is None


def test_a_mostly_idle_generator_is_not_held_against_the_null_server(run: Run) -> None:
    world = World({"flask": Script(service_s=0.1)})
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--json")
    assert trials_of(printed)[0]["generator"]["null_rate_per_s"] is None
    assert world.loads == 1


def test_the_ceiling_of_next_to_no_work_is_the_null_servers_rate(run: Run) -> None:
    server = Script(service_s=0.01)
    world = World({"flask": server}, bare_call_s=0.0005, current=server)
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--json")
    (trial,) = trials_of(printed)
    assert trial["ceiling_per_s"] == pytest.approx(100.0)
    assert trial["ceiling"]["source"].endswith("the bare work takes only 500 µs")


def test_results_go_to_a_folder_named_after_time_and_run(run: Run, tmp_path: Path) -> None:
    world = World({"flask": Script()})
    run(world, "run", "sync-devserver", "cpu")
    (folder,) = (tmp_path / "servelab-results").iterdir()
    assert folder.name.endswith("Z-sync-devserver-cpu")
    assert len((folder / "trials.jsonl").read_text().splitlines()) == 1


def test_a_folder_with_results_is_not_written_again(run: Run) -> None:
    world = World({"flask": Script()})
    run(world, "run", "sync-devserver", "cpu", "--out", "here")
    status, _, notes = run(world, "run", "sync-devserver", "cpu", "--out", "here")
    assert status == 2
    assert "already holds results" in notes


def test_servers_are_told_paths_that_hold_in_every_folder(run: Run) -> None:
    world = World({"flask": Script()})
    run(world, "run", "sync-devserver", "cpu", "--out", "relative")
    assert all(path.is_absolute() for path in world.told)


def test_a_busy_default_port_is_left_alone_and_the_next_one_is_said(run: Run) -> None:
    world = World({"flask": Script()}, busy_ports=2)
    _, printed, _ = run(world, "run", "sync-devserver", "cpu")
    assert "--port 3002\n" in printed
    assert "Port 3002: the seed's 3000 is taken.\n" in printed


def test_a_server_that_does_not_fit_the_interpreter_is_skipped_with_the_reason(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "servelab.environment.interpreters.own_interpreter",
        lambda: Interpreter(path=Path("/python3.14t"), version="3.14.0", is_free_threaded=True),
    )
    world = World({"uvicorn": Script()})
    status, printed, notes = run(world, "run", "sync-uwsgi", "async-fastapi", "cpu", "--json")
    assert status == 0
    assert {trial["stack"] for trial in trials_of(printed)} == {"async-fastapi"}
    assert notes.count("has no build for free-threaded Python") == 3


def test_every_row_has_its_reason(run: Run) -> None:
    world = World(
        {
            "--without-threads": Script(service_s=0.1, cpu_s_per_call=0.05),
            "uvicorn": Script(service_s=0.026, cpu_s_per_call=0.05, workers=2),
        }
    )
    _, printed, _ = run(world, "run", "sync-devserver", "async-fastapi:processes=2", "cpu")
    # 300 calls of 50 ms in 30 s are half a core; 38.5 calls/s of 40 are near the ceiling.
    assert "it used 0.50 of 2 cores: one process did all the work.\n" in printed
    assert "Why:                  it reaches 96% of what the hardware does.\n" in printed


def test_a_port_taken_meanwhile_skips_one_deployment_and_the_report_comes(run: Run) -> None:
    world = World({"gunicorn": Script(finds_port_taken=True), "flask": Script()})
    status, printed, notes = run(
        world, "run", "sync-devserver", "sync-gunicorn:threads=5", "cpu", "--json"
    )
    assert status == 0
    assert [trial["stack"] for trial in trials_of(printed)] == ["sync-devserver"]
    assert list(json.loads(printed)["skipped"]) == ["sync-gunicorn:processes=1,threads=5"]
    assert "taken" in notes


def test_a_full_disk_ends_the_run_with_the_report_of_what_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = RunFolder.append

    def append(folder: RunFolder, trial: Trial) -> Trial:
        if trial.stack != "sync-devserver":
            raise StoreError("the result could not be written (No space left on device)")
        return kept(folder, trial)

    monkeypatch.setattr(RunFolder, "append", append)
    world = World({"flask": Script()})
    status, printed, notes = run(
        world, "run", "sync-devserver", "sync-devserver-threaded", "cpu", "--json"
    )
    assert status == 2
    assert [trial["stack"] for trial in trials_of(printed)] == ["sync-devserver"]
    assert json.loads(printed)["interrupted"] is True
    assert "No space left" in notes


def test_noise_is_stored_and_said_but_voids_nothing_in_a_single_round(run: Run) -> None:
    noise = Noise(seconds=30.0, cpus=2, foreign_cpu_share=0.5, listen_overflows=4, other_runs=1)
    world = World({"flask": Script()}, noise=noise)
    status, printed, _ = run(world, "run", "sync-devserver", "cpu", "--json")
    (trial,) = trials_of(printed)
    assert status == 0
    assert trial["noise"]["foreign_cpu_share"] == 0.5
    assert [each["kind"] for each in trial["warnings"]] == [
        "other-run",
        "foreign-cpu",
        "listen-overflow",
    ]
    _, printed, _ = run(world, "run", "sync-devserver", "cpu")
    assert "! other programs took 50.0% of the CPU time" in printed
    assert "! another servelab was measuring on this machine" in printed


@pytest.mark.parametrize(
    ("others", "words"),
    [(1, "another servelab is measuring"), (2, "2 other servelab are measuring")],
)
def test_others_who_measure_are_told_before_the_run(run: Run, others: int, words: str) -> None:
    world = World({"flask": Script()}, other_runs=others)
    _, _, notes = run(world, "run", "sync-devserver", "cpu")
    assert words in notes
    _, _, notes = run(World({"flask": Script()}), "run", "sync-devserver", "cpu")
    assert "measuring on this machine" not in notes


def test_a_load_begins_with_all_workers_where_the_last_comes_up_after_the_first_answer(
    run: Run,
) -> None:
    world = World({"uvicorn": Script(workers=2, workers_up=4, up_after=2)})
    _, printed, _ = run(world, "run", "async-fastapi:processes=4", "cpu", "--json")
    (trial,) = trials_of(printed)
    assert trial["workforce"]["at_start"] == trial["workforce"]["at_end"] == [100, 101, 102, 103]


def test_fewer_workers_than_asked_for_are_said_once(run: Run) -> None:
    world = World({"uvicorn": Script(workers=2, workers_up=2)})
    _, printed, _ = run(world, "run", "async-fastapi:processes=4", "cpu", "--json")
    (trial,) = trials_of(printed)
    said = [each["text"] for each in trial["warnings"] if each["kind"] == "workers-missing"]
    assert len(said) == 1
    assert said[0].startswith("2 of 4 workers came up")


def test_a_server_that_never_came_to_a_load_has_no_noise(run: Run) -> None:
    world = World({"flask": Script(dies_at_start=True)})
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--json")
    assert trials_of(printed)[0]["noise"] is None


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "LOAD_BEFORE_S", 0.0)
    monkeypatch.setattr(stopping, "AFTERMATH_S", 0.0)


@pytest.mark.usefixtures("no_waiting")
def test_a_stop_under_load_is_told_and_changes_no_other_figure(run: Run) -> None:
    words = ("run", "sync-devserver", "cpu", "-c", "8", "-n", "40", "--json")
    _, plain, _ = run(World({"flask": Script()}), *words)
    _, printed, _ = run(World({"flask": Script()}), *words, "--stop-under-load", "--out", "two")
    (expected,), (trial,) = trials_of(plain), trials_of(printed)
    stop = trial.pop("graceful_stop")
    assert expected.pop("graceful_stop") is None
    for each in ("started_at", "start_s", "whole_s"):
        expected[each] = trial[each]
    assert trial == expected
    # Eight callers, asked to end 1.05 s after the start: after ten of 610 answers.
    assert (stop["in_flight"], stop["in_work"], stop["answered"]) == (8, 0, 8)
    assert stop["lost"] == {}
    assert stop["later"] == {"ok": 592}
    assert stop["seconds"] == 0.5
    assert stop["records"] == "records/sync-devserver-threadingwithout-cpu-1.stop.parquet"


@pytest.mark.usefixtures("no_waiting")
def test_a_stop_that_cannot_be_recorded_leaves_the_figures_of_the_load_before(run: Run) -> None:
    world = World({"flask": Script()}, load_failures={2: StoreError("no space left")})
    words = ("run", "sync-devserver", "cpu", "-c", "8", "-n", "40", "--json")
    status, printed, _ = run(world, *words, "--stop-under-load")
    (trial,) = trials_of(printed)
    assert status == 3
    assert trial["status"] == "invalid"
    assert trial["reason"] == "its stop could not be measured: no space left"
    assert trial["ledger"]["ok"] == 40
    assert trial["graceful_stop"] is None


@pytest.mark.usefixtures("no_waiting")
def test_how_deployments_took_sigterm_has_a_line_and_a_table(run: Run) -> None:
    world = World({"flask": Script(), "uvicorn": Script(workers=4)})
    words = ("sync-devserver", "async-fastapi:processes=4", "cpu", "-c", "4", "--stop-under-load")
    _, printed, _ = run(world, "run", *words)
    line = "4 of 4 requests in flight (0 being worked on) answered; gone 0.5 s after SIGTERM"
    assert printed.count(f"Stop under load:      {line}\n") == 2
    assert "SIGTERM under load on cpu: what became of the requests in flight." in printed
    _, page, _ = run(world, "report")
    assert "| async-fastapi 4 processes | 4 | 0 | 4 | none | " in page
