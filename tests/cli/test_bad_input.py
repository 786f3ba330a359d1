"""Bad input gets one clear sentence with the next step and the right status, never a traceback."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from servelab.cli import main


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def status_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@contextlib.contextmanager
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "sync-uwsg", "cpu"], "did you mean sync-uwsgi"),
        (["run", "sync-uwsgi", "cpx"], "did you mean cpu"),
        (["run", "cpu"], "no deployment"),
        (["run", "sync-uwsgi"], "unknown workload"),
        (["run", "sync-uwsgi:threads=x", "cpu"], "threads"),
        (["run", "sync-uwsgi:threads=0", "cpu"], "threads"),
        (["run", "sync-uwsgi:colour=1", "cpu"], "colour"),
        (["run", "sync-uwsgi:", "cpu"], "key=value"),
        (["run", "sync-uwsgi", "cpu", "--param", "num"], "NAME=VALUE"),
        (["run", "sync-uwsgi", "cpu", "--param", "num=ten"], "num"),
        (["run", "sync-uwsgi", "cpu", "--param", "nam=10"], "nam"),
        (["run", "sync-uwsgi", "cpu", "--connections", "warm"], "fresh or kept"),
        (["run", "sync-uwsgi", "cpu", "-n", "0"], "--requests"),
        (["run", "sync-uwsgi", "cpu", "-n", "5", "--duration", "3"], "exclude each other"),
        (["run", "sync-uwsgi", "cpu", "--timeout", "nan"], "--timeout"),
        (["run", "sync-uwsgi", "cpu", "--python", "2.7"], "Python"),
        (["run", "sync-uwsgi", "cpu", "--python", "/no/python"], "/no/python"),
        (["run", "sync-uwsgi", "cpu", "--with", "==1"], "requirement"),
        (["run", "sync-uwsgi", "cpu", "--colour"], "--colour"),
        (["run", "sync-uwsgi", "cpu", "--arrivals", "constant"], "--rate"),
        (["run", "sync-uwsgi", "cpu", "--rate", "5", "--think-time", "1"], "--think-time"),
        (["run", "sync-uwsgi", "cpu", "--generators", "none"], "--generators"),
        (["capacity", "sync-devserver", "cpu"], "--slo"),
        (["capacity", "sync-uwsgi", "cpu", "--slo", "p99<1s"], "a search takes one"),
        (["capacity", "sync-devserver", "cpu", "--slo", "fast"], "p99<200ms"),
        (["capacity", "sync-devserver", "cpu", "--slo", "p98<1s"], "p98 is not measured"),
        (["capacity", "sync-devserver", "cpu", "--slo", "p99<1s", "--budget", "x"], "15m"),
        (["load"], "URL"),
        (["load", "127.0.0.1:8000"], "http://"),
        (["load", "http://10.0.0.1:8000/"], "--authorised-host 10.0.0.1"),
        (["load", "http://169.254.169.254/", "--authorised-host", "169.254.169.254"], "metadata"),
        (["load", "http://127.0.0.1:8000/", "--rate", "0"], "--rate"),
        (["load", "http://127.0.0.1:8000/", "--cacert", "x"], "https://"),
        (["show", "nowhere"], "not a results folder"),
        (["show"], "servelab run"),
        (["report", "nowhere"], "not a results folder"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_what_is_wrong_is_named_with_the_next_step(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(*arguments) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.out == ""
    assert printed.err.startswith("servelab: ")
    assert "Traceback" not in printed.err
    assert len(printed.err.strip().splitlines()) == 1


def test_nothing_is_left_behind_by_bad_input(tmp_path: Path) -> None:
    status_of("run", "sync-uwsg", "cpu")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - the names are what matters


def test_a_busy_port_that_was_asked_for_is_refused_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with busy_port() as port:
        assert status_of("run", "sync-devserver", "cpu", "--port", str(port)) == 2
    assert str(port) in capsys.readouterr().err
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_help_tells_what_holds_where_an_option_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert status_of("run", "--help") == 0
    assert "[default: 300]" in capsys.readouterr().out


def test_without_arguments_run_prints_its_usage_and_the_stacks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status_of("run") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Usage: ./run.sh STACK WORKLOAD")
    assert "sync-devserver " in printed
    assert "async-grpc " in printed
    assert "Workloads: cpu, db, hello, io, json, mixed, sleep" in printed
