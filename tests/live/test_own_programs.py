"""Programs of a user's that listen by themselves, through the command line, for real."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.live.programs import GREETER, PROTO, http_server
from tests.own_environments import make_environment

pytestmark = pytest.mark.live

DEADLINE_S = 300.0
READY_S = 5.0
"""Long enough for what answers at all; a minute for what does not would be lost here."""
QUICK = ("--rounds", "1", "--duration", "0.3", "--warm-up", "0.1", "-c", "4", "--json")
SERVELAB = """
import sys
from servelab.measure import attempt, ceiling
attempt.READY_TIMEOUT_S = float(sys.argv.pop(1))
ceiling.BARE_SECONDS = 0.5
from servelab.cli import main
main()
"""
PYTHON_SERVER = http_server("return f\"{word} {os.environ.get('COLOUR', '')}\"")
NODE_SERVER = """
const [host, port, word] = process.argv.slice(2);
const answer = (_, response) => response.end(`${word} ${process.env.COLOUR || ""}`);
require("http").createServer(answer).listen(Number(port), host);
"""
FLASK_APPLICATION = """
import sys

from flask import Flask

app = Flask(__name__)
app.get("/")(lambda: "hi ")

if __name__ == "__main__":
    app.run(port=int(sys.argv[1]))
"""
FILES = {
    "server.py": PYTHON_SERVER,
    "server.js": NODE_SERVER,
    "app.py": FLASK_APPLICATION,
    "greeter.py": GREETER,
    "shop.proto": PROTO,
}
SERVER = "python3 server.py {host} {port}"


class Tried(NamedTuple):
    """What came of a run."""

    status: int
    trials: dict[str, dict[str, Any]]
    """By deployment."""
    skipped: dict[str, str]
    errors: str


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def greeting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a virtual environment with grpcio, and nothing of servelab's."""
    pytest.importorskip("grpc_tools", reason="needs the extra servelab[grpc]")
    return make_environment(tmp_path_factory.mktemp("own") / "venv", "grpcio")


@pytest.fixture(scope="module")
def flask(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("own") / "venv", "flask")


def try_(project: Path, *arguments: str, ready_s: float = 60.0) -> Tried:
    """Run `servelab try` in a project whose environment is not active."""
    variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [sys.executable, "-c", SERVELAB, str(ready_s), "try", *arguments, *QUICK],
        cwd=project,
        env=variables,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    found = json.loads(done.stdout) if done.stdout.strip() else {"trials": [], "skipped": {}}
    trials = {each["deployment"]: each for each in found["trials"]}
    return Tried(done.returncode, trials, found["skipped"], done.stderr)


def commands(*texts: str) -> tuple[str, ...]:
    return tuple(word for text in texts for word in ("--command", text))


@pytest.fixture(scope="module")
def tried(project: Path) -> Tried:
    """Try programs that answer alike, one that answers otherwise, and those that do not serve."""
    node = ("node=node server.js {host} {port} hello",) if shutil.which("node") else ()
    return try_(
        project,
        *commands(
            *(f"{SERVER} hello", f"web=env API_TOKEN=hunter2 {SERVER} hello", *node),
            f"other={SERVER} hullo",
            "gone=python3 no_such_file.py {port}",
            "nowhere=no-such-program {port}",
            "silent=sleep 600 {port}",
            "wide=python3 server.py 0.0.0.0 {port} hello",
            "elsewhere=python3 server.py {host} 18765 hello",
        ),
        *("--port", "18764", "--env-var", "COLOUR=red", "--out", str(project / "results")),
        ready_s=READY_S,
    )


def test_programs_are_measured_without_an_environment(tried: Tried) -> None:
    assert {"python3", "web"} <= set(tried.trials), tried.errors
    for trial in tried.trials.values():
        assert trial["ledger"]["ok"] > 0
        assert trial["ledger"]["ok"] == trial["ledger"]["sent"]
        assert trial["workforce"]["asked"] is None
        assert trial["interpreter"] == ""
        assert trial["ceiling"] is None
        assert not [each for each in trial["warnings"] if "workers" in each["text"]]
    assert tried.trials["python3"]["command"] == "python3 server.py 127.0.0.1 18764 hello"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_program_in_another_language_gives_the_same_answers(tried: Tried) -> None:
    assert tried.trials["node"]["ledger"]["ok"] > 0


def test_what_answers_otherwise_than_most_is_left_out(tried: Tried) -> None:
    assert tried.skipped["other"].startswith(
        "its answer to GET / differs from that of python3 from byte 1 on: b'ullo red'"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone", "python3 ended with exit code 2 before it was ready; the end of its output"),
        ("nowhere", "no-such-program could not be started"),
        ("silent", "no correct answer within 5 s (nothing listens on 127.0.0.1:18764)"),
        ("wide", "listens on 0.0.0.0:18764, which other machines can reach; bind it to 127.0.0.1"),
        (
            "elsewhere",
            "(nothing listens on 127.0.0.1:18764; it listens on 127.0.0.1:18765 instead)",
        ),
    ],
)
def test_what_does_not_serve_is_told_with_its_reason_and_the_others_go_on(
    name: str, reason: str, tried: Tried
) -> None:
    assert reason in tried.skipped[name]
    assert name not in tried.trials


def test_a_secret_in_a_command_is_not_stored_and_nothing_goes_on_without_it(
    tried: Tried, project: Path
) -> None:
    assert "web" in tried.trials
    folder = project / "results"
    for file in folder.rglob("*"):
        assert file.is_dir() or b"hunter2" not in file.read_bytes()
    resumed = subprocess.run(
        [sys.executable, "-m", "servelab", "compare", "--resume", str(folder)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert resumed.returncode == 2
    assert "it does not store a word of the command web; begin again" in resumed.stderr


def test_an_application_is_compared_with_its_own_way_to_run(project: Path, flask: Path) -> None:
    found = try_(
        project,
        *("app:app", "--env", str(flask), "--only", "waitress", "--only", "own"),
        *commands("own=python app.py {port}"),
    )
    assert found.status == 0, found.errors
    assert {trial["stack"] for trial in found.trials.values()} == {"waitress", "own"}
    assert found.trials["own"]["packages"]["flask"]
    assert "waitress" not in found.trials["own"]["packages"]


def test_the_name_of_a_server_is_no_name_of_a_command_beside_it(project: Path, flask: Path) -> None:
    found = try_(
        project, "app:app", "--env", str(flask), *commands("waitress=python app.py {port}")
    )
    assert found.status == 2
    assert "waitress is the name of a server here; call it otherwise" in found.errors


def test_servers_over_grpc_are_called_and_compared(project: Path, greeting: Path) -> None:
    (project / "calls.jsonl").write_text(
        '{"body": {"name": "ada"}}\n'
        '{"method": "Greet", "body": {"name": "grace"}, "checks": {"contains": ["grace"]}}\n'
    )
    found = try_(
        project,
        *("--env", str(greeting), "--grpc", "shop.Greeter/Greet", "--proto", "shop.proto"),
        *("--requests-file", "calls.jsonl"),
        *commands(*(f"{name}=python greeter.py hello {{port}}" for name in ("one", "two"))),
        *commands("other=python greeter.py hullo {port}"),
    )
    assert set(found.trials) == {"one", "two"}, found.errors
    assert "its answer to POST /shop.Greeter/Greet differs" in found.skipped["other"]
    for trial in found.trials.values():
        assert trial["ledger"]["ok"] > 0
        assert trial["ledger"]["ok"] == trial["ledger"]["sent"]
        assert trial["channels"] == 4
        assert trial["packages"]["grpcio"]
        assert trial["workload"] == "one, two, other, 2 requests"


def test_a_call_that_is_refused_is_told_with_its_status(project: Path, greeting: Path) -> None:
    found = try_(
        project,
        *("--env", str(greeting), "--grpc", "shop.Greeter/Greet", "--proto", "shop.proto"),
        *("--body", '{"name": "mallory"}'),
        *commands("greeter=python greeter.py hello {port}"),
    )
    assert not found.trials
    assert "it refuses shop.Greeter/Greet with grpc-status 7: not you" in found.errors
