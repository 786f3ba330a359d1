"""The whole tool, from argv on, on a deterministic world."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servelab.cli import main
from servelab.measure import machinery
from tests.fake_world import World
from tests.own_world import know


def pytest_configure() -> None:
    """Heed SIGINT, which a shell's job in the background ignores, with all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the notes of what runs apart from those of the user's own runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVELAB_STATE", str(tmp_path_factory.mktemp("state")))
        yield


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _signals_are_as_before() -> Iterator[None]:
    """Undo what the tool does to the signals of its process, which here is that of all tests."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of a user's application that is found at once."""
    made = tmp_path / "shop"
    made.mkdir()
    know(monkeypatch, made)
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs servelab on a world: (status, output, notes)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def call(world: World, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(machinery, "real", world.machinery)
        monkeypatch.setattr("sys.argv", ["servelab", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return call
