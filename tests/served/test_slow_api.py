"""The slow API, a process of its own."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from servelab.catalogue import served_path

DEADLINE_S = 60
PORTS = range(22000, 22090)


def free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


@pytest.fixture
def slow_api() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(served_path() / "slow_api.py"), "--port", str(port)]
    )
    try:
        wait_until_healthy(process, port)
        yield process, port
    finally:
        process.kill()
        process.wait(DEADLINE_S)


def wait_until_healthy(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            assert ask(port, "/health") == [(200, {"status": "ok"})]
        except OSError:
            time.sleep(0.01)  # a process's start has no clock to pass
        else:
            return
    raise AssertionError("not healthy")


def ask(port: int, *targets: str) -> list[tuple[int, Any]]:
    return asyncio.run(asyncio.wait_for(exchange(port, *targets), DEADLINE_S))


async def exchange(port: int, *targets: str) -> list[tuple[int, Any]]:
    """Send all requests on one connection at once; return status and body of each answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for target in targets:
        writer.write(f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    answers = [await read_answer(reader) for _ in targets]
    writer.close()
    await writer.wait_closed()
    return answers


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


def test_a_thousand_simultaneous_calls_wait_together(
    slow_api: tuple[subprocess.Popen[bytes], int],
) -> None:
    _, port = slow_api

    async def call_all() -> list[list[tuple[int, Any]]]:
        return await asyncio.gather(*(exchange(port, "/?delay=1.0") for _ in range(1000)))

    began = time.monotonic()
    answers = [answer for (answer,) in asyncio.run(call_all())]
    assert 1.0 <= time.monotonic() - began < DEADLINE_S
    assert all(status == 200 and body["delay_s"] == 1.0 for status, body in answers)
    assert len({body["number"] for _, body in answers}) == 1000


def test_the_delay_is_what_was_asked_for_and_one_second_by_default(
    slow_api: tuple[subprocess.Popen[bytes], int],
) -> None:
    _, port = slow_api
    began = time.monotonic()
    [(status, body)] = ask(port, "/?delay=0.2")
    assert (status, body["delay_s"]) == (200, 0.2)
    assert time.monotonic() - began >= 0.2
    assert ask(port, "/")[0][1]["delay_s"] == 1.0


def test_pipelined_answers_keep_their_order(slow_api: tuple[subprocess.Popen[bytes], int]) -> None:
    _, port = slow_api
    answers = ask(port, "/?delay=0.2", "/?delay=0", "/?delay=x", "/health")
    assert [status for status, _ in answers] == [200, 200, 400, 200]
    assert [body.get("delay_s") for _, body in answers[:2]] == [0.2, 0.0]


@pytest.mark.parametrize("target", ["/?delay=x", "/?delay=-1", "/?delay=nan", "/?delay=1e9"])
def test_other_delays_are_refused(
    slow_api: tuple[subprocess.Popen[bytes], int], target: str
) -> None:
    _, port = slow_api
    [(status, body)] = ask(port, target)
    assert status == 400
    assert "is not between 0 and 60 seconds" in body["error"]


def test_other_paths_do_not_exist(slow_api: tuple[subprocess.Popen[bytes], int]) -> None:
    assert ask(slow_api[1], "/other")[0][0] == 404


def test_what_is_no_http_ends_the_connection_only(
    slow_api: tuple[subprocess.Popen[bytes], int],
) -> None:
    _, port = slow_api
    with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as connection:
        connection.sendall(b"\0\1\2\r\n\r\n")
        assert connection.recv(100) == b""
    assert ask(port, "/health")[0][0] == 200


def test_sigterm_ends_it_though_calls_are_waiting(
    slow_api: tuple[subprocess.Popen[bytes], int],
) -> None:
    process, port = slow_api
    with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as connection:
        connection.sendall(b"GET /?delay=50 HTTP/1.1\r\nhost: x\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S / 2) == 0
