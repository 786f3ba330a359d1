"""A front, from argv to the printed report, on a deterministic world."""

import json
from typing import Any

import pytest

from servelab.measure import stopping
from tests.conftest import Run
from tests.fake_world import Script, World

SYNC = "sync-gunicorn-sync:processes=2"
PLAIN = f"{SYNC},worker_class=sync"


def trials_of(printed: str) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = json.loads(printed)["trials"]
    return trials


def test_a_server_listens_on_a_unix_socket_and_the_front_on_the_measured_port(run: Run) -> None:
    world = World({"gunicorn": Script(workers=2)})
    status, printed, _ = run(world, "run", SYNC, "cpu", "--front", "nginx", "--json")
    (trial,) = trials_of(printed)
    assert status == 0
    assert trial["deployment"] == f"{PLAIN}+nginx"
    assert trial["heading"] == "2 processes, behind nginx"
    assert trial["port"] == 3000
    front = trial["front"]
    assert front["name"] == "nginx"
    assert front["upstream"].startswith("unix:/")
    assert f"--bind {front['upstream']} " in trial["command"]
    assert f'server "{front["upstream"]}";' in world.fronts[0]
    assert "listen 127.0.0.1:3000 backlog=4096;" in world.fronts[0]
    assert world.started == [trial["command"]]


def test_a_server_that_cannot_gets_a_port_of_its_own(run: Run) -> None:
    world = World({"flask": Script()})
    _, printed, _ = run(world, "run", "sync-devserver+nginx", "cpu", "--json")
    (trial,) = trials_of(printed)
    assert trial["front"]["upstream"] == "127.0.0.1:3200"
    assert trial["command"].endswith("--host 127.0.0.1 --port 3200")
    assert 'server "127.0.0.1:3200";' in world.fronts[0]


def test_the_port_of_the_server_is_never_that_of_its_front(run: Run) -> None:
    world = World({"flask": Script()})
    words = ("run", "sync-devserver+nginx", "cpu", "--json")
    _, printed, _ = run(world, *words, "--port", "3200")
    assert trials_of(printed)[0]["port"] == 3200
    assert trials_of(printed)[0]["front"]["upstream"] == "127.0.0.1:3201"


def test_what_the_front_took_is_told_apart_from_what_the_server_took(run: Run) -> None:
    words = ("run", SYNC, "cpu", "-n", "100")
    _, printed, _ = run(World({"gunicorn": Script(workers=2)}), *words, "--front", "nginx")
    # The world says that each of the two took 125 ms for each of 100 calls in 10 s.
    assert "CPU per call:         125.0 ms, 40.0 % of it the bare work" in printed
    assert "nginx:                125.0 ms CPU per call, 50 MB at most" in printed
    assert "in front, on a unix socket, by logs/" in printed
    assert "Why:                  nginx took 1.2 of 2 cores.\n" in printed
    assert "  nginx: access_log off: " in printed
    assert "sync-gunicorn-sync: 2 processes, behind nginx\n" in printed


def test_without_a_front_nothing_is_said_of_one(run: Run) -> None:
    world = World({"gunicorn": Script(workers=2)})
    _, printed, _ = run(world, "run", SYNC, "cpu")
    assert "nginx" not in printed
    assert world.fronts == []


def test_a_deployment_is_compared_with_itself_behind_a_front(run: Run) -> None:
    # A unix socket is told by its path; the server behind the front is the slower one here.
    world = World({"--bind unix:": Script(service_s=0.2), "--bind 127": Script(service_s=0.1)})
    words = ("compare", SYNC, f"{SYNC}+nginx", "cpu", "--rounds", "10", "--warm-up", "0", "--json")
    status, printed, _ = run(world, *words)
    assert status == 0
    rates = {each["deployment"]: each["throughput_per_s"] for each in trials_of(printed)}
    assert rates == {PLAIN: pytest.approx(10), f"{PLAIN}+nginx": pytest.approx(5)}


def test_a_resumed_run_finds_its_fronts_again(run: Run) -> None:
    words = ("run", SYNC, f"{SYNC}+nginx", "cpu", "-n", "50")
    interrupted = World({"gunicorn": Script(workers=2)}, interrupt_after=2)
    assert run(interrupted, *words, "--out", "kept")[0] == 130
    world = World({"gunicorn": Script(workers=2)})
    status, printed, _ = run(world, "run", "--resume", "kept", "--json")
    assert status == 0
    assert [each["deployment"] for each in trials_of(printed)] == [PLAIN, f"{PLAIN}+nginx"]
    assert len(world.fronts) == 1


def test_without_nginx_one_sentence_says_how_to_come_by_it_and_the_others_go_on(run: Run) -> None:
    world = World({"gunicorn": Script(workers=2)}, has_nginx=False)
    _, printed, _ = run(world, "run", SYNC, f"{SYNC}+nginx", "cpu", "--json")
    found = json.loads(printed)
    assert [each["deployment"] for each in found["trials"]] == [PLAIN]
    assert found["skipped"] == {
        f"{PLAIN}+nginx": "nginx is not installed; install it (on Debian: apt-get install nginx)."
    }


def test_a_server_that_dies_behind_a_front_fails_its_trial(run: Run) -> None:
    world = World({"gunicorn": Script(dies_under_load=True)})
    status, printed, _ = run(world, "run", f"{SYNC}+nginx", "cpu", "--json")
    assert status == 1
    assert trials_of(printed)[0]["reason"].startswith("the server ended with signal SIGSEGV under")


def test_a_front_that_dies_fails_the_trial_and_is_named(run: Run) -> None:
    world = World({"gunicorn": Script(workers=2)}, front_dies=True)
    status, printed, _ = run(world, "run", f"{SYNC}+nginx", "cpu", "--json")
    assert status == 1
    assert trials_of(printed)[0]["reason"].startswith("nginx ended with signal SIGSEGV under load;")


def test_under_load_only_the_server_is_asked_to_end(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "LOAD_BEFORE_S", 0.0)
    monkeypatch.setattr(stopping, "AFTERMATH_S", 0.0)
    world = World({"gunicorn": Script(workers=2)})
    words = ("run", f"{SYNC}+nginx", "cpu", "-c", "8", "-n", "40", "--stop-under-load", "--json")
    _, printed, _ = run(world, *words)
    (trial,) = trials_of(printed)
    assert trial["status"] == "ok", trial["reason"]
    assert trial["graceful_stop"]["in_flight"] == 8


def test_an_unknown_front_is_refused_before_anything_is_measured(run: Run) -> None:
    world = World({"gunicorn": Script()})
    status, _, said = run(world, "run", SYNC, "cpu", "--front", "apache")
    assert status == 2
    assert "There is no front 'apache'; there is nginx." in said
    assert world.started == []


def test_a_plan_names_the_front(run: Run) -> None:
    _, printed, _ = run(World({}), "run", "sync-waitress", "cpu", "--front", "nginx", "--dry-run")
    assert "behind nginx" in printed or "+nginx" in printed


def test_a_search_for_capacity_takes_a_front(run: Run) -> None:
    world = World({"gunicorn": Script(service_s=0.001, workers=2)})
    _, printed, _ = run(
        world, "capacity", f"{SYNC}+nginx", "hello", "--slo", "p99<200ms", "--budget", "1s",
        "--start", "10", "--duration", "6", "--json",
    )  # fmt: skip
    assert world.fronts
    assert {each["deployment"] for each in trials_of(printed)} == {f"{PLAIN}+nginx"}
