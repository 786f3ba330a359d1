"""What stands in [tool.servelab] holds, unless it is typed; what is wrong there is told with it."""

from pathlib import Path

import pytest

from servelab.cli import main, project_file, requested, requested_service
from servelab.errors import UsageError


def section(tmp_path: Path, text: str) -> project_file.Section:
    (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'shop'\n[tool.servelab]\n{text}")
    return project_file.read(tmp_path)


def typed(tmp_path: Path, **given: object) -> requested_service.Typed:
    return requested_service.Typed(application=None, project=tmp_path, **given)  # type: ignore[arg-type]


def test_a_project_without_the_section_says_nothing(tmp_path: Path) -> None:
    assert project_file.read(tmp_path) == project_file.Section()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    assert project_file.read(tmp_path) == project_file.Section()


def test_every_key_is_read(tmp_path: Path) -> None:
    found = section(
        tmp_path,
        """
        application = "shop.web:app"
        commands = ["mine=./serve {port}"]
        environment = "env"
        python = "3.13"
        env-vars = {STAGE = "test"}
        paths = ["/", "/items?page=2"]
        requests-file = "requests.jsonl"
        grpc = "shop.Greeter/Greet"
        proto = "shop.proto"
        body = "{}"
        headers = {Accept = "application/json"}
        expect-status = 200
        ignore = ["token"]
        only = ["gunicorn"]
        front = "nginx"
        beside = ["postgres", "redis-server.service"]
        slo = "p99<200ms"
        budget = "15m"
        delta = "5%"
        concurrency = 20
        rate = 100
        connections = "fresh"
        port = 8123
        timeout = 5
        rounds = 8
        duration = 10
        warm-up = 2
        cpus = 1.5
        memory = "512m"
        """,
    )
    unsaid = project_file.Section()
    said = [key for key in found.__struct_fields__ if getattr(found, key) != getattr(unsaid, key)]
    assert said == list(found.__struct_fields__)
    assert found.expect_status == 200
    assert found.rate == 100.0
    assert found.beside == ("postgres", "redis-server.service")


def test_what_is_typed_wins_and_the_rest_is_as_the_file_says(tmp_path: Path) -> None:
    said = project_file.Section(
        application="shop:app",
        environment="env",
        env_vars={"A": "1", "B": "2"},
        paths=("/usual",),
        headers={"Accept": "text/html", "X-Stage": "test"},
        expect_status=204,
    )
    alone = project_file.complete(typed(tmp_path), section=said)
    assert alone.application == "shop:app"
    assert alone.environment == tmp_path / "env"
    assert alone.paths == ("/usual",)
    assert alone.variables == ("A=1", "B=2")
    beside = project_file.complete(
        typed(
            tmp_path,
            requests_file=Path("mine"),
            headers=("accept: text/plain",),
            variables=("A=3",),
            expect_status=200,
            environment=Path("other"),
        ),
        section=said,
    )
    assert beside.paths == ()
    assert beside.requests_file == Path("mine")
    assert beside.headers == ("X-Stage: test", "accept: text/plain")
    assert beside.variables == ("A=1", "B=2", "A=3")
    assert beside.expect_status == 200
    assert beside.environment == Path("other")


def test_programs_beside_the_server_that_are_typed_stand_for_those_of_the_file() -> None:
    said = project_file.Section(beside=("postgres",))
    alone = project_file.complete_load(requested.Typed(), section=said)
    typed_too = project_file.complete_load(requested.Typed(beside=("mysqld",)), section=said)
    assert (alone.beside, typed_too.beside) == (("postgres",), ("mysqld",))


def test_a_command_is_tried_without_the_application_that_stands_there(tmp_path: Path) -> None:
    said = project_file.Section(application="shop:app", paths=("/usual",), expect_status=204)
    over_http = project_file.complete(typed(tmp_path, commands=("./serve {port}",)), section=said)
    assert (over_http.application, over_http.paths) == (None, ("/usual",))
    over_grpc = project_file.complete(
        typed(tmp_path, commands=("./serve {port}",), grpc="a.B/C"), section=said
    )
    assert (over_grpc.paths, over_grpc.requests_file, over_grpc.expect_status) == ((), None, None)


def test_programs_of_the_file_go_with_its_application_and_what_is_typed_stands_for_both(
    tmp_path: Path,
) -> None:
    said = project_file.Section(
        application="shop:app", commands=("mine=./serve {port}",), front="nginx", only=("mine",)
    )
    alone = project_file.complete(typed(tmp_path), section=said)
    assert (alone.application, alone.commands) == ("shop:app", said.commands)
    assert (alone.front, alone.only) == ("nginx", ("mine",))
    other = requested_service.Typed(application="bar:app", project=tmp_path, only=("waitress",))
    beside = project_file.complete(other, section=said)
    assert (beside.application, beside.commands, beside.only) == ("bar:app", (), ("waitress",))


def test_calls_of_the_file_are_made_to_its_programs(tmp_path: Path) -> None:
    said = project_file.Section(
        commands=("greeter=./greeter {port}",),
        grpc="shop.Greeter/Greet",
        proto="shop.proto",
        body='{"name": "ada"}',
        paths=("/usual",),
        expect_status=204,
    )
    alone = project_file.complete(typed(tmp_path), section=said)
    assert (alone.grpc, alone.body) == ("shop.Greeter/Greet", '{"name": "ada"}')
    assert alone.proto == tmp_path / "shop.proto"
    assert (alone.paths, alone.expect_status) == ((), None)
    another = project_file.complete(typed(tmp_path, grpc="shop.Greeter/Leave"), section=said)
    assert (another.grpc, another.body) == ("shop.Greeter/Leave", None)
    assert another.proto == tmp_path / "shop.proto"
    over_http = project_file.complete(typed(tmp_path, paths=("/",)), section=said)
    assert (over_http.grpc, over_http.proto, over_http.paths) == (None, None, ("/",))


def test_an_interpreter_of_the_file_is_not_about_programs() -> None:
    said = project_file.Section(python="3.13")
    of_application = project_file.pythons((), section=said, application="shop:app")
    assert of_application == ["3.13"]
    assert project_file.pythons(("3.12",), section=said, application="shop:app") == ["3.12"]
    assert project_file.pythons((), section=said, application=None) == []


def test_how_many_callers_or_how_high_a_rate_is_one_question() -> None:
    said = project_file.Section(rate=50.0, timeout=3.0, memory="1g")
    load = project_file.complete_load(requested.Typed(concurrency=5), section=said)
    assert (load.concurrency, load.rate_per_s) == (5, None)
    assert (load.timeout_s, load.memory) == (3.0, "1g")
    load = project_file.complete_load(requested.Typed(timeout_s=1.0), section=said)
    assert (load.rate_per_s, load.timeout_s) == (50.0, 1.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('aplication = "shop:app"', "has 'aplication'; did you mean application? There are: app"),
        ("colour = 1", "has 'colour'; there is no such key. There are: application, commands, env"),
        ('expect-status = "200"', "expect-status: expected `int | null`, got `str`"),
        ("expect-status = 20", "expect-status: expected `int` >= 200"),
        ('paths = "/"', "paths: expected `array`, got `str`"),
        ("env-vars = {DEBUG = 1}", "env-vars[...]: expected `str`, got `int`"),
        ("rounds = 0", "rounds: expected `int` >= 1"),
        ("application = ", "is no TOML: Invalid value"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as told:
        section(tmp_path, text)
    assert said in str(told.value)
    assert str(tmp_path / "pyproject.toml") in str(told.value)


def test_a_section_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\nservelab = 1\n")
    with pytest.raises(UsageError, match="expected `object`, got `int`"):
        project_file.read(tmp_path)


def test_no_application_at_all_is_told_with_both_ways_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["try"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "give one, such as my.module:app" in said
    assert "under [tool.servelab] in pyproject.toml" in said
