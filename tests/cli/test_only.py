"""`--only` of `try` and `tune`, which mean the same by it."""

from pathlib import Path

import pytest
from tests.conftest import Run
from tests.fake_world import World
from tests.own_world import know

from servelab.model.deployment import Interface


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of a WSGI application that is found at once."""
    know(monkeypatch, tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", ["try", "tune"])
@pytest.mark.parametrize("further", [(), ("--dry-run",)])
def test_where_nothing_is_left_it_is_said_why_and_nothing_is_begun(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    command: str,
    further: tuple[str, ...],
) -> None:
    know(monkeypatch, tmp_path, interface=Interface.ASGI, framework="fastapi")
    only = ("--only", "gunicorn:threads=4", *further)
    status, printed, told = run(World({}), command, "shop:app", *only)
    assert (status, printed) == (2, "")
    assert "gunicorn-asgi: worker_class=asgi has no threads" in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("only", "tried", "raced"),
    [
        (
            "gunicorn-gthread:processes=1/4",
            [f"gunicorn-gthread:processes={n},threads=8,worker_class=gthread" for n in (1, 4)],
            "gunicorn-gthread: processes=1 of 1, 4; ",
        ),
        (
            "gunicorn:threads=4+nginx",
            ["gunicorn-gthread:processes=2,threads=4,worker_class=gthread+nginx"],
            "gunicorn-gthread+nginx: processes=2 of ",
        ),
        (
            "gunicorn-gevent:preload=off",
            ["gunicorn-gevent:processes=2,worker_class=gevent"],
            "gunicorn-gevent: processes=2 of 1, 2, 4, 5, 8; preload=its default of its default",
        ),
    ],
)
@pytest.mark.usefixtures("project")
def test_one_text_can_be_tried_and_raced(run: Run, only: str, tried: list[str], raced: str) -> None:
    asked = ("shop:app", "--only", only, "--dry-run")
    status, printed, told = run(World({}), "try", *asked, "--rounds", "1")
    assert status == 0, told
    assert sorted(each.strip() for each in printed.splitlines() if each[:2] == "  ") == tried
    status, printed, told = run(World({}), "tune", *asked)
    assert status == 0, told
    (line,) = (each for each in printed.splitlines() if each[:2] == "  ")
    assert line.strip().startswith(raced)
