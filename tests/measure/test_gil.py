"""Whether the GIL was on in a server on a free-threaded interpreter."""

from pathlib import Path

import pytest

from servelab.measure import gates, gil
from servelab.model.gil import Gil
from servelab.model.worker import WorkerCount

WORDS = (
    "{where}: RuntimeWarning: The global interpreter lock (GIL) has been enabled to load module "
    "'{module}', which has not declared that it can run safely without the GIL. To override this "
    "behavior and keep the GIL disabled (at your own risk), run with PYTHON_GIL=0 or -Xgil=0.\n"
)


def written(folder: Path, *modules: str) -> Path:
    """Write what a server on 3.13 does, with a warning for each module."""
    log = folder / "server.log"
    lines = [WORDS.format(where="<frozen importlib._bootstrap>:488", module=m) for m in modules]
    log.write_text("INFO: starting\n" + "".join(lines) + "  return _bootstrap._gcd_import(name)\n")
    return log


def workers(has_gil: tuple[bool | None, ...]) -> list[WorkerCount]:
    return [
        WorkerCount(pid=number, received=1, answered=1, has_gil=each)
        for number, each in enumerate(has_gil)
    ]


def test_the_interpreters_warnings_name_each_module_once(tmp_path: Path) -> None:
    log = written(tmp_path, "uvloop.loop", "httptools.parser.parser", "uvloop.loop")
    assert gil.seen(log, workers=[]) == Gil(
        is_on=True, modules=("uvloop.loop", "httptools.parser.parser")
    )


@pytest.mark.parametrize(
    ("has_gil", "is_on"),
    [((False, False), False), ((False, True), True), ((None,), None), ((), None)],
)
def test_without_a_warning_the_workers_tell(
    tmp_path: Path, has_gil: tuple[bool | None, ...], *, is_on: bool | None
) -> None:
    assert gil.seen(written(tmp_path), workers=workers(has_gil)) == Gil(is_on=is_on)


def test_a_module_that_came_after_the_first_call_counts(tmp_path: Path) -> None:
    log = written(tmp_path, "late")
    assert gil.seen(log, workers=workers((False,))) == Gil(is_on=True, modules=("late",))


def test_a_server_that_wrote_nothing_says_nothing(tmp_path: Path) -> None:
    assert gil.seen(tmp_path / "none", workers=[]) == Gil(is_on=None)


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"\xff\x00 GIL",
        b"interpreter lock (GIL) has been enabled to load module ''",
        b"interpreter lock (GIL) has been enabled to load module '\x1b[2J'",
        b"interpreter lock (GIL) has been enabled to load module '" + b"x" * 10_000,
    ],
)
def test_what_is_no_modules_name_is_not_repeated(output: bytes) -> None:
    assert gil.modules_named(output) == ()


def test_the_warning_says_why_where_that_is_known() -> None:
    (named,) = gates.warnings_on_gil(Gil(is_on=True, modules=("one", "other")))
    assert named.kind == gates.GIL_BACK
    assert named.text.startswith("the GIL came back on: module one, other demands it")
    (unnamed,) = gates.warnings_on_gil(Gil(is_on=True))
    assert "something that the server loads demands it" in unnamed.text
    assert not list(gates.warnings_on_gil(Gil(is_on=False)))
    assert not list(gates.warnings_on_gil(Gil(is_on=None)))
