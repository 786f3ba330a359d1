"""`servelab tune` from argv to the printed answer, on a deterministic world."""

import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from servelab.experiment import expectation
from servelab.load.fetch import Answer
from servelab.model.load import Asked, Request
from servelab.model.noise import ForeignProgram
from servelab.report import commands_view, runs, tables, terminal
from tests.conftest import Run
from tests.fake_world import QUIET, Script, World
from tests.own_world import OTHER, RIGHT, know, serving

NOISY = msgspec.structs.replace(QUIET, foreign_cpu_share=0.5)
SHORT = ("--duration", "10", "--warm-up", "1", "-c", "1")
WAITRESS = ("tune", "shop:app", "--only", "waitress", *SHORT)
BOTH = ("tune", "shop:app", "--only", "gunicorn-gthread", "--only", "waitress", *SHORT)


def eight_threads_win(**different: Any) -> World:
    """Return a world with waitress at 20/s, with 8 threads at 50/s."""
    scripts = {"--threads=8 ": serving(service_s=0.02), "waitress": serving(service_s=0.05)}
    return World(scripts, **different)


def gthread_wins(**of_gthread: Any) -> World:
    gthread = serving(**{"service_s": 0.02, **of_gthread})
    return World({"gthread": gthread, "waitress": serving(service_s=0.05)})


def document(printed: str) -> dict[str, Any]:
    found = json.loads(printed)
    assert isinstance(found, dict)
    return found


def race_of(printed: str) -> dict[str, Any]:
    found = document(printed)["race"]
    assert isinstance(found, dict)
    return found


def row(printed: str, name: str) -> list[str]:
    return next(line for line in printed.splitlines() if line.strip("* ").startswith(name)).split()


@pytest.mark.usefixtures("project")
def test_response_times_of_a_closed_loop_are_said_to_be_that(run: Run) -> None:
    _, printed, notes = run(eight_threads_win(), *WAITRESS, "--slo", "p90<1s")
    assert "Serve shop:app with waitress 8 threads" in printed, notes
    assert "The response times are those of a closed loop (1 caller, each" in printed
    _, printed, _ = run(eight_threads_win(), *WAITRESS)
    assert "closed loop" not in printed


@pytest.mark.usefixtures("project")
def test_the_answer_comes_in_words_then_all_that_were_tried_then_the_command(run: Run) -> None:
    status, printed, notes = run(eight_threads_win(), *WAITRESS, "--out", "here")
    assert status == 0, notes
    assert printed.startswith("\nServe shop:app with waitress 8 threads: 50.00 answers/s, 50 MB.\n")
    winner, first = row(printed, "waitress 8 threads"), row(printed, "waitress 4 threads")
    assert winner[:4] == ["waitress", "8", "threads", "50.00"]
    assert winner[-2:] == ["the", "winner"]
    assert first[:5] == ["*", "waitress", "4", "threads", "20.00"]
    assert printed.count("60 % slower than the winner (1 round)") == 2
    assert printed.count("60 % slower than the winner (2 rounds)") == 1
    assert "All others have left the race; their rows say why." in printed
    assert "To copy, what won, as measured but for the address" in printed
    commands = [line for line in printed.splitlines() if "waitress-serve" in line]
    assert [line.split()[:3] for line in commands] == [
        ["waitress-serve", "--listen=127.0.0.1:8000", "--threads=8"]
    ]
    assert "  pip install waitress==1.2.3\n" in printed
    assert "The deployment answers as it should." in notes
    assert "4 trials in the first round, about 1 min 0 s; the budget of 15 min 0 s" in notes
    assert "Files to serve with what was best: here/deploy" in notes
    assert "lighter" not in printed + notes


@pytest.mark.usefixtures("project")
def test_the_files_of_what_won_lie_in_the_results_folder(run: Run, project: Path) -> None:
    run(gthread_wins(), *BOTH, "--out", "here")
    made = {each.name: each.read_text() for each in Path("here/deploy").iterdir()}
    assert set(made) == {"gunicorn.conf.py", "shop-app.service", "Procfile"}
    assert 'worker_class = "gthread"' in made["gunicorn.conf.py"]
    assert str(Path("here/deploy/gunicorn.conf.py").absolute()) in made["shop-app.service"]
    assert f"WorkingDirectory={project}" in made["shop-app.service"]
    assert not list(project.iterdir())


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("shop-app.service", BOTH),
        ("pool.service", ("tune", "--command", "pool=./serve {port}", *SHORT)),
        ("shop-app.service", ("tune", *SHORT)),
    ],
)
def test_a_unit_that_is_there_is_found_before_the_application_is_loaded(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch, name: str, asked: tuple[str, ...]
) -> None:
    (project / "pyproject.toml").write_text('[tool.servelab]\napplication = "shop:app"\n')
    (project / name).write_text("mine")
    monkeypatch.setattr("servelab.cli.requested_service.find", None)
    world = World({})
    status, _, notes = run(world, *asked, "--project", str(project), "--write", str(project))
    assert (status, world.started) == (2, [])
    assert f"already has {name}; write elsewhere, or over it with --force" in notes


def test_files_cannot_be_asked_for_where_a_file_is(run: Run, project: Path) -> None:
    file = project / "file"
    file.touch()
    status, _, notes = run(World({}), *BOTH, "--write", str(file))
    assert status == 2
    assert f"--write {file} is no folder" in notes


def test_the_module_that_a_server_needs_lies_beside_the_files_and_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    know(monkeypatch, project, application="shop:make", is_factory=True, arguments="'it'")
    status, printed, notes = run(
        eight_threads_win(), *WAITRESS, "--out", "here", "--write", "there"
    )
    assert status == 0, notes
    text = Path("here/application/servelab_application.py").read_text()
    assert "application = make('it')\n" in text
    for folder in (Path("here/deploy"), Path("there")):
        assert (folder / "servelab_application.py").read_text() == text
        unit = (folder / "shop-app.service").read_text()
        assert f"Environment=PYTHONPATH={folder.absolute()}\n" in unit
    assert f"PYTHONPATH={Path('here/application').absolute()} waitress-serve " in printed
    assert "  application = make('it')\n" in printed
    assert "servelab_application.py names the application" in notes
    assert not list(project.iterdir())


def test_the_files_go_where_they_were_asked_for_but_not_over_what_is_there(
    run: Run, project: Path
) -> None:
    (project / "Procfile").write_text("web: mine\n")
    asked = (*BOTH, "--out", "here", "--write", str(project))
    world = gthread_wins()
    status, printed, notes = run(world, *asked)
    assert status == 2
    assert (printed, world.started) == ("", [])
    assert "already has Procfile; write elsewhere, or over it with --force" in notes
    assert not Path("here").exists()
    (project / "Procfile").rename(project / "gunicorn.conf.py")
    # Only now is it known that gunicorn wins; its answer stands.
    status, printed, notes = run(world, *asked)
    assert status == 0
    assert "Serve shop:app with gunicorn-gthread" in printed
    assert f"! {project} already has gunicorn.conf.py; write elsewhere, or over it" in notes
    assert f"the files are in {Path('here/deploy').absolute()}" in notes
    assert [each.name for each in project.iterdir()] == ["gunicorn.conf.py"]
    world = World({})
    again = ("tune", "--resume", "here", "--write", str(project), "--force", "-q")
    status, answer, notes = run(world, *again)
    assert status == 0, notes
    assert "Serve shop:app with gunicorn-gthread" in answer
    assert world.started == []
    assert "gthread" in (project / "Procfile").read_text()
    unit = (project / "shop-app.service").read_text()
    assert "--config gunicorn.conf.py" in unit


@pytest.mark.usefixtures("project")
def test_what_the_rehearsal_took_to_start_and_stop_is_reckoned_with(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Servers of this world stop in half a second.
    monkeypatch.setattr(expectation, "BESIDE_LOAD_S", 0.0)
    monkeypatch.setattr(expectation, "OWN_S", 0.0)
    asked = (*WAITRESS, "--budget", "0.001s")
    _, before, _ = run(eight_threads_win(), *asked, "--dry-run")
    _, _, after = run(eight_threads_win(), *asked)
    assert round_s(after) == round_s(before) + 4 * 0.5


def round_s(told: str) -> float:
    found = re.search(r"4 trials in the first round, about ([\d.]+) s", told)
    assert found is not None, told
    return float(found[1])


@pytest.mark.usefixtures("project")
def test_json_has_the_race_with_its_winner_and_its_losers(run: Run) -> None:
    status, printed, _ = run(eight_threads_win(), *WAITRESS, "--json")
    assert status == 0
    found = race_of(printed)
    assert found["ending"] in {"judged", "alone"}
    assert found["winner"] == {
        "stack": "waitress",
        "settings": [["threads", 8]],
        "front": None,
    }
    assert found["rate_per_s"] == pytest.approx(50)
    lost = {each["candidate"]["settings"][0][1]: each for each in found["losses"]}
    assert lost[4]["cause"] == "worse"
    assert lost[4]["share"] == pytest.approx(0.4)
    assert set(lost) == {2, 4, 16}
    assert found["trials"] == len(document(printed)["trials"])
    (commands,) = document(printed)["commands"]
    assert [each["deployment"] for each in commands["commands"]] == ["waitress:threads=8"]
    assert document(printed)["plan"] is None
    order = document(printed)["race_order"]
    assert [each["stack"] for each in order["tuning"]["space"]] == ["waitress"]
    assert order["excluded"] == {}


@pytest.mark.usefixtures("project")
def test_the_stored_race_gives_the_same_answer_again(run: Run) -> None:
    _, printed, _ = run(eight_threads_win(), *WAITRESS, "--out", "here")
    status, again, notes = run(World({}), "show", "here")
    assert status == 0
    assert again == printed
    assert "Files to serve with what was best: here/deploy" in notes
    status, page, _ = run(World({}), "report", "here")
    assert status == 0
    assert "**Serve shop:app with waitress 8 threads: 50.00 answers/s, 50 MB. All" in page
    assert "| waitress 8 threads | 50.00 |" in page
    assert page.count("# Race: shop:app") == page.count("# ") == 1
    assert page.count("waitress-serve --listen=127.0.0.1:8000") == 1


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_has_room_for_the_answer(run: Run, width: int) -> None:
    run(gthread_wins(), *BOTH, "--out", "here")
    stored = runs.read(Path("here"))
    console = Console(file=StringIO(), force_terminal=True, width=width, color_system=None)
    for table in tables.tables(stored):
        terminal.print_table(console, table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    assert "the winner" in text
    words = " ".join(text.split())
    assert "Serve shop:app with gunicorn-gthread" in words
    for of_workload in commands_view.commands(stored):
        terminal.print_commands(console, of_workload)
    assert "--bind 127.0.0.1:8000" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("project")
def test_an_equal_that_is_clearly_lighter_has_its_command_and_its_files_too(run: Run) -> None:
    world = World(
        {
            "--workers 2 --threads 8 --bind": serving(
                service_s=0.02, peak_memory_bytes=100_000_000
            ),
            "--threads=4 ": serving(service_s=0.0201),
            "gunicorn": serving(service_s=0.1),
            "waitress": serving(service_s=0.1),
        }
    )
    status, printed, notes = run(world, *BOTH, "--out", "here")
    assert status == 0, notes
    assert "memory -50 %, clearly lighter" in printed
    assert (
        "\nAs good, within 3.0 %: waitress 4 threads; waitress 4 threads takes 50 % less memory.\n"
        in printed
    )
    assert "To copy, what won, then its lighter equal" in printed
    assert printed.count("--bind 127.0.0.1:8000") == 1
    assert printed.count("--listen=127.0.0.1:8000") == 1
    assert "Files to serve with its lighter equal: here/deploy-lighter" in notes
    assert "waitress-serve" in Path("here/deploy-lighter/Procfile").read_text()
    assert "gunicorn" in Path("here/deploy/Procfile").read_text()


@pytest.mark.usefixtures("project")
def test_a_server_that_answers_otherwise_is_left_out_and_named(run: Run) -> None:
    world = gthread_wins(answers={"/": OTHER})
    asked = (*BOTH, "--only", "gevent_pywsgi")
    world.scripts = {**world.scripts, "pywsgi": serving()}
    status, printed, notes = run(world, *asked, "--out", "here")
    assert status == 0, notes
    assert (
        "Left out: gunicorn-gthread 2 processes * 8 threads: its answer to GET / differs" in notes
    )
    assert "Left out before the race: gunicorn-gthread" in printed
    assert all(each.stack != "gunicorn-gthread" for each in runs.read(Path("here")).trials)


@pytest.mark.usefixtures("project")
def test_where_no_server_answers_nothing_is_raced(run: Run) -> None:
    world = World({"waitress": Script(answers={"/": Answer(status=500, body=b"no")})})
    status, printed, notes = run(world, *WAITRESS)
    assert status == 2
    assert printed == ""
    assert "shop:app cannot be timed on any of its servers: it answers 500 to GET /" in notes


@pytest.mark.usefixtures("project")
def test_where_no_call_succeeds_under_load_nothing_serves_it(run: Run) -> None:
    status, printed, notes = run(World({"waitress": serving(failures=110)}), *WAITRESS)
    assert status == 1, notes
    assert "Nothing serves shop:app as it should; the rows below say why." in printed
    assert "failed in round 1: " in printed
    assert "To copy" not in printed
    assert not list(Path("servelab-results").glob("*/deploy"))


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("target", ["p50<10ms", "p50<1ms"])
def test_an_objective_that_all_miss_is_told_and_no_success(run: Run, target: str) -> None:
    status, printed, notes = run(eight_threads_win(), *WAITRESS, "--slo", target)
    assert status == 3, notes
    assert f"No deployment of shop:app meets {target} under this load." in printed
    assert "0.00 answers/s within" in printed


@pytest.mark.usefixtures("project")
def test_among_those_that_meet_the_objective_the_best_wins(run: Run) -> None:
    world = gthread_wins()
    world.scripts = {**world.scripts, "waitress": serving(service_s=0.03)}
    status, printed, _ = run(world, *BOTH, "--slo", "p50<25ms", "--json")
    assert status == 0
    found = race_of(printed)
    assert found["winner"]["stack"] == "gunicorn-gthread"
    assert found["meets_slo"]
    assert {each["slo"]["quantile"] for each in document(printed)["trials"]} == {"p50"}


@pytest.mark.usefixtures("project")
def test_what_takes_more_memory_than_allowed_loses(run: Run) -> None:
    world = gthread_wins(peak_memory_bytes=200_000_000)
    status, printed, _ = run(world, *BOTH, "--memory", "100m")
    assert status == 0
    assert printed.startswith("\nServe shop:app with waitress")
    assert "took 200 MB, over the limit of 105 MB" in printed


@pytest.mark.usefixtures("project")
def test_where_all_take_more_memory_than_allowed_it_serves_all_the_same(run: Run) -> None:
    world = World({"waitress": serving(peak_memory_bytes=200_000_000)})
    status, printed, _ = run(world, *WAITRESS, "--memory", "100m")
    assert status == 3
    assert "All that were raced for shop:app took more than 105 MB; the least was 200 MB" in printed
    assert "as it should" not in printed


@pytest.mark.usefixtures("project")
def test_a_way_that_begins_with_too_much_memory_wins_with_less(run: Run) -> None:
    heavy = serving(service_s=0.02, peak_memory_bytes=200_000_000)
    light = serving(service_s=0.03, peak_memory_bytes=90_000_000)
    world = World({"--threads=1 ": light, "waitress": heavy})
    status, printed, _ = run(world, *WAITRESS, "--memory", "100m")
    assert status == 0
    assert printed.startswith("\nServe shop:app with waitress 1 thread")
    assert "waitress 2 threads" in printed


@pytest.mark.usefixtures("project")
def test_a_machine_that_is_too_noisy_tells_nothing_and_says_so(run: Run) -> None:
    status, printed, notes = run(eight_threads_win(noise=NOISY), *WAITRESS, "--out", "here")
    assert status == 3
    assert "Nothing can be said of shop:app: in each of 6 rounds something else" in printed
    assert "6 of 6 rounds count for nothing" in printed
    assert "other programs took 50.0% of the CPU time" in printed
    assert "Files to serve" not in notes
    assert not Path("here/deploy").exists()


@pytest.mark.usefixtures("project")
def test_a_database_that_disturbed_a_race_is_named_with_what_to_do(run: Run) -> None:
    postgres = ForeignProgram(name="postgres", processes=9, cpu_share=0.45)
    noisy = msgspec.structs.replace(NOISY, foreign_programs=(postgres,))
    status, printed, _ = run(eight_threads_win(noise=noisy), *WAITRESS)
    assert status == 3
    assert "other programs took 50.0% of the CPU time (postgres 45%)" in printed
    assert "If postgres is part of the application (a database, a cache): --beside" in printed


@pytest.mark.usefixtures("project")
def test_a_race_knows_the_programs_that_belong_to_the_application(run: Run) -> None:
    status, printed, notes = run(
        eight_threads_win(), *WAITRESS, "--beside", "postgres", "--out", "here"
    )
    assert status == 0, notes
    # 2.5 s of CPU time in the 10 s that were watched; 11 s at 50/s are 550 calls.
    assert "Under waitress 8 threads, postgres took 0.2 of 2 CPUs, 4.55 ms for each" in printed
    trials = runs.read(Path("here")).trials
    assert {each.beside.names for each in trials if each.beside} == {"postgres"}
    assert all(each.beside for each in trials)


@pytest.mark.usefixtures("project")
def test_a_budget_that_is_spent_ends_the_race_after_a_whole_round(run: Run) -> None:
    asked = (*WAITRESS, "--budget", "0.001s", "--write", "there")
    status, printed, notes = run(eight_threads_win(), *asked)
    assert "has room for about 0 trials, and a verdict takes 25 at the least" in notes
    assert "4 trials in 1 round" in printed
    assert "Ahead for shop:app when the budget was spent: waitress 8 threads, 50.00" in printed
    assert "A verdict takes 8 rounds, and there was time for 1: raise --budget" in printed
    assert "To copy, what was ahead" in printed
    assert status == 3
    assert Path("there/Procfile").exists()


@pytest.mark.usefixtures("project")
def test_a_dry_run_tells_the_space_and_measures_nothing(run: Run) -> None:
    world = gthread_wins()
    asked = ("tune", "shop:app", "--only", "gunicorn", "--only", "waitress", "--dry-run")
    status, printed, _ = run(world, *asked, "--slo", "p99<200ms", "--memory", "1g")
    assert status == 0
    assert printed.startswith("shop:app: a race of 4 ways to serve it, seed 0, each trial 1 s of")
    assert "Who has the most answers within p99<200ms wins, in 1074 MB at most." in printed
    assert "6 trials in the first round" in printed
    assert "  waitress: threads=4 of 1, 2, 4, 8, 16, 32, 64\n" in printed
    assert "processes=5: folklore, 2 x cores + 1" in printed
    assert world.started == []
    assert not Path("servelab-results").exists()


HEARING = 1
"""Before what is gone on with is measured, one deployment is heard again."""


def told_of(run: Run, folder: str) -> dict[str, Any]:
    """Return what a folder's race found, without what hangs on the clock."""
    _, printed, _ = run(World({}), "show", folder, "--json")
    return race_of(printed)


@pytest.mark.usefixtures("project")
def test_a_race_interrupted_in_its_first_trial_can_be_told_and_gone_on_with(run: Run) -> None:
    status, printed, notes = run(eight_threads_win(interrupt_after=1), *WAITRESS, "--out", "here")
    assert status == 130
    assert "Nothing can be said of shop:app yet: no round is complete." in printed
    assert "0 trials are measured. Go on with: servelab tune --resume here" in notes
    status, page, _ = run(World({}), "report", "here")
    assert status == 0
    assert "**Nothing can be said of shop:app yet: no round is complete.**" in page
    status, *_ = run(eight_threads_win(), "tune", "--resume", "here")
    assert status == 0


@pytest.mark.usefixtures("project")
def test_an_interrupted_race_tells_what_it_knows_and_is_gone_on_with_to_the_same_answer(
    run: Run,
) -> None:
    run(eight_threads_win(), *WAITRESS, "--out", "whole")
    status, printed, notes = run(eight_threads_win(interrupt_after=7), *WAITRESS, "--out", "here")
    assert status == 130
    assert "The race for shop:app is not over. Ahead so far: waitress 8 threads" in printed
    assert "To copy, what was ahead" in printed
    assert "6 trials are measured. Go on with: servelab tune --resume here" in notes
    assert not Path("here/deploy").exists()
    world = eight_threads_win()
    status, again, notes = run(world, "tune", "--resume", "here")
    assert status == 0, notes
    assert "Serve shop:app with waitress 8 threads" in again
    assert told_of(run, "here") == told_of(run, "whole")
    assert len(world.started) + 6 == HEARING + len(runs.read(Path("whole")).trials)
    assert Path("here/deploy/Procfile").read_text() == Path("whole/deploy/Procfile").read_text()


@pytest.mark.usefixtures("project")
def test_a_race_that_was_cut_anywhere_loses_nothing_and_makes_nothing_twice(run: Run) -> None:
    run(eight_threads_win(), *WAITRESS, "--out", "here")
    file, whole = Path("here/trials.jsonl"), told_of(run, "here")
    lines = file.read_bytes().splitlines(keepends=True)
    for kept in range(0, len(lines) + 1, 4):
        file.write_bytes(b"".join(lines[:kept]) + (b'{"id": "cut' if kept % 8 else b""))
        Path("here/end.json").unlink()
        world = eight_threads_win()
        status, *_ = run(world, "tune", "--resume", "here", "-q")
        assert status == 0
        assert len(world.started) == (HEARING if kept < len(lines) else 0) + len(lines) - kept
        stored = runs.read(Path("here"))
        assert len({each.id for each in stored.trials}) == len(stored.trials) == len(lines)
        assert told_of(run, "here") == whole


@pytest.mark.usefixtures("project")
def test_a_lost_line_in_the_middle_is_measured_again_and_nothing_else(run: Run) -> None:
    run(eight_threads_win(), *WAITRESS, "--out", "here")
    file, whole = Path("here/trials.jsonl"), told_of(run, "here")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:5], *lines[6:]]))
    world = eight_threads_win()
    status, *_ = run(world, "tune", "--resume", "here", "-q")
    assert status == 0
    assert len(world.started) == HEARING + 1
    assert told_of(run, "here") == whole


@pytest.mark.usefixtures("project")
def test_each_command_names_the_one_that_goes_on(run: Run) -> None:
    run(eight_threads_win(interrupt_after=2), *WAITRESS, "--out", "a race")
    for command in (("run",), ("compare",)):
        status, _, notes = run(eight_threads_win(), *command, "--resume", "a race")
        assert status == 2
        assert "a race holds a race; go on with: servelab tune --resume" in notes
    plan = ("try", "shop:app", "--only", "waitress", "--duration", "5", "--out", "plan")
    run(eight_threads_win(), *plan)
    status, _, notes = run(eight_threads_win(), "tune", "--resume", "plan")
    assert status == 2
    assert "plan holds no race; go on with: servelab run --resume plan" in notes
    status, _, notes = run(eight_threads_win(), "tune", "shop:app", "--resume", "a race")
    assert status == 2
    assert "leave shop:app out" in notes
    status, _, notes = run(eight_threads_win(), "tune")
    assert status == 2
    assert "no application is named" in notes


def test_an_amount_of_memory_that_is_none_is_refused_in_a_sentence(run: Run) -> None:
    status, _, notes = run(eight_threads_win(), *WAITRESS, "--memory", "plenty")
    assert status == 2
    assert "--memory 'plenty': write it as 512m or 2g" in notes


SECRETS: dict[str, Any] = {
    "variables": (("SHOP_KEY", "hunter22"), ("MODE", "fast")),
    "asked": (Asked(request=Request(path="/", headers=(("Authorization", "Bearer abcdef"),))),),
}


@pytest.fixture
def cut_short(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, World]]:
    """Interrupt a race of an application with secrets; return how to go on with it."""
    know(monkeypatch, project, **SECRETS)
    run(eight_threads_win(interrupt_after=3), *WAITRESS, "--out", "here")
    kept = b"".join(each.read_bytes() for each in Path("here").rglob("*") if each.is_file())
    assert b"hunter22" not in kept
    assert b"abcdef" not in kept

    def go_on(*arguments: str) -> tuple[int, str, World]:
        world = eight_threads_win()
        status, _, notes = run(world, "tune", "--resume", "here", *arguments)
        return status, notes, world

    return go_on


HEADER = ("-H", "Authorization: Bearer abcdef")


def test_what_is_not_stored_is_asked_for_in_a_sentence(
    cut_short: Callable[..., tuple[int, str, World]], project: Path
) -> None:
    status, notes, world = cut_short(*HEADER)
    assert status == 2
    assert "does not hold the values of SHOP_KEY, MODE; put them into" in notes
    (project / ".env").write_text("SHOP_KEY=hunter22\nMODE=fast\nOTHER=1\n")
    status, notes, world = cut_short()
    assert status == 2
    assert "does not hold the headers Authorization; give them with --header" in notes
    status, notes, world = cut_short(*HEADER, "--env-var", "NEW=1")
    assert status == 2
    assert "was begun without NEW; leave --env-var out" in notes
    assert world.started == []


def test_what_is_not_stored_is_read_again_and_given_to_the_servers(
    cut_short: Callable[..., tuple[int, str, World]], project: Path
) -> None:
    (project / ".env").write_text("SHOP_KEY=hunter22\nMODE=slow\nOTHER=1\n")
    status, notes, world = cut_short(*HEADER, "--env-var", "MODE=fast")
    assert status == 0, notes
    assert {(each["SHOP_KEY"], each["MODE"]) for each in world.variables} == {("hunter22", "fast")}
    assert all("OTHER" not in each for each in world.variables)
    asked = {each.request.headers for each in world.plans if isinstance(each.request, Request)}
    assert asked == {(("Authorization", "Bearer abcdef"),)}
    unit = Path("here/deploy/shop-app.service").read_text()
    assert "hunter22" not in unit
    assert (
        f"EnvironmentFile={project}/.env\n# To be made, with NAME=value of MODE:\n"
        f"EnvironmentFile={project}/shop-app.env\n"
    ) in unit


def test_what_cannot_be_typed_again_ends_it(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/?token=hunter22"
    know(monkeypatch, project, asked=(Asked(request=Request(path=path)),))
    world = World({"waitress": serving(answers={path: RIGHT})}, interrupt_after=3)
    status, _, notes = run(world, *WAITRESS, "--out", "here")
    assert status == 130
    assert "2 trials are measured. Begin again with: servelab tune shop:app" in notes
    status, _, notes = run(world, "tune", "--resume", "here")
    assert status == 2
    assert "here cannot be gone on with: it does not store the query of GET /?token=***" in notes
