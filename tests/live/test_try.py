"""`servelab try` on applications as users have them, also on those that cannot be served."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.own_environments import make_environment

from servelab.cli import main
from servelab.measure import ceiling

pytestmark = pytest.mark.live

SECRET = "hunter2-and-more"  # noqa: S105 - an example
ONE = ("--only", "waitress")
TWO = ("--only", "gunicorn-sync:processes=2", *ONE)
SMALL = ("--rounds", "1", "--duration", "0.2", "--warm-up", "0", "-c", "4", "--out", "results")
GOOD = """
def app(environ, start):
    body = b"hello"
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""

Try = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("users") / "venv")


@pytest.fixture
def tried(
    environment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Try:
    """Return a function that tries an application in this folder: (status, output, notes).

    How long the bare work is measured for its ceiling, five seconds each, is nothing to it.
    """
    monkeypatch.setattr(ceiling, "BARE_SECONDS", 0.2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("VIRTUAL_ENV", str(environment))

    def call(*arguments: str) -> tuple[int, str, str]:
        words = ["try", *SMALL, *arguments]
        monkeypatch.setattr("sys.argv", ["servelab", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return call


def write(text: str, *, to: str = "web.py") -> None:
    Path(to).parent.mkdir(parents=True, exist_ok=True)
    Path(to).write_text(text)


def answering(expression: str, *, before: str = "", status: str = "200 OK") -> str:
    """Return a WSGI application whose body is an expression over `environ`."""
    return f"""
import fcntl, os, sys, time
{before}

def app(environ, start):
    body = str({expression}).encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start({status!r}, headers + [("Location", "/login?next=/")] * {status.startswith("3")})
    return [body]
"""


def test_an_application_is_tried_and_the_command_is_shown(tried: Try) -> None:
    write(GOOD)
    status, printed, notes = tried("web:app", *TWO)
    assert status == 0
    assert "2 of 2 deployments give the same answers." in notes
    assert "Left out" not in notes
    assert "--workers 2" in printed
    assert "Highest rate on web:app" in printed


def test_the_commands_stand_under_the_table_of_several_rounds(tried: Try) -> None:
    write(GOOD)
    status, printed, _ = tried("web:app", *TWO, "--rounds", "2")
    assert status == 0
    _, _, below = printed.partition("To copy, ")
    commands = [line for line in below.splitlines() if ":8000" in line]
    assert sorted(line.split()[0] for line in commands) == ["gunicorn", "waitress-serve"]
    assert "servelab compare" not in printed


def test_an_application_in_a_folder_with_a_space_is_tried(tried: Try, tmp_path: Path) -> None:
    write(GOOD, to="my project/web.py")
    (tmp_path / "my project").chmod(0o755)
    status, _, notes = tried("web:app", *TWO, "--project", "my project")
    assert status == 0
    assert "2 of 2 deployments" in notes
    assert sorted(each.name for each in (tmp_path / "my project").iterdir()) == ["web.py"]


@pytest.mark.parametrize(
    "place", [("--env-var", "PYTHONPATH=src"), ("--project", "src")], ids=["variable", "project"]
)
def test_a_src_layout_is_tried(tried: Try, place: tuple[str, str]) -> None:
    write(GOOD, to="src/shop/web.py")
    status, _, notes = tried("shop.web:app", *ONE, *place)
    assert status == 0, notes
    assert "The deployment answers as it should." in notes


def test_a_module_in_src_is_found_and_said_how_to_reach(tried: Try) -> None:
    write(GOOD, to="src/shop/web.py")
    status, _, notes = tried("shop.web:app", *ONE)
    assert status == 2
    assert "--env-var PYTHONPATH=src" in notes


def test_an_import_error_is_told_once_with_its_last_lines(tried: Try) -> None:
    write("import nothing_like_it\n")
    status, printed, notes = tried("web:app")
    assert (status, printed) == (2, "")
    assert "web imports nothing_like_it, which is not in the environment of" in notes
    assert "import nothing_like_it" in notes
    assert "Traceback (most recent" not in notes.partition("install it there")[0]


def test_a_factory_that_needs_arguments_is_told_with_what_it_needs(tried: Try) -> None:
    write(GOOD + "\n\ndef create_app(stage):\n    return app\n")
    status, _, notes = tried("web:create_app")
    assert status == 2
    assert "web:create_app cannot be called without arguments: it needs stage" in notes


def test_a_factory_with_arguments_is_served_by_all_of_its_servers(tried: Try) -> None:
    write(GOOD + "\n\ndef create_app(stage):\n    return app\n")
    status, printed, notes = tried("web:create_app('test')", "--dry-run")
    assert status == 0
    assert "Not tried" not in notes
    for name in ("cheroot", "gevent_pywsgi", "granian", "gunicorn-gevent", "uwsgi-threads"):
        assert name in printed


def test_what_a_call_leads_to_is_tried_and_the_command_can_be_typed(
    tried: Try, tmp_path: Path
) -> None:
    write(
        answering("STAGE", before="STAGE = ''") + "\n\nclass Shop:\n"
        "    def __init__(self, stage):\n        global STAGE\n        STAGE = stage\n\n"
        "    def make(self):\n        return app\n"
    )
    before = {each.name for each in tmp_path.iterdir()}
    status, printed, notes = tried('web:Shop("it").make()', *TWO)
    assert status == 0, notes
    assert "2 of 2 deployments" in notes
    assert {each.name for each in tmp_path.iterdir()} == {*before, "results"}
    line = next(each for each in printed.splitlines() if " waitress-serve " in each)
    module = tmp_path / "results" / "application" / "servelab_application.py"
    assert f"PYTHONPATH={module.parent} waitress-serve " in line
    assert f"its server imports {module}, which names the application" in printed
    written = [each for each in module.read_text().splitlines() if each]
    assert all(f"  {each}\n" in printed for each in written)
    assert written[1:] == ["from web import Shop", "application = Shop('it').make()"]


def test_uwsgi_calls_a_factory_with_arguments(tried: Try) -> None:
    write(
        answering("STAGE", before="STAGE = ''") + "\n\ndef create_app(stage, *, debug=False):\n"
        "    global STAGE\n    STAGE = f'{stage} {debug}'\n    return app\n"
    )
    only = ("--only", "uwsgi-threads", "--only", "gunicorn-sync")
    status, printed, notes = tried("web:create_app('it', debug=True)", *only)
    assert status == 0, notes
    assert "2 of 2 deployments" in notes
    assert '--eval "from web import create_app' in printed


def test_a_server_that_is_answered_otherwise_is_left_out_with_the_difference(tried: Try) -> None:
    write(answering("environ['wsgi.multithread']"))
    status, _, notes = tried("web:app", *TWO)
    assert status == 0
    assert (
        "Left out: waitress 4 threads: its answer to GET / differs from that of gunicorn" in notes
    )
    assert "b'True' instead of b'False'; name what may differ with --ignore" in notes
    assert "1 of 2 deployments gives the same answers." in notes


def test_what_is_ignored_may_differ(tried: Try) -> None:
    write(answering("'threads: ' + str(environ['wsgi.multithread'])"))
    status, _, notes = tried("web:app", *TWO, "--ignore", "True|False")
    assert status == 0
    assert "2 of 2 deployments give the same answers." in notes


@pytest.mark.parametrize(
    ("status_line", "said"),
    [
        ("404 Not Found", "it answers 404 to GET /; name a path that is answered with --path"),
        ("302 Found", "it answers 302 (to /login?next=/) to GET /"),
        ("500 Oh", "it answers 500 to GET /"),
    ],
)
def test_a_status_that_is_not_worth_timing_is_told_once(
    tried: Try, status_line: str, said: str
) -> None:
    write(answering("'no'", status=status_line))
    status, printed, notes = tried("web:app", *TWO)
    assert (status, printed) == (2, "")
    assert notes.count(said) == 1
    assert "cannot be timed on any of its servers" in notes


def test_a_status_that_is_expected_is_timed(tried: Try) -> None:
    write(answering("'no'", status="302 Found"))
    status, _, notes = tried("web:app", *ONE, "--expect-status", "302")
    assert status == 0, notes


def test_a_body_that_changes_each_time_is_checked_by_what_stays(tried: Try) -> None:
    # Workers that each count from the same number would give the same to the first who ask.
    write(answering("'token ' + os.urandom(8).hex()"))
    status, _, notes = tried("web:app", *TWO)
    assert status == 0
    assert "The body of GET / is another each time: its status is checked, and how it" in notes


def test_what_an_application_prints_does_not_come_into_the_results(tried: Try) -> None:
    write(answering("print('to be seen') or 'ok'", before="print('imported', flush=True)"))
    status, printed, _ = tried("web:app", *TWO, "--json")
    assert status == 0
    assert {each["status"] for each in json.loads(printed)["trials"]} == {"ok"}
    assert "to be seen" not in printed


def test_one_that_can_be_imported_once_only_is_left_out_where_there_are_workers(
    tried: Try,
) -> None:
    only_one = "LOCK = open('lock', 'w')\nfcntl.lockf(LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)"
    write(answering("'ok'", before=only_one))
    status, printed, notes = tried("web:app", *TWO)
    assert status == 0, printed + notes
    left_out = notes.partition("Left out: ")[2]
    assert left_out.startswith("gunicorn-sync 2 processes: ")
    assert "ended with exit code 3" in left_out
    assert "BlockingIOError" in left_out
    assert "Correct that, or name the servers that you want with --only." in left_out
    assert "1 of 2 deployments" in notes


def test_no_environment_is_told_before_anything_is_made(
    tried: Try, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIRTUAL_ENV")
    write(GOOD)
    status, _, notes = tried("web:app")
    assert status == 2
    assert "name the one that your application runs in with --env" in notes
    assert os.listdir(tmp_path) == ["web.py"]  # noqa: PTH208 - names are enough


def test_a_conflict_with_a_server_leaves_that_out_and_the_others_go_on(
    tried: Try, tmp_path: Path
) -> None:
    make_environment(tmp_path / ".venv", "click==6.7", "h11==0.7.0")
    write(
        "async def app(scope, receive, send):\n"
        "    assert scope['type'] == 'http'\n"
        "    headers = [(b'content-length', b'2')]\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})\n"
        "    await send({'type': 'http.response.body', 'body': b'ok'})\n"
    )
    only = ("--only", "uvicorn", "--only", "gunicorn-asgi")
    status, _, notes = tried("web:app", "--env", ".venv", *only)
    assert status == 0, notes
    left_out = notes.partition("Left out: ")[2].partition("\n")[0]
    assert "uvicorn cannot run beside what" in left_out
    assert "h11 0.7.0 is there" in left_out
    assert "or do without this server" in left_out
    assert "gunicorn-asgi" not in left_out


@pytest.mark.slow
def test_an_application_that_takes_5_s_to_import_is_waited_for(tried: Try) -> None:
    write(answering("'ok'", before="time.sleep(5)"))
    status, _, notes = tried("web:app", *ONE)
    assert status == 0, notes


def test_no_value_of_a_variable_is_stored_and_a_run_without_its_query_is_not_gone_on_with(
    tried: Try, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(answering("'ok' if os.environ['A'] + os.environ['B'] else ''"))
    write(f"A={SECRET}\n", to=".env")
    given = ("--env-var", f"B={SECRET}", "-H", f"Authorization: Bearer {SECRET}")
    status, printed, notes = tried(
        "web:app", *ONE, *given, f"--env-var=C={SECRET}", "--path", f"/?token={SECRET}"
    )
    assert status == 0, notes
    files = [each for each in (tmp_path / "results").rglob("*") if each.is_file()]
    assert len(files) >= 4
    assert [each for each in files if SECRET.encode() in each.read_bytes()] == []
    assert SECRET not in printed + notes
    stored = json.loads((tmp_path / "results" / "plan.json").read_text())
    names = [name for name, _ in stored["options"]["service"]["variables"]]
    assert names == ["A", "B", "C"]
    monkeypatch.setattr("sys.argv", ["servelab", "run", "--resume", "results"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    lacking = "it does not store the query of GET /?token=***; begin again"
    assert f"results cannot be gone on with: {lacking}" in capsys.readouterr().err


def test_without_an_argument_the_projects_file_is_gone_by(tried: Try) -> None:
    write(answering("environ['PATH_INFO'] + environ['HTTP_X_A'] + os.environ['STAGE']"))
    write(
        "[tool.servelab]\n"
        'application = "web:app"\n'
        'paths = ["/usual"]\n'
        'only = ["waitress"]\n'
        "[tool.servelab.headers]\n"
        'X-A = "yes"\n'
        "[tool.servelab.env-vars]\n"
        'STAGE = "live"\n',
        to="pyproject.toml",
    )
    for arguments, asked in (((), "/usual"), (("--path", "/typed", "--out", "more"), "/typed")):
        status, _, notes = tried(*arguments)
        assert status == 0, notes
        stored = json.loads(
            Path(arguments[-1] if arguments else "results", "plan.json").read_text()
        )
        assert stored["options"]["workload"] == f"web:app {asked}"
        answered = stored["options"]["service"]["asked"][0]["expectation"]["body"]
        assert base64.b64decode(answered) == f"{asked}yeslive".encode()
