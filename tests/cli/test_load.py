"""`servelab load` against servers that really run."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.load.fault_server import Connection, answer, right, serving
from tests.load.test_grpc import grpc_serving

import servelab.load
from servelab.cli import main
from servelab.linux import ports
from servelab.load.request_source import turns
from servelab.model.address import Address

pytestmark = pytest.mark.live

Load = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Load:
    """Return a function that loads a URL: (status, the one trial)."""
    monkeypatch.chdir(tmp_path)

    def call(url: str, *options: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr("sys.argv", ["servelab", "load", url, *options, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        (trial,) = json.loads(capsys.readouterr().out)["trials"]
        assert isinstance(ended.value.code, int)
        return ended.value.code, trial

    return call


def test_what_the_server_counted_is_what_is_told(load: Load) -> None:
    with serving(right) as server:
        status, trial = load(f"http://{server.address}/", "-n", "500", "-c", "8")
    assert status == 0
    assert trial["ledger"] == {"scheduled": 500, "sent": 500, "ok": 500}
    assert server.answered == 500
    assert server.connections == trial["generator"]["connections_opened"] == 8
    assert trial["generator"]["cpu_us_per_request"] > 0
    assert trial["round_trip_time_s"]["p50"] > 0


def test_a_rate_is_kept_for_its_time(load: Load) -> None:
    with serving(right) as server:
        status, trial = load(
            f"http://{server.address}/",
            "--rate",
            "200",
            "--duration",
            "1",
            "--arrivals",
            "constant",
        )
    assert trial["ledger"]["scheduled"] == 200
    assert server.answered == 200
    assert status in {0, 3}


def test_several_generators_share_a_mix_of_requests(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text('{"path": "/a"}\n{"path": "/b", "method": "POST", "body": "x"}\n')
    with serving(right) as server:
        status, trial = load(
            f"http://{server.address}/",
            *("--requests-file", str(file), "-n", "100", "-c", "4", "--generators", "2"),
        )
    assert status == 0
    assert trial["ledger"]["ok"] == server.answered == 100
    assert len(set(server.received)) == 100


def test_a_wrong_answer_fails_with_a_sample(load: Load) -> None:
    with serving(right) as server:
        status, trial = load(f"http://{server.address}/", "-n", "20", "--expect-contains", "lost")
    assert status == 1
    assert trial["ledger"]["wrong answer"] == 20
    assert "lacks b'lost'" in trial["samples"][0]


def test_nobody_there_is_refused(load: Load) -> None:
    with serving(right) as server:
        address = server.address
    status, trial = load(f"http://{address}/", "-n", "3")
    assert status == 1
    assert trial["ledger"] == {"scheduled": 3, "sent": 3, "ok": 0, "refused": 3}


def test_a_proxy_in_the_environment_is_ignored(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    with serving(right) as server:
        status, _ = load(f"http://{server.address}/", "-n", "5")
    assert status == 0
    assert server.answered == 5


def test_a_redirect_is_counted_and_not_followed(load: Load) -> None:
    def elsewhere(connection: Connection, nonce: bytes) -> bool:
        location = "Location: http://169.254.169.254/\r\n"
        connection.send(answer(nonce, status="302 Found", headers=location))
        return True

    with serving(elsewhere) as server:
        status, trial = load(f"http://{server.address}/", "-n", "5")
    assert status == 1
    assert trial["ledger"]["redirect"] == server.answered == 5


def test_a_grpc_method_is_called_with_messages_as_json(load: Load, tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="needs the extra servelab[grpc]")
    proto = tmp_path / "calls.proto"
    proto.write_text(
        'syntax = "proto3"; package servelab;'
        "message Call { string nonce = 1; map<string, string> parameters = 2; }"
        "message Answer { string nonce = 1; uint32 pid = 2; string result = 3; }"
        "service Workloads { rpc metadata(Call) returns (Answer); }"
    )
    with grpc_serving() as server:
        status, trial = load(
            f"grpc://{server.address}/servelab.Workloads/metadata",
            *("--proto", str(proto), "--body", '{"parameters": {"num": "5"}}', "-H", "X-Own: own"),
            *("--expect-body", '{"pid": 7, "result": "5"}', "-n", "50", "-c", "4"),
        )
        received = server.stop()
    assert status == 0
    assert trial["ledger"]["ok"] == 50
    assert sorted(received) == [f"{number:016d} own " for number in range(50)]


@pytest.mark.parametrize(
    "options",
    [
        ("-c", "8", "--channels", "2"),
        ("-c", "3", "--connections", "fresh"),
        ("-c", "8", "--channels", "4", "--generators", "2", "--choose", "random", "--seed", "1"),
        ("--rate", "300", "--seed", "2"),
    ],
)
def test_a_file_of_calls_mixes_methods_messages_and_checks(
    options: tuple[str, ...], load: Load, tmp_path: Path
) -> None:
    pytest.importorskip("grpc_tools", reason="needs the extra servelab[grpc]")
    proto = tmp_path / "calls.proto"
    proto.write_text(
        'syntax = "proto3"; package servelab;'
        "message Call { string nonce = 1; map<string, string> parameters = 2; }"
        "message Answer { string nonce = 1; uint32 pid = 2; string result = 3; }"
        "service Workloads { rpc metadata(Call) returns (Answer); rpc abort(Call) returns (Answer);"
        " rpc slow(Call) returns (Answer); }"
    )
    file = tmp_path / "calls.jsonl"
    file.write_text(
        '{"metadata": {"x-own": "a"}, "checks": {"body": {"pid": 7, "result": "5"}}}\n'
        '{"metadata": {"x-own": "b"}, "body": {"nonce": "n", "parameters": {"num": "1234567"}},'
        ' "checks": {"body": {"nonce": "n", "pid": 7, "result": "1234567"}}}\n'
        '{"metadata": {"x-own": "c"}, "checks": {"body": {"pid": 8}}}\n'
        '{"method": "slow", "checks": {"contains": ["\\u0010"]}}\n'
        '{"method": "servelab.Workloads/abort"}\n'
    )
    with grpc_serving() as server:
        status, trial = load(
            f"grpc://{server.address}/servelab.Workloads/metadata",
            *("--proto", str(proto), "--body", '{"parameters": {"num": "5"}}', "-n", "300"),
            *("--requests-file", str(file), *options),
        )
        received = server.stop()

    order = turns(5, choice="random" if "random" in options else "round-robin", seed=1)
    turn_of_each = [order[number % len(order)] for number in range(300)]
    told = [f"{number:016d} a " for number in range(300) if turn_of_each[number] == 0]
    told += [f"{number:016d} b n" for number in range(300) if turn_of_each[number] == 1]
    told += [f"{number:016d} c " for number in range(300) if turn_of_each[number] == 2]
    assert sorted(each for each in received if " " in each) == sorted(told)
    assert trial["ledger"]["wrong answer"] == turn_of_each.count(2)
    assert trial["ledger"]["gRPC status"] == turn_of_each.count(4)
    assert trial["ledger"]["ok"] == sum(turn < 2 or turn == 3 for turn in turn_of_each)
    assert status in {1, 3}
    assert min(turn_of_each.count(turn) for turn in range(5)) > 40


def test_https_is_verified_against_the_name_and_the_authorities_given(
    load: Load,
) -> None:
    certificate = Path(servelab.load.__file__).with_name("null_server.pem")
    port = ports.next_free_port(23200)
    command = [sys.executable, "-I", str(certificate.with_suffix(".py")), "--host", "127.0.0.1"]
    process = subprocess.Popen([*command, "--port", str(port), "--certificate", str(certificate)])
    try:
        wait_for(Address("127.0.0.1", port))
        trusted, trial = load(
            f"https://localhost:{port}/", "-n", "50", "--cacert", str(certificate)
        )
        assert (trusted, trial["ledger"]["ok"]) == (0, 50)
        untrusted, trial = load(f"https://localhost:{port}/", "-n", "5", "--timeout", "20")
        assert (untrusted, trial["ledger"]["TLS error"]) == (1, 5)
    finally:
        process.kill()
        process.wait()


def wait_for(address: Address) -> None:
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError), socket.create_connection((address.host, address.port)):
            return
        time.sleep(0.05)
    raise AssertionError


def test_an_interrupt_keeps_what_was_measured_and_says_so(tmp_path: Path) -> None:
    with serving(right) as server:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "servelab", "load", f"http://{server.address}/"),
                *("-c", "2", "--duration", "60", "--json"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        killer = threading.Timer(60, process.kill)
        killer.start()
        while server.answered < 10 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, notes = process.communicate()
        killer.cancel()
    assert process.returncode == 130
    document = json.loads(printed)
    (trial,) = document["trials"]
    assert document["interrupted"]
    assert trial["status"] == "invalid"
    assert "interrupted" in trial["reason"]
    assert trial["ledger"]["ok"] >= 10
    assert b"Traceback" not in notes
