"""What can be known without the application is said before it is imported, which may take long."""

import socket

import pytest
from tests.conftest import Run
from tests.fake_world import World

from servelab.cli import requested_service

WRONG = [
    (("--ignore", "["), "is no regular expression"),
    (("--only", "waitres"), "no server 'waitres'; did you mean waitress"),
    (("--only", "waitress:thread=4"), "called 'thread'; did you mean threads"),
    (("--only", "waitress:threads=4/many"), "waitress cannot have threads=many"),
    (("--only", "waitress:threads"), "sets nothing"),
    (("--only", "waitress+apache"), "no front 'apache'"),
    (("--front", "apache"), "no front 'apache'"),
    (("--command", "mine {workers=1|2} {port}", "--only", "mine:workers=3"), "workers is 1 or 2"),
    (("--rate", "5", "--think-time", "1"), "--rate has none"),
    (("--connections", "warm"), "either fresh or kept"),
    (("--generators", "none"), "--generators 'none'"),
    (("--server-cpus", "x"), "--server-cpus 'x'"),
    (("--memory", "x"), "--memory 'x'"),
]
OF_A_RACE = [
    (("--budget", "soon"), "--budget 'soon'"),
    (("--delta", "3"), "--delta '3'"),
    (("--slo", "fast"), "p99<200ms"),
]


@pytest.fixture(autouse=True)
def _not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(_typed: object) -> None:
        pytest.fail("the application was imported")

    monkeypatch.setattr(requested_service, "find", find)


@pytest.mark.parametrize(
    ("command", "typed", "reason"),
    [
        *(("try", *each) for each in WRONG),
        *(("tune", *each) for each in (*WRONG, *OF_A_RACE)),
    ],
)
def test_a_wrong_option(run: Run, command: str, typed: tuple[str, ...], reason: str) -> None:
    status, printed, told = run(World({}), command, "shop:app", *typed)
    assert (status, printed) == (2, "")
    assert reason in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", ["try", "tune"])
def test_a_port_that_somebody_has(run: Run, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        status, _, told = run(World({}), command, "shop:app", "--port", port)
    assert status == 2
    assert port in told


@pytest.mark.parametrize("name", ["gunicorn", "uvicorn", "uvicorn-plain", "gunicorn-gevent"])
def test_what_some_application_could_have_is_not_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    imported: list[object] = []

    def find(typed: object) -> None:
        imported.append(typed)
        raise KeyboardInterrupt

    monkeypatch.setattr(requested_service, "find", find)
    run(World({}), "try", "shop:app", "--only", f"{name}:processes=1/2+nginx")
    assert imported
