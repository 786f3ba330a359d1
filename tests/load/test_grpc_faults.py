"""HTTP/2 faults; the server's books must equal the generator's."""

import os
import re
from pathlib import Path

import pytest

from servelab.linux import procfs
from servelab.load import http2
from servelab.load.generator import generate
from servelab.load.room import ROOM_BYTES
from servelab.model.load import (
    ClosedLoop,
    Connections,
    LoadPlan,
    LoadProgress,
    Protocol,
    Request,
)
from stop_cases.trials import generators
from tests.faults.conftest import _nothing_left  # noqa: F401 - all tests here use it
from tests.faults.grpc_behaviours import (
    as_http2,
    bad_headers,
    close_early,
    close_inside,
    endless_message,
    go_away,
    http_error,
    never,
    reset,
    reset_stream,
    right,
    short_message,
    trailers_only,
    two_messages,
    unknown_stream,
    without_message,
    without_status,
    without_trailers,
    wrong_message,
)

from .fault_server import HEAD, Behaviour, Connection, FaultServer, Http2Connection, serving
from .loads import plan_for, run

pytestmark = pytest.mark.live


BAD = {
    "trailers only": (trailers_only, "gRPC status"),
    "no message": (without_message, "wrong answer"),
    "no grpc-status": (without_status, "protocol error"),
    "no trailers": (without_trailers, "protocol error"),
    "message too short": (short_message, "truncated"),
    "two messages": (two_messages, "wrong answer"),
    "another's answer": (wrong_message, "wrong answer"),
    "closed early": (close_early, "closed early"),
    "closed inside": (close_inside, "truncated"),
    "reset": (reset, "reset"),
    "bad headers": (bad_headers, "protocol error"),
    "unknown stream": (unknown_stream, "protocol error"),
    "HTTP error": (http_error, "5xx"),
    "silence": (never, "timeout"),
}

GONE = {"RST_STREAM": (reset_stream, "stream reset"), "GOAWAY": (go_away, "GOAWAY")}


def calls(server: FaultServer, *, callers: int = 1, timeout_s: float = 30.0) -> LoadPlan:
    return plan_for(
        server.address,
        protocol=Protocol.GRPC,
        request=Request(path="/s/m"),
        check="servelab.load.answers:echoed_nonce",
        load=ClosedLoop(callers=callers),
        requests=6,
        connections=Connections.KEPT,
        timeout_s=timeout_s,
    )


@pytest.mark.parametrize(("behaviour", "label"), BAD.values(), ids=BAD.keys())
def test_each_wrong_behaviour_has_its_class(
    behaviour: Behaviour, label: str, tmp_path: Path
) -> None:
    with serving(behaviour, Http2Connection) as server:
        plan = calls(server, timeout_s=0.3 if label == "timeout" else 30.0)
        result, _ = run(plan, tmp_path)

    assert result.outcomes == {label: 6}
    # A server that is silent reads one call at a time, and none after the first.
    assert len(server.received) == (1 if label == "timeout" else 6)
    assert server.connections == result.connections_opened
    assert result.samples


@pytest.mark.parametrize(("behaviour", "label"), GONE.values(), ids=GONE.keys())
def test_fault_35_goaway_and_a_reset_stream_have_classes_of_their_own(
    behaviour: Behaviour, label: str, tmp_path: Path
) -> None:
    with serving(behaviour, Http2Connection) as server:
        result, _ = run(calls(server), tmp_path)
    assert result.outcomes == {label: 6}
    assert sorted(server.received) == [b"%016d" % number for number in range(6)]
    assert server.connections == result.connections_opened == (6 if label == "GOAWAY" else 1)
    assert result.samples


def two_streams(raw: Connection, nonce: bytes) -> bool:
    """Mix the streams of one answer up: its trailers are another's, never opened."""
    connection = as_http2(raw)
    connection.send_head(*HEAD)
    connection.send_message(nonce)
    connection.stream += 2
    connection.send_trailers()
    return True


def answered_again(raw: Connection, nonce: bytes) -> bool:
    """Answer the call before this one once more: its stream has ended."""
    as_http2(raw).stream -= 2
    return right(raw, nonce)


class InOnePiece(Http2Connection):
    """Sends each answer at once, so that it can be recognised as a whole."""

    unsent = b""

    def send(self, *pieces: bytes) -> None:
        self.unsent += b"".join(pieces)

    def flush(self) -> None:
        super().send(self.unsent)
        self.unsent = b""

    def read_exactly(self, length: int) -> bytes:
        self.flush()
        return super().read_exactly(length)


@pytest.mark.parametrize(
    ("behaviour", "label"),
    [*BAD.values(), *GONE.values(), (two_streams, "protocol error"), (answered_again, "timeout")],
    ids=[*BAD.keys(), *GONE.keys(), "two streams", "answered again"],
)
def test_each_wrong_behaviour_has_its_class_after_right_answers_were_learnt(
    behaviour: Behaviour, label: str, tmp_path: Path
) -> None:
    answered: list[bytes] = []

    def behave(raw: Connection, nonce: bytes) -> bool:
        answered.append(nonce)
        goes_on = (right if len(answered) < 6 else behaviour)(raw, nonce)
        if not goes_on and behaviour is not reset:
            assert isinstance(raw, InOnePiece)
            raw.flush()
        return goes_on

    with serving(behave, InOnePiece) as server:
        # The right answers before it come well within it.
        plan = calls(server, timeout_s=5.0 if label == "timeout" else 30.0)
        result, records = run(plan, tmp_path)

    assert result.outcomes == {"ok": 5, label: 1}
    assert sorted(records.body_bytes[:5]) == [21] * 5


def test_a_server_that_speaks_http1_is_a_protocol_error(tmp_path: Path) -> None:
    class Http1Only(Connection):
        def read_request(self) -> bytes | None:
            self.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return None

    with serving(right, Http1Only) as server:
        result, _ = run(calls(server), tmp_path)

    assert set(result.outcomes) <= {"protocol error", "reset"}
    assert result.scheduled == 6


def test_pings_are_answered_and_interim_heads_skipped(tmp_path: Path) -> None:
    pongs: list[bytes] = []

    class Pinging(Http2Connection):
        def read_request(self) -> bytes | None:
            nonce = super().read_request()
            self.send(http2.frame(http2.PING, payload=b"12345678"))
            pong = http2.frame(http2.PING, flags=http2.ACK, payload=b"12345678")
            while not self._unread.endswith(pong):
                self._unread += self.raw.recv(1000)
            pongs.append(pong)
            self.send_head((":status", "103"))
            return nonce

    with serving(right, Pinging) as server:
        result, _ = run(calls(server), tmp_path)

    assert result.outcomes == {"ok": 6}
    assert len(pongs) == 6


def test_continued_padded_headers_and_single_bytes_are_understood(tmp_path: Path) -> None:
    def behave(raw: Connection, nonce: bytes) -> bool:
        connection = as_http2(raw)
        block = http2.encode_headers(HEAD)
        stream = connection.stream
        padded = bytes([3]) + block[:4] + bytes(3)
        content = b"\0\0\0\0\x10" + nonce
        answer = (
            http2.frame(http2.HEADERS, flags=http2.PADDED, stream=stream, payload=padded)
            + http2.frame(http2.CONTINUATION, stream=stream, payload=block[4:9])
            + http2.frame(
                http2.CONTINUATION, flags=http2.END_HEADERS, stream=stream, payload=block[9:]
            )
            + http2.frame(http2.DATA, stream=stream, payload=content[:7])
            + http2.frame(
                http2.DATA,
                flags=http2.PADDED,
                stream=stream,
                payload=bytes([2]) + content[7:] + bytes(2),
            )
        )
        connection.send(*(bytes([byte]) for byte in answer))
        connection.send_trailers()
        return True

    with serving(behave, Http2Connection) as server:
        result, _ = run(calls(server), tmp_path)

    assert result.outcomes == {"ok": 6}


def test_a_small_window_delays_the_message_and_loses_nothing(tmp_path: Path) -> None:
    class Narrow(Http2Connection):
        settings = ((http2.INITIAL_WINDOW_SIZE, 5),)

        def read_request(self) -> bytes | None:
            if not self._has_begun:
                self.read_exactly(24)
                self.send(http2.settings(self.settings))
                self._has_begun = True
            content = b""
            while True:
                length_and_kind, flags, stream = http2.FRAME_HEAD.unpack(self.read_exactly(9))
                payload = self.read_exactly(length_and_kind >> 8)
                if length_and_kind & 0xFF != http2.DATA:
                    continue
                content += payload
                if flags & http2.END_STREAM:
                    self.stream = stream
                    return content[7:23]
                assert len(payload) <= 5
                self.send(http2.window_update(5, stream=stream))

    with serving(right, Narrow) as server:
        result, records = run(calls(server), tmp_path)

    assert result.outcomes == {"ok": 6}
    assert (records.sent_ns > records.connection_ready_ns).all()


def test_fault_18_endless_messages_on_64_channels_share_a_quarter_of_a_gigabyte(
    tmp_path: Path,
) -> None:
    highest_bytes = 0

    def look(_progress: LoadProgress) -> None:
        nonlocal highest_bytes
        for pid in generators(os.getpid()):
            status = procfs.read_bytes(f"/proc/{pid}/status") or b""
            found = re.search(rb"VmHWM:\s+(\d+) kB", status)
            highest_bytes = max(highest_bytes, 1024 * int(found[1]) if found else 0)

    with serving(endless_message, Http2Connection) as server:
        plan = plan_for(
            server.address,
            protocol=Protocol.GRPC,
            request=Request(path="/s/m"),
            load=ClosedLoop(callers=64),
            channels=64,
            requests=64,
            timeout_s=300.0,
        )
        result = generate(plan, records=tmp_path / "records.parquet", on_progress=look)
    assert result.outcomes == {"too big": 64}
    assert 0 < highest_bytes < ROOM_BYTES + (192 << 20)
