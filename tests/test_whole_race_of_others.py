"""`servelab tune` behind a front, of commands, and short of its objective, on a known world."""

import json
from pathlib import Path
from typing import Any

import pytest

from servelab.report import runs
from tests.conftest import Run
from tests.fake_world import World
from tests.own_world import serving

SHORT = ("--duration", "10", "--warm-up", "1", "-c", "1")
NGINX = ("--front", "nginx")
POOL = ("--command", "pool --workers {workers=1|2|4} --bind {host}:{port}")
OTHER = ("--command", "other=./serve {port}")
COMMANDS = ("tune", *POOL, *OTHER, *SHORT)
WAITRESS = ("tune", "shop:app", "--only", "waitress", *SHORT)


def four_workers_win(**different: Any) -> World:
    """Return a world with a pool at 20/s, with 4 workers at 50/s, and another server at 10/s."""
    scripts = {
        "--workers 4": serving(service_s=0.02),
        "pool": serving(service_s=0.05),
        "serve": serving(service_s=0.1),
    }
    return World(scripts, **different)


def eight_threads_win(**different: Any) -> World:
    scripts = {"--threads=8 ": serving(service_s=0.02), "waitress": serving(service_s=0.05)}
    return World(scripts, **different)


def race_of(printed: str) -> dict[str, Any]:
    race: dict[str, Any] = json.loads(printed)["race"]
    return race


def told_of(run: Run, folder: str) -> dict[str, Any]:
    """Return what a folder's race found, without what hangs on the clock."""
    _, printed, _ = run(World({}), "show", folder, "--json")
    return race_of(printed)


@pytest.mark.usefixtures("project")
def test_all_are_raced_behind_a_front_and_told_so(run: Run) -> None:
    world = eight_threads_win()
    status, printed, notes = run(world, *WAITRESS, *NGINX, "--out", "here")
    assert status == 0, notes
    # 50 MB are the server's, as much is the front's in this world.
    assert printed.startswith(
        "\nServe shop:app with waitress 8 threads, behind nginx: 50.00 answers/s, 100 MB.\n"
    )
    assert "The memory of what is behind nginx is that of both together." in printed
    assert "# nginx before it, as in " in printed
    assert "--listen=127.0.0.1:8000" in printed
    trials = runs.read(Path("here")).trials
    assert {each.deployment.rpartition("+")[2] for each in trials} == {"nginx"}
    # The rehearsal started one, too.
    assert len(world.fronts) == len(trials) + 1
    assert all("--unix-socket=" in each for each in world.started)


@pytest.mark.usefixtures("project")
def test_one_of_two_alike_is_raced_behind_a_front(run: Run) -> None:
    world = World(
        {
            "--unix-socket=": serving(service_s=0.02, peak_memory_bytes=30_000_000),
            "waitress": serving(service_s=0.021),
        }
    )
    asked = (*WAITRESS, "--only", "waitress+nginx")
    status, printed, notes = run(world, *asked, "--memory", "70m", "--json")
    assert status == 0, notes
    race = race_of(printed)
    # The server alone would have room in 70 MiB; its front's 30 MB lie beside its own.
    assert race["winner"]["front"] == "nginx"
    assert {each["candidate"]["front"] for each in race["losses"]} >= {None}
    status, printed, notes = run(world, *asked, "--memory", "55m", "--json")
    race = race_of(printed)
    assert race["winner"]["front"] is None
    over = [each["candidate"]["front"] for each in race["losses"] if "memory" in each["cause"]]
    assert set(over) == {"nginx"}


@pytest.mark.usefixtures("project")
def test_the_folklore_setting_is_raced_behind_the_same_front(run: Run) -> None:
    world = World({"gunicorn": serving(service_s=0.02)})
    asked = ("tune", "shop:app", "--only", "gunicorn-sync", *NGINX, *SHORT)
    _, printed, _ = run(world, *asked)
    assert "2 x cores + 1 (gunicorn-sync 5 processes, behind nginx), was" in printed
    _, printed, _ = run(world, *asked, "--dry-run")
    assert "  gunicorn-sync+nginx: processes=2 of 1, 2, 4, 5, 8" in printed
    assert "processes=5+nginx: folklore, 2 x cores + 1" in printed


@pytest.mark.usefixtures("project")
def test_the_files_serve_behind_the_machines_own_nginx(run: Run) -> None:
    status, _, notes = run(eight_threads_win(), *WAITRESS, *NGINX, "--out", "here")
    assert status == 0
    made = {each.name: each.read_text() for each in Path("here/deploy").iterdir()}
    assert set(made) == {"shop-app.service", "shop-app.nginx.conf", "Procfile"}
    assert "--unix-socket=/run/shop-app/server.sock" in made["shop-app.service"]
    assert 'server "unix:/run/shop-app/server.sock";' in made["shop-app.nginx.conf"]
    assert "put it into /etc/nginx/conf.d" in notes


@pytest.mark.usefixtures("project")
def test_a_race_behind_a_front_is_gone_on_with_to_the_same_answer(run: Run) -> None:
    asked = (*WAITRESS, "--only", "waitress+nginx")
    run(eight_threads_win(), *asked, "--out", "whole")
    status, _, _ = run(eight_threads_win(interrupt_after=7), *asked, "--out", "here")
    assert status == 130
    status, _, notes = run(eight_threads_win(), "tune", "--resume", "here")
    assert status == 0, notes
    assert told_of(run, "here") == told_of(run, "whole")
    for extra in (NGINX, POOL):
        status, _, notes = run(eight_threads_win(), "tune", "--resume", "here", *extra)
        assert status == 2
        assert f"leave {extra[0]} out" in notes


@pytest.mark.usefixtures("project")
def test_without_nginx_what_is_behind_it_is_left_out_and_the_rest_is_raced(run: Run) -> None:
    asked = (*WAITRESS, "--only", "waitress+nginx")
    status, printed, notes = run(eight_threads_win(has_nginx=False), *asked)
    assert status == 0
    assert "nginx is not installed; install it (on Debian: apt-get install nginx)." in notes
    assert "Left out before the race: waitress:threads=4+nginx: nginx is not installed" in printed
    assert "behind nginx:" not in printed
    status, _, notes = run(eight_threads_win(has_nginx=False), *WAITRESS, *NGINX)
    assert status == 2
    assert "shop:app cannot be timed on any of its servers: nginx is not installed" in notes


def test_commands_are_raced_by_themselves_and_their_values_are_searched(run: Run) -> None:
    world = four_workers_win()
    status, printed, notes = run(world, *COMMANDS, "--out", "here")
    assert status == 0, notes
    assert printed.startswith("\nServe with pool workers=4: 50.00 answers/s, 50 MB.\n")
    assert "  pool --workers 4 --bind 127.0.0.1:8000\n" in printed
    assert "pip install" not in printed
    trials = runs.read(Path("here")).trials
    assert {each.deployment for each in trials} == {
        "other",
        *(f"pool:workers={count}" for count in (1, 2, 4)),
    }
    assert trials[0].command.startswith(("pool --workers ", "./serve "))
    assert runs.read(Path("here")).end.skipped == {}
    # Of programs the work cannot be measured without them, so that no time goes into it.
    assert "in the first round, about 1 min 3 s" in notes


def test_what_a_command_won_with_is_in_its_files(run: Run) -> None:
    run(four_workers_win(), *COMMANDS, "--out", "here")
    made = {each.name: each.read_text() for each in Path("here/deploy").iterdir()}
    assert set(made) == {"pool.service", "Procfile"}
    assert made["Procfile"] == "web: pool --workers 4 --bind 0.0.0.0:$PORT\n"
    assert " pool --workers 4 --bind 127.0.0.1:8000\n" in made["pool.service"]


def test_a_dry_run_of_commands_tells_where_each_begins(run: Run) -> None:
    world = World({})
    status, printed, _ = run(world, *COMMANDS, *NGINX, "--dry-run")
    assert status == 0
    assert "  pool+nginx: workers=2 of 1, 2, 4\n  other+nginx: nothing to search\n" in printed
    assert world.started == []


def test_a_race_of_commands_is_gone_on_with_to_the_same_answer(run: Run) -> None:
    run(four_workers_win(), *COMMANDS, "--out", "whole")
    status, _, notes = run(four_workers_win(interrupt_after=7), *COMMANDS, "--out", "here")
    assert status == 130
    assert "Go on with: servelab tune --resume here" in notes
    status, _, notes = run(four_workers_win(), "tune", "--resume", "here")
    assert status == 0, notes
    assert told_of(run, "here") == told_of(run, "whole")


def test_a_secret_in_a_command_is_in_no_file_and_ends_what_lacks_it(run: Run) -> None:
    secret = ("--command", "env API_TOKEN=hunter2 ./serve {port}")
    world = four_workers_win(interrupt_after=4)
    status, _, notes = run(world, "tune", *secret, *SHORT, "--out", "here")
    assert status == 130
    assert "Begin again with: servelab tune --command ..., as before" in notes
    status, _, notes = run(four_workers_win(), "tune", "--resume", "here")
    assert status == 2
    assert "it does not store a word of the command env; begin again" in notes
    status, *_ = run(four_workers_win(), "tune", *secret, *SHORT, "--out", "there")
    assert status == 0
    kept = b"".join(each.read_bytes() for each in Path().rglob("*") if each.is_file())
    assert b"hunter2" not in kept
    assert "API_TOKEN=***" in Path("there/deploy/Procfile").read_text()


def test_one_command_with_nothing_to_search_has_nobody_beside_it(run: Run) -> None:
    status, printed, notes = run(four_workers_win(), "tune", *OTHER, *SHORT)
    assert status == 0, notes
    assert "Serve with other: 9.98 answers/s" in printed or "Serve with other: 10" in printed
    assert "There was nothing else to choose from." in printed
    assert "All others were clearly worse" not in printed


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "no application is named: give one, such as my.module:app"),
        (("--command", "node server.js"), "is not told where to listen"),
        ((*OTHER, "--proto", "shop.proto"), "--proto is about gRPC"),
        ((*OTHER, "--body", "{}"), "--body is about gRPC"),
        ((*OTHER, "--grpc", "Greet"), "write it as package.Service/Method"),
        (("app:app", "--grpc", "a.B/C"), "--grpc is about a program that listens by itself"),
        ((*OTHER, "--only", "nodejs"), "There is no command 'nodejs'; there is other"),
        ((*OTHER, "--python", "3.13"), "--python is about an application, and a program names"),
        ((*OTHER, "--front", "apache"), "There is no front 'apache'; there is nginx"),
        (
            ("--command", "node server.js", "--port", "3500", *NGINX),
            "nginx takes the port before it",
        ),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    run: Run, arguments: tuple[str, ...], reason: str
) -> None:
    status, printed, told = run(World({}), "tune", *arguments)
    assert (status, printed) == (2, "")
    assert reason in told
    assert told.count("\n") == 1


@pytest.mark.usefixtures("project")
def test_short_of_the_objective_the_closest_is_told_and_by_how_much(run: Run) -> None:
    status, printed, _ = run(eight_threads_win(), *WAITRESS, "--slo", "p50<8ms", "--out", "here")
    assert status == 3
    first, second, third = printed.strip().splitlines()[:3]
    assert first == "No deployment of shop:app meets p50<8ms under this load."
    assert second == (
        "Closest: waitress 8 threads, p50 20.0 ms beside 8.0 ms, 2.5 times as long (median of 3 "
        "rounds)."
    )
    assert third == (
        "No answer came in time; ahead: waitress 8 threads: 0.00 answers/s within p50<8ms, 50 MB."
    )
    assert "To copy, what was ahead" in printed
    assert "--threads=8" in Path("here/deploy/Procfile").read_text()
    race = told_of(run, "here")
    assert (race["meets_slo"], race["has_goodput"], race["rate_per_s"]) == (False, False, 0.0)
    assert race["closest"] == {
        "candidate": {"stack": "waitress", "settings": [["threads", 8]], "front": None},
        "value_s": pytest.approx(0.02),
        "failure_share": 0.0,
        "rounds": 3,
    }


@pytest.mark.usefixtures("project")
def test_where_the_time_is_kept_it_is_the_failures_that_are_told(run: Run) -> None:
    world = World({"waitress": serving(service_s=0.004, failures=3)})
    status, printed, _ = run(
        world, *WAITRESS, "--slo", "p50<30ms,failures<0.01%", "--duration", "60"
    )
    assert status == 3, printed
    closest = printed.strip().splitlines()[1]
    assert "p50 4.0 ms of the 30.0 ms allowed, but 0.0" in closest
    assert " % of its requests failed, where 0.01 % may (median of " in closest
    assert "Most answers in time: waitress " in printed


@pytest.mark.usefixtures("project")
def test_too_few_requests_for_a_quantile_are_told_with_how_many_it_takes(run: Run) -> None:
    status, printed, _ = run(eight_threads_win(), *WAITRESS, "--slo", "p99<8ms")
    assert status == 3
    lines = printed.strip().splitlines()
    assert lines[1] == "No trial had the 1000 requests that a p99 takes: raise --duration."
