"""Races that go on: with what has changed meanwhile, with another budget, with fewer ways."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from servelab.load.fetch import Answer
from servelab.model.load import Asked, Request
from servelab.report import runs
from tests.conftest import Run
from tests.fake_world import World
from tests.own_world import OTHER, know, serving

SHORT = ("--duration", "10", "--warm-up", "1", "-c", "1")
BOTH = ("tune", "shop:app", "--only", "gunicorn-gthread", "--only", "waitress", *SHORT)
RESUMED = ("tune", "--resume", "here")
LARGE = Answer(status=200, body=b"page " * 60_000)


def world(*, answer: Answer | None = None, interrupt_after: int | None = None) -> World:
    answers = {} if answer is None else {"answers": {"/": answer}}
    return World(
        {"gthread": serving(service_s=0.02, **answers), "waitress": serving(**answers)},
        interrupt_after=interrupt_after,
    )


def trials(folder: str = "here") -> int:
    return len(runs.read(Path(folder)).trials)


@pytest.mark.usefixtures("project")
def test_an_application_that_answers_otherwise_by_now_spoils_no_race(run: Run) -> None:
    run(world(interrupt_after=6), *BOTH, "--out", "here")
    assert trials() == 5
    changed = world(answer=OTHER)
    status, _, notes = run(changed, *RESUMED)
    assert status == 2
    assert "shop:app answers otherwise than when here was begun: GET /: another body: b'good-" in (
        notes
    )
    assert "put back what has changed, or begin again" in notes
    assert (len(changed.started), trials()) == (1, 5)
    status, printed, notes = run(world(), *RESUMED)
    assert status == 0, notes
    assert "Serve shop:app with gunicorn-gthread" in printed


@pytest.mark.usefixtures("project")
def test_one_that_starts_no_longer_is_told_when_another_does_not_either(run: Run) -> None:
    run(world(interrupt_after=6), *BOTH, "--out", "here")
    one_is_gone = world()
    one_is_gone.scripts = {**one_is_gone.scripts, "gthread": serving(dies_at_start=True)}
    both_are_gone = World(dict.fromkeys(one_is_gone.scripts, serving(dies_at_start=True)))
    status, _, notes = run(both_are_gone, *RESUMED)
    assert status == 2
    assert "here cannot be gone on with: " in notes
    assert "it ended with exit code 3 before it was ready" in notes
    assert trials() == 5


def test_a_project_that_is_gone_is_told_as_such(run: Run, project: Path) -> None:
    run(world(interrupt_after=6), *BOTH, "--out", "here")
    shutil.rmtree(project)
    status, _, notes = run(world(), *RESUMED)
    assert status == 2
    assert f"here was begun in {project}, which is no folder now; put it back" in notes


@pytest.mark.usefixtures("project")
def test_an_answer_too_large_to_be_stored_is_known_again_by_its_digest(run: Run) -> None:
    run(world(answer=LARGE, interrupt_after=6), *BOTH, "--out", "here")
    kept = json.loads(Path("here/tuning.json").read_text())
    (asked,) = kept["options"]["service"]["asked"]
    assert asked["expectation"]["body"] is None
    assert asked["body_sha256"] == hashlib.sha256(LARGE.body).hexdigest()
    changed = world(answer=replace_body(LARGE, b"!"))
    status, _, notes = run(changed, *RESUMED)
    assert status == 2
    assert "GET /: another body, of 300001 bytes" in notes
    going_on = world(answer=LARGE)
    assert run(going_on, *RESUMED)[0] == 0
    (plan, *_) = going_on.plans
    (expected,) = json.loads(plan.check_parameters)["expectations"]
    assert len(expected["body"]) == 4 * len(LARGE.body) / 3, "whole, as base64"


def replace_body(answer: Answer, more: bytes) -> Answer:
    return Answer(status=answer.status, body=answer.body + more)


def test_a_race_that_could_not_be_read_back_is_refused_before_it_is_measured(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"/{number:05}/{'x' * 2000}" for number in range(8_000)]
    know(monkeypatch, project, asked=tuple(Asked(request=Request(path=path)) for path in paths))
    answers = dict.fromkeys(paths, Answer(status=200, body=b"hello"))
    asked = World({"waitress": serving(answers=answers)})
    status, _, notes = run(asked, "tune", "shop:app", "--only", "waitress", *SHORT)
    assert status == 2
    assert "tuning.json would take" in notes
    assert "no more than 17 MB are read back; ask fewer requests at a time" in notes
    assert asked.loads == 0


def test_two_tokens_for_one_header_are_not_mixed_up(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [Request(path="/", headers=(("Authorization", f"Token {n}"),)) for n in (1, 2)]
    know(monkeypatch, project, asked=tuple(Asked(request=each) for each in requests))
    _, _, notes = run(world(interrupt_after=6), *BOTH, "--out", "here")
    assert "Begin again with: servelab tune shop:app" in notes
    status, _, notes = run(world(), *RESUMED, "-H", "Authorization: Token 1")
    assert status == 2
    assert "the header Authorization of GET /, which has another value elsewhere" in notes


def test_secrets_of_the_projects_file_are_read_from_there_again(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = ("X-Token", "abcdef")
    know(
        monkeypatch,
        project,
        variables=(("STAGE", "test"),),
        asked=(Asked(request=Request(path="/", headers=(header,))),),
    )
    run(world(interrupt_after=6), *BOTH, "--out", "here")
    (project / "pyproject.toml").write_text(
        '[tool.servelab.env-vars]\nSTAGE = "test"\n[tool.servelab.headers]\nx-token = "abcdef"\n'
    )
    going_on = world()
    status, _, notes = run(going_on, *RESUMED)
    assert status == 0, notes
    assert {each["STAGE"] for each in going_on.variables} == {"test"}
    sent = {each.request.headers for each in going_on.plans if isinstance(each.request, Request)}
    assert sent == {(header,)}


@pytest.mark.usefixtures("project")
def test_a_port_that_somebody_takes_stops_a_race_and_costs_nobody_his_place(run: Run) -> None:
    run(world(interrupt_after=6), *BOTH, "--out", "here")
    busy = world()
    taken = replace(busy.scripts["gthread"], finds_port_taken=True)
    busy.scripts = {**busy.scripts, "gthread": taken}
    status, printed, notes = run(busy, *RESUMED)
    assert status == 2
    assert "port 3000 is taken" in notes
    assert "Go on with: servelab tune --resume here" in notes
    assert runs.read(Path("here")).end.skipped == {}
    status, printed, notes = run(world(), *RESUMED)
    assert status == 0, notes
    assert "Serve shop:app with gunicorn-gthread" in printed


@pytest.mark.usefixtures("project")
def test_a_race_whose_budget_was_spent_goes_on_with_another(run: Run) -> None:
    status, printed, _ = run(world(), *BOTH, "--budget", "0.001s", "--out", "here")
    assert status == 3
    assert "Ahead for shop:app when the budget was spent" in printed
    before = trials()
    status, printed, notes = run(world(), *RESUMED)
    assert (status, trials()) == (3, before), notes
    status, printed, notes = run(world(), *RESUMED, "--budget", "2h")
    assert status == 0, notes
    assert "Serve shop:app with gunicorn-gthread" in printed
    assert trials() > before
    assert run(World({}), "show", "here")[1] == printed


@pytest.mark.usefixtures("project")
def test_a_race_goes_on_with_the_ways_that_are_named(run: Run) -> None:
    run(world(interrupt_after=6), *BOTH, "--out", "here")
    going_on = world()
    status, printed, notes = run(going_on, *RESUMED, "--only", "waitress")
    assert status == 0, notes
    assert printed.startswith("\nServe shop:app with waitress")
    assert "gthread" not in printed
    assert not any("gthread" in command for command in going_on.started)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("--only", "cheroot"), "--only cheroot is not in the race that here holds; there are:"),
        (("--only", "waitress:threads=4"), "leave what follows waitress out"),
        (("--only", "nonsense"), "nonsense"),
        (("--budget", "soon"), "--budget"),
        (("--memory", "1g"), "leave --memory out"),
        (("--path", "/x", "-c", "3"), "leave --path, --concurrency out"),
        (("--slo", "p99<1s", "--dry-run"), "leave --slo, --dry-run out"),
    ],
)
def test_what_a_race_cannot_go_on_with_is_refused(
    run: Run, typed: tuple[str, ...], told: str
) -> None:
    run(world(interrupt_after=6), *BOTH, "--out", "here")
    before = Path("here/tuning.json").read_bytes()
    status, _, notes = run(World({}), *RESUMED, *typed)
    assert status == 2
    assert told in notes
    assert Path("here/tuning.json").read_bytes() == before


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("command", ["run", "compare"])
def test_other_options_beside_resume_are_refused(run: Run, command: str) -> None:
    status, _, notes = run(World({}), command, "--resume", "here", "--rounds", "9")
    assert status == 2
    assert "--resume goes on with what here was begun with; leave --rounds out" in notes


def test_headers_and_variables_are_for_what_goes_on(run: Run) -> None:
    status, _, notes = run(World({}), "run", "sync-waitress", "cpu", "--env-var", "A=1")
    assert status == 2
    assert "--header and --env-var are for --resume" in notes
