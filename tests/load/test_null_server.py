"""The null server answers rightly whatever way the generator asks."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servelab import load
from servelab.load.null_server import GrpcAnswers, HttpAnswers
from servelab.model.address import Address
from servelab.model.load import ClosedLoop, Connections, NoncePlace, Protocol, Request, Tls

from .loads import plan_for, run

PROGRAM = Path(load.__file__).with_name("null_server.py")
CERTIFICATE = PROGRAM.with_suffix(".pem")
DEADLINE_S = 20.0
NONCE = b"0000000000000042"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nx-servelab-nonce: " + NONCE + b"\r\n\r\n"


@contextmanager
def null_server(protocol: str, *more: str) -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = Address("127.0.0.1", free.getsockname()[1])
    words = ["--host", address.host, "--port", str(address.port), "--protocol", protocol]
    process = subprocess.Popen([sys.executable, "-I", str(PROGRAM), *words, *more])
    with process:
        try:
            await_listener(address)
            yield address
        finally:
            process.kill()


def await_listener(address: Address) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            socket.create_connection((address.host, address.port)).close()
        except OSError:
            assert time.monotonic() < deadline_s
            threading.Event().wait(0.02)
        else:
            return


@pytest.mark.live
@pytest.mark.parametrize("connections", list(Connections))
@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("is_encrypted", [False, True])
def test_every_answer_of_the_null_server_is_right(
    connections: Connections, protocol: Protocol, tmp_path: Path, *, is_encrypted: bool
) -> None:
    more = ("--certificate", str(CERTIFICATE)) if is_encrypted else ()
    tls = Tls(server_name="localhost", authorities=str(CERTIFICATE)) if is_encrypted else None
    with null_server(protocol.value, *more) as address:
        plan = plan_for(
            address,
            load=ClosedLoop(callers=8),
            requests=400,
            protocol=protocol,
            channels=2,
            connections=connections,
            request=Request(path="/servelab.Null/call"),
            tls=tls,
            generators=2,
        )
        result, _ = run(plan, tmp_path)

    assert result.outcomes == {"ok": 400}


@pytest.mark.live
def test_the_null_server_finds_a_nonce_in_metadata(tmp_path: Path) -> None:
    with null_server("grpc") as address:
        request = Request(path="/servelab.Null/call", body=b"x", nonce_in=NoncePlace.HEADER)
        plan = plan_for(address, protocol=Protocol.GRPC, request=request, requests=100)
        result, _ = run(plan, tmp_path)

    assert result.outcomes == {"ok": 100}


@pytest.mark.parametrize("cut", range(1, len(REQUEST) + 1, 7))
def test_requests_in_pieces_are_put_together(cut: int) -> None:
    answers = HttpAnswers()
    first, rest, _ = answers((REQUEST * 2)[:cut])
    second, rest, closes = answers(rest + (REQUEST * 2)[cut:])

    assert (first + second).count(NONCE) == 2
    assert (rest, closes) == (b"", False)


def test_a_body_is_skipped() -> None:
    request = REQUEST[:-2] + b"Content-Length: 5\r\n\r\nhello"
    out, rest, _ = HttpAnswers()(request + REQUEST)

    assert out.count(NONCE) == 2
    assert rest == b""


def test_a_request_to_close_closes() -> None:
    out, _, closes = HttpAnswers()(REQUEST[:-2] + b"Connection: close\r\n\r\n")

    assert closes
    assert b"Connection: close" in out


def test_no_call_is_answered_before_the_preface_is_whole() -> None:
    assert GrpcAnswers()(b"PRI * HTTP/2.0\r\n") == (b"", b"PRI * HTTP/2.0\r\n", False)
