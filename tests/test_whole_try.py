"""`servelab try` from argv to the printed answer, on a deterministic world."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from servelab.load.fetch import Answer
from servelab.model.load import Asked, Request
from servelab.model.noise import ForeignProgram
from servelab.store import folder as stored
from tests.conftest import Run
from tests.fake_world import QUIET, Script, World
from tests.own_world import OTHER, know, serving

ASKED = ("try", "shop:app", "--only", "waitress", "--only", "gunicorn-gthread")
SHORT = ("--duration", "5", "--warm-up", "1", "-c", "2", "--rounds", "2")


def world(**of_gthread: Any) -> World:
    """Return a world with gunicorn at 50/s and waitress at 20/s."""
    gthread = serving(**{"service_s": 0.02, **of_gthread})
    return World({"gthread": gthread, "waitress": serving(service_s=0.05)})


@pytest.mark.usefixtures("project")
def test_servers_that_agree_are_measured_in_rounds_and_their_commands_printed(run: Run) -> None:
    asked = world()
    status, printed, notes = run(asked, *ASKED, *SHORT, "--out", "here")
    assert status == 0, notes
    assert "2 of 2 deployments give the same answers." in notes
    assert "in 2 rounds: gunicorn-gthread 2 processes * 8 threads, 50.00 requests/s" in printed
    assert len(asked.started) == 2 + 2 * 2
    order = [line.split()[0] for line in printed.splitlines() if ":8000" in line]
    assert order == ["gunicorn", "waitress-serve"]
    assert "  pip install waitress==1.2.3\n" in printed
    assert {trial.throughput_per_s for trial in stored.read(Path("here")).trials} == {50, 20}


@pytest.mark.usefixtures("project")
def test_from_eight_rounds_on_the_best_is_held_against_the_others_and_itself(run: Run) -> None:
    asked = world()
    many = ("--duration", "5", "--warm-up", "1", "-c", "2", "--rounds", "8")
    status, printed, notes = run(asked, *ASKED, *many)
    assert status == 0, notes
    assert "gunicorn-gthread 2 processes * 8 threads beats waitress 4 threads by" in printed
    assert "(95 %, 8 rounds)" in printed
    assert len(asked.started) == 2 + 8 * 3  # the rehearsal, then both and the control


@pytest.mark.usefixtures("project")
def test_one_that_answers_otherwise_is_not_timed_and_its_answer_shown(run: Run) -> None:
    asked = world(answers={"/": OTHER})
    asked.scripts = {**asked.scripts, "pywsgi": serving(service_s=0.04)}
    more = ("--only", "gevent_pywsgi", "--out", "here")
    status, printed, notes = run(asked, *ASKED, *SHORT, *more)
    assert status == 0, notes
    assert (
        "Left out: gunicorn-gthread 2 processes * 8 threads: its answer to GET / differs" in notes
    )
    measured = {trial.stack for trial in stored.read(Path("here")).trials}
    assert measured == {"waitress", "gevent_pywsgi"}
    assert "gunicorn" not in printed
    assert stored.read(Path("here")).end.skipped.keys() == {
        "gunicorn-gthread:processes=2,threads=8,worker_class=gthread"
    }


@pytest.mark.usefixtures("project")
def test_one_that_does_not_start_or_answers_wrongly_is_told_why(run: Run) -> None:
    asked = World(
        {
            "gthread": Script(dies_at_start=True),
            "waitress": serving(),
            "pywsgi": serving(answers={"/": Answer(status=500, body=b"oops")}),
        }
    )
    status, _, notes = run(asked, *ASKED, "--only", "gevent_pywsgi", *SHORT)
    assert status == 0, notes
    assert "exit code 3" in notes
    assert "500" in notes
    assert "1 of 3 deployments gives the same answers." in notes


@pytest.mark.usefixtures("project")
def test_where_none_answers_nothing_is_timed(run: Run) -> None:
    wrong = serving(answers={"/": Answer(status=404, body=b"no")})
    status, printed, notes = run(World({"gthread": wrong, "waitress": wrong}), *ASKED)
    assert status == 2
    assert printed == ""
    assert "shop:app cannot be timed on any of its servers: it answers 404 to GET /" in notes


@pytest.mark.usefixtures("project")
def test_json_has_the_plan_the_trials_and_the_commands(run: Run) -> None:
    status, printed, _ = run(world(), *ASKED, *SHORT, "--json")
    assert status == 0
    found = json.loads(printed)
    assert found["race"] is None
    assert found["plan"]["options"]["service"]["application"] == "shop:app"
    (commands,) = found["commands"]
    assert [each["deployment"].partition(":")[0] for each in commands["commands"]] == [
        "gunicorn-gthread",
        "waitress",
    ]
    assert commands["commands"][1]["install"] == "pip install waitress==1.2.3"


@pytest.mark.usefixtures("project")
def test_a_dry_run_prints_the_plan_and_starts_nothing(run: Run) -> None:
    asked = world()
    status, printed, _ = run(asked, *ASKED, *SHORT, "--dry-run")
    assert status == 0
    assert printed.startswith("shop:app: 2 deployments in 2 rounds, seed 0")
    assert asked.started == []
    assert not Path("servelab-results").exists()


@pytest.mark.usefixtures("project")
def test_an_application_that_answers_otherwise_by_now_is_not_gone_on_with(run: Run) -> None:
    first = world()
    first.interrupt_after = 3
    run(first, *ASKED, *SHORT, "--out", "here")
    before = Path("here/trials.jsonl").read_bytes()
    changed = World({name: serving(answers={"/": OTHER}) for name in first.scripts})
    status, _, notes = run(changed, "run", "--resume", "here")
    assert status == 2
    assert "shop:app answers otherwise than when here was begun: GET /: another body" in notes
    assert len(changed.started) == 1
    assert Path("here/trials.jsonl").read_bytes() == before
    assert run(world(), "run", "--resume", "here")[0] == 0


def test_secrets_of_the_projects_file_or_as_typed_are_put_back_when_a_try_goes_on(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = ("Authorization", "Bearer abcdef")
    know(
        monkeypatch,
        project,
        variables=(("SHOP_KEY", "hunter22"), ("MODE", "fast")),
        asked=(Asked(request=Request(path="/", headers=(header,))),),
    )
    first = world()
    first.interrupt_after = 3
    run(first, *ASKED, *SHORT, "--out", "here")
    (project / "pyproject.toml").write_text(
        '[tool.servelab.env-vars]\nSHOP_KEY = "hunter22"\nMODE = "slow"\n'
    )
    typed = ("--env-var", "MODE=fast", "-H", "Authorization: Bearer abcdef")
    again = world()
    status, _, notes = run(again, "run", "--resume", "here", *typed)
    assert status == 0, notes
    assert {(each["SHOP_KEY"], each["MODE"]) for each in again.variables} == {("hunter22", "fast")}
    sent = {each.request.headers for each in again.plans if isinstance(each.request, Request)}
    assert sent == {(header,)}


@pytest.mark.usefixtures("project")
def test_a_server_that_is_left_alone_is_compared_with_nobody(run: Run) -> None:
    odd = world()
    odd.scripts = {**odd.scripts, "waitress": serving(dies_at_start=True)}
    rounds = (*ASKED, "--duration", "5", "--rounds", "8", "--json")
    status, printed, notes = run(odd, *rounds)
    assert status == 0, notes
    assert len(json.loads(printed)["trials"]) == 8
    assert json.loads(printed)["plan"]["judging"] is None


@pytest.mark.usefixtures("project")
def test_an_interrupted_try_is_gone_on_with(run: Run) -> None:
    first = world()
    first.interrupt_after = 3
    status, _, notes = run(first, *ASKED, *SHORT, "--out", "here")
    assert status == 130
    assert "2 of 4 trials are measured. Go on with: servelab run --resume here" in notes
    again = world()
    status, printed, notes = run(again, "run", "--resume", "here")
    assert status == 0, notes
    assert len(again.started) == 1 + 2, "one is heard again, two are measured"
    assert "in 2 rounds: gunicorn-gthread 2 processes * 8 threads, 50.00 requests/s" in printed


def test_values_of_variables_reach_the_servers_and_no_folder_and_are_read_again(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, project, variables=(("SHOP_KEY", "hunter22"),))
    first = world()
    first.interrupt_after = 3
    _, _, notes = run(first, *ASKED, *SHORT, "--out", "here")
    assert {each["SHOP_KEY"] for each in first.variables} == {"hunter22"}
    assert b"hunter22" not in Path("here/plan.json").read_bytes()
    assert "2 of 4 trials are measured. Go on with: servelab run --resume here" in notes
    status, _, notes = run(world(), "run", "--resume", "here")
    assert status == 2
    assert "does not hold the values of SHOP_KEY; put them into" in notes
    (project / ".env").write_text("SHOP_KEY=hunter22\n")
    again = world()
    status, _, notes = run(again, "run", "--resume", "here")
    assert status == 0, notes
    assert {each["SHOP_KEY"] for each in again.variables} == {"hunter22"}


@pytest.mark.usefixtures("project")
def test_where_the_application_cannot_be_called_alone_its_servers_are_timed_all_the_same(
    run: Run,
) -> None:
    asked = world()
    asked.bare_fails = True
    status, printed, notes = run(asked, *ASKED, *SHORT, "--out", "here")
    assert status == 0, notes
    trials = stored.read(Path("here")).trials
    assert len(trials) == 4
    assert {(trial.throughput_per_s, trial.ceiling, trial.efficiency) for trial in trials} == {
        (50, None, None),
        (20, None, None),
    }
    assert "ceiling" not in printed


# ---- programs beside the server

DATABASE = ("--beside", "postgres", "--beside", "redis-server")
DISTURBED = msgspec.structs.replace(
    QUIET,
    foreign_cpu_share=0.36,
    foreign_programs=(ForeignProgram(name="postgres", processes=52, cpu_share=0.35),),
)


@pytest.mark.usefixtures("project")
def test_what_runs_beside_the_server_is_stored_and_told_by_itself(run: Run) -> None:
    once = ("--duration", "5", "--warm-up", "1", "-c", "2", "--rounds", "1", "--out", "here")
    status, printed, notes = run(world(), *ASKED, *once, *DATABASE)
    assert status == 0, notes
    trials = {trial.stack: trial for trial in stored.read(Path("here")).trials}
    gthread = trials["gunicorn-gthread"]
    assert gthread.beside is not None
    assert [each.name for each in gthread.beside.programs] == ["postgres", "redis-server"]
    # 6 s at 50/s: 300 calls; 2.5 s of CPU time each. The server's own figure is its own.
    assert gthread.beside_cpu_s_per_call == pytest.approx(5.0 / 300)
    assert gthread.cpu_s_per_call == pytest.approx(0.125)
    assert "postgres:" in printed
    assert "8.3 ms CPU per call, 0.25 of 2 CPUs, 3 processes; beside the server" in printed
    assert "postgres and redis-server took 0.5 of 2 CPUs" in printed


@pytest.mark.usefixtures("project")
def test_without_a_name_nothing_is_said_of_programs_beside_the_server(run: Run) -> None:
    status, printed, _ = run(world(), *ASKED, *SHORT, "--json")
    assert status == 0
    for trial in json.loads(printed)["trials"]:
        assert (trial["beside"], trial["beside_cpu_s_per_call"]) == (None, None)


@pytest.mark.usefixtures("project")
def test_a_program_that_does_not_run_is_refused_before_anything_is_stored(run: Run) -> None:
    asked = world()
    status, printed, notes = run(asked, *ASKED, *SHORT, "--beside", "mysqld")
    assert (status, printed) == (2, "")
    assert notes == "servelab: --beside mysqld: no other program of this name runs here\n"
    assert asked.started == []
    assert not Path("servelab-results").exists()


def test_programs_that_the_projects_file_names_need_not_be_typed(run: Run, project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.servelab]\nbeside = ["postgres"]\n')
    here = ("--project", str(project), "--out", "here")
    status, _, notes = run(world(), *ASKED, *SHORT, *here)
    assert status == 0, notes
    found = stored.read(Path("here"))
    assert found.plan is not None
    assert found.plan.options.beside == ("postgres",)
    assert {each.beside.programs[0].name for each in found.trials if each.beside} == {"postgres"}


@pytest.mark.usefixtures("project")
def test_where_a_database_voids_all_rounds_it_is_named_with_what_to_do(run: Run) -> None:
    asked = world()
    asked.noise = DISTURBED
    _, printed, _ = run(asked, *ASKED, *SHORT)
    words = " ".join(printed.split())
    assert "Nothing can be said: 2 of 2 rounds were voided" in words
    assert "if postgres is part of the application" in words
    assert "--beside postgres." in words
    assert "other programs took 36.0% of the CPU time (postgres 35%)" in words


@pytest.mark.usefixtures("project")
def test_a_try_that_was_interrupted_goes_on_with_the_same_programs(run: Run) -> None:
    first = world()
    first.interrupt_after = 3
    assert run(first, *ASKED, *SHORT, *DATABASE, "--out", "here")[0] == 130
    status, _, notes = run(world(), "run", "--resume", "here")
    assert status == 0, notes
    assert all(trial.beside is not None for trial in stored.read(Path("here")).trials)
