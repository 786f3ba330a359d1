"""The generator's gRPC against a real server, and against grpc.aio's own client."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import msgspec
import pytest

from servelab.load.answers import decode_grpc_answer
from servelab.load.generator import probe
from servelab.model.address import Address
from servelab.model.load import (
    ClosedLoop,
    Connections,
    Load,
    LoadPlan,
    NoncePlace,
    OpenLoop,
    Protocol,
    Request,
)
from servelab.model.outcome import Outcome
from tests.faults.conftest import _nothing_left  # noqa: F401 - all tests here use it

from .loads import plan_for, run
from .messages import Answer, Call

pytestmark = pytest.mark.live

SERVER = Path(__file__).with_name("grpc_server.py")
CPU_CHECK = json.dumps({"workload": "cpu", "parameters": {"num": "10"}, "protocol": "grpc"})


class GrpcServer:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._process = process
        self._output = process.stdout
        self.address = Address("127.0.0.1", int(process.stdout.readline()))
        self.pid = process.pid

    def stop(self) -> list[str]:
        """End the server; return the nonces of the calls that it received."""
        self._process.terminate()
        received: list[str] = json.loads(self._output.read())
        return received


@contextmanager
def grpc_serving(*options: str) -> Iterator[GrpcServer]:
    process = subprocess.Popen(
        [sys.executable, str(SERVER), *options], stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield GrpcServer(process)
        finally:
            process.kill()


def calls(
    server: GrpcServer,
    method: str,
    *,
    load: Load | None = None,
    requests: int = 20,
    connections: Connections = Connections.KEPT,
    channels: int = 1,
    body: bytes = b"",
) -> LoadPlan:
    is_cpu = method == "cpu"
    return plan_for(
        server.address,
        protocol=Protocol.GRPC,
        request=Request(
            path=f"/servelab.Workloads/{method}",
            body=body or Call(parameters={"num": "10"}).SerializeToString(),
        ),
        check="servelab.load.answers:workload_check"
        if is_cpu or method == "wrong"
        else "servelab.load.answers:any_answer",
        check_parameters=CPU_CHECK,
        load=load,
        requests=requests,
        connections=connections,
        channels=channels,
    )


@pytest.mark.parametrize(
    ("connections", "channels", "expected"),
    [
        (Connections.KEPT, 1, 1),
        (Connections.KEPT, 3, 3),
        (Connections.KEPT, 9, 6),
        (Connections.FRESH, 1, 20),
    ],
)
def test_calls_are_answered_checked_and_counted_on_both_sides(
    connections: Connections, channels: int, expected: int, tmp_path: Path
) -> None:
    with grpc_serving() as server:
        load = ClosedLoop(callers=6)
        plan = calls(server, "cpu", load=load, connections=connections, channels=channels)
        result, records = run(plan, tmp_path)
        received = server.stop()

    assert result.outcomes == {"ok": 20}
    assert sorted(received) == [f"{number:016d}" for number in range(20)]
    assert result.connections_opened == len(set(records.connection)) == expected
    assert set(records.worker_pid) == {server.pid}


def test_an_open_loop_shares_the_channels(tmp_path: Path) -> None:
    with grpc_serving() as server:
        load = OpenLoop(rate_per_s=500)
        result, _ = run(calls(server, "cpu", load=load, channels=2), tmp_path)

    assert result.outcomes == {"ok": 20}
    assert result.connections_opened == 2


@pytest.mark.parametrize(
    ("method", "label", "status"),
    [
        ("abort", "gRPC status", 3),
        ("no_such_method", "gRPC status", 12),
        ("wrong", "wrong answer", 0),
    ],
)
def test_the_grpc_status_decides(method: str, label: str, status: int, tmp_path: Path) -> None:
    with grpc_serving() as server:
        result, records = run(calls(server, method), tmp_path)

    assert result.outcomes == {label: 20}
    assert set(records.status) == {status}


def test_large_messages_pass_flow_control_in_both_directions(tmp_path: Path) -> None:
    body = Call(parameters={"x": "y" * 1_000_000}).SerializeToString()
    with grpc_serving() as server:
        load = ClosedLoop(callers=4)
        result, records = run(calls(server, "large", load=load, requests=12, body=body), tmp_path)
        received = server.stop()

    assert result.outcomes == {"ok": 12}
    assert len(received) == 12
    assert (records.body_bytes > 5_000_000).all()


def test_fault_35_waiting_for_a_stream_counts_in_the_response_time(tmp_path: Path) -> None:
    with grpc_serving("grpc.max_concurrent_streams=1") as server:
        load = ClosedLoop(callers=3)
        result, records = run(calls(server, "slow", load=load, requests=3), tmp_path)

    assert result.outcomes == {"ok": 3}
    waits_s = sorted(records.connection_wait_s)
    assert waits_s[2] - waits_s[1] > 0.09
    assert waits_s[1] - waits_s[0] > 0.09
    assert (records.generator_delay_s < waits_s[1]).all()
    assert (records.response_time_s > records.connection_wait_s).all()


def test_fault_35_a_server_that_goes_away_ends_every_call_in_a_class(tmp_path: Path) -> None:
    with grpc_serving() as server:
        load = ClosedLoop(callers=3)
        stopped: list[list[str]] = []

        def stop_server() -> str | None:
            if not stopped:
                stopped.append(server.stop())
            return None

        plan = calls(server, "slow", load=load, requests=150)
        result, _ = run(plan, tmp_path, should_stop=stop_server)

    assert result.scheduled == 150
    assert result.outcomes["refused"] > 0
    assert set(result.outcomes) <= {
        "ok", "refused", "closed early", "truncated", "GOAWAY", "stream reset", "reset",
        "gRPC status",
    }  # fmt: skip


def test_grpc_aios_client_gets_the_same_answer_from_the_same_server(tmp_path: Path) -> None:
    async def ask(address: Address) -> Any:
        async with grpc.aio.insecure_channel(str(address)) as channel:
            call = channel.unary_unary(
                "/servelab.Workloads/cpu",
                request_serializer=Call.SerializeToString,
                response_deserializer=Answer.FromString,
            )
            return await call(Call(nonce="0" * 16, parameters={"num": "10"}))

    async def fail(address: Address) -> int:
        async with grpc.aio.insecure_channel(str(address)) as channel:
            call = channel.unary_unary("/servelab.Workloads/abort")
            try:
                await call(b"")
            except grpc.aio.AioRpcError as error:
                return int(error.code().value[0])
        return 0

    with grpc_serving() as server:
        theirs = asyncio.run(ask(server.address))
        their_status = asyncio.run(fail(server.address))
        _, ours = run(calls(server, "cpu", requests=1), tmp_path)
        our_failure = probe(calls(server, "abort"), timeout_s=30)

    nonce, pid, result = decode_grpc_answer(theirs.SerializeToString())
    assert (nonce.decode(), pid) == (theirs.nonce, theirs.pid)
    assert result == json.loads(theirs.result)
    assert ours.worker_pid[0] == theirs.pid
    assert ours.outcome[0] == Outcome.OK
    assert f"status {their_status}" in our_failure.reason


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_nonce_can_go_into_the_metadata_and_leave_the_message_alone(
    size: int, tmp_path: Path
) -> None:
    own = Call(nonce="mine", parameters={"num": "x" * size}).SerializeToString()
    with grpc_serving() as server:
        plan = calls(server, "metadata", load=ClosedLoop(callers=4))
        request = Request(
            path="/servelab.Workloads/metadata",
            headers=(("X-Own", "own"),),
            body=own,
            nonce_in=NoncePlace.HEADER,
        )
        result, _ = run(msgspec.structs.replace(plan, request=request), tmp_path)
        received = server.stop()

    assert result.outcomes == {"ok": 20}
    assert sorted(received) == [f"{number:016d} own mine" for number in range(20)]


def test_a_probe_is_one_call() -> None:
    with grpc_serving() as server:
        said = probe(calls(server, "cpu"), timeout_s=30)
        received = server.stop()

    assert said.is_ok
    assert said.worker_pid == server.pid
    assert len(received) == 1
    assert received[0].startswith("probe")
