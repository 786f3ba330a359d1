"""A try that goes on after its application has changed, and one that allows few requests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.own_environments import make_environment

from servelab.cli import main
from servelab.measure import ceiling
from servelab.store import folder as stored

pytestmark = pytest.mark.live

BEGUN = (
    *("try", "web:app", "--only", "waitress", "--rounds", "2", "--duration", "0.2"),
    *("--warm-up", "0", "-c", "4", "--out", "here"),
)
RESUMED = ("run", "--resume", "here")

Servelab = Callable[..., tuple[int, str]]


def application(body: bytes, *, allowed: int = 10**9) -> str:
    """Return a WSGI application with one answer, for so many requests."""
    return f"""
from itertools import count

asked = count(1)

def app(environ, start):
    body = {body!r}
    status = "200 OK" if next(asked) <= {allowed} else "429 Too Many Requests"
    start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def servelab(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Servelab:
    """Return a function that runs servelab in a user's folder: (status, notes)."""
    environment = make_environment(tmp_path_factory.mktemp("users") / "venv")
    monkeypatch.setattr(ceiling, "BARE_SECONDS", 0.2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIRTUAL_ENV", str(environment))

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["servelab", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().err

    return call


def test_a_try_goes_on_when_its_application_answers_as_before_and_not_otherwise(
    servelab: Servelab,
) -> None:
    large = b"page " * 60_000
    Path("web.py").write_text(application(large))
    status, notes = servelab(*BEGUN)
    assert status == 0, notes
    lines = Path("here/trials.jsonl").read_bytes().splitlines(keepends=True)
    Path("here/trials.jsonl").write_bytes(lines[0])
    Path("here/end.json").unlink()
    Path("web.py").write_text(application(b"other"))
    status, notes = servelab(*RESUMED)
    assert status == 2
    assert "web:app answers otherwise than when here was begun: GET /: another body, of 5" in notes
    assert len(stored.read(Path("here")).trials) == 1
    Path("web.py").write_text("import nothing_of_that_name\n")
    status, notes = servelab(*RESUMED)
    assert status == 2
    assert "here cannot be gone on with: waitress 4 threads: " in notes
    assert "nothing_of_that_name" in notes
    Path("web.py").write_text(application(large))
    status, notes = servelab(*RESUMED)
    assert status == 0, notes
    first, second = stored.read(Path("here")).trials
    assert second.round == first.round + 1
    assert second.ledger["ok"] == second.ledger["scheduled"] > 0


def test_a_limit_of_requests_is_found_before_anything_is_timed(servelab: Servelab) -> None:
    Path("web.py").write_text(application(b"hello", allowed=2))
    status, notes = servelab(*BEGUN)
    assert status == 2
    assert "it answers 429 to GET / the second time, and 200 the first time" in notes
    assert not Path("here/trials.jsonl").exists()
