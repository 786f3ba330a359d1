"""Encrypted connections: verified, and every failure in its class."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from servelab import load
from servelab.errors import UsageError
from servelab.load.generator import generate, probe
from servelab.model.address import Address
from servelab.model.load import ClosedLoop, Connections, LoadPlan, Request, Tls
from servelab.model.outcome import Outcome

from .fault_server import Connection, FaultServer, answer, right, serving
from .loads import plan_for, run

pytestmark = pytest.mark.live

SHORTEST_HANDSHAKE_S = 100e-6
"""The keys alone take longer to reckon with."""

CERTIFICATE = Path(load.__file__).with_name("null_server.pem")
"""For localhost and 127.0.0.1, vouching for itself."""
TRUSTED = Tls(server_name="localhost", authorities=str(CERTIFICATE))


def new_server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


class TlsConnection(Connection):
    """Shakes hands before the first request is read."""

    version: ssl.TLSVersion | None = None
    _is_made = False

    def read_request(self) -> bytes | None:
        if not self._is_made:
            context = new_server_context()
            if self.version is not None:
                context.maximum_version = self.version
            self.raw = context.wrap_socket(self.raw, server_side=True)
            self._is_made = True
        return super().read_request()


class OldTlsConnection(TlsConnection):
    version = ssl.TLSVersion.TLSv1_2


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with serving(right, TlsConnection) as serving_right:
        yield serving_right


@pytest.mark.parametrize("connections", list(Connections))
@pytest.mark.parametrize("connection_type", [TlsConnection, OldTlsConnection])
def test_a_trusted_server_is_loaded_as_any_other(
    connection_type: type[Connection], connections: Connections, tmp_path: Path
) -> None:
    with serving(right, connection_type) as server:
        plan = plan_for(
            server.address,
            load=ClosedLoop(callers=4),
            requests=60,
            connections=connections,
            tls=TRUSTED,
        )
        result, records = run(plan, tmp_path)

    assert result.outcomes == {"ok": 60}
    assert result.connections_opened == (4 if connections is Connections.KEPT else 60)
    assert len(server.received) == server.answered == 60
    waits_s = records.connection_wait_s[
        slice(None) if connections is Connections.FRESH else records.sequence < 4
    ]
    # Shaking hands is waiting for a connection: two turns between two processes. (A process that
    # the kernel stops in the middle of one may find it done when it goes on.)
    assert np.median(waits_s) > SHORTEST_HANDSHAKE_S


def test_the_address_is_the_name_where_no_other_is_given(
    server: FaultServer, tmp_path: Path
) -> None:
    plan = plan_for(server.address, tls=Tls(authorities=str(CERTIFICATE)))
    assert run(plan, tmp_path)[0].outcomes == {"ok": 10}


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (Tls(server_name="localhost"), "self-signed"),
        (Tls(server_name="example.org", authorities=str(CERTIFICATE)), "mismatch"),
    ],
)
def test_a_certificate_that_nobody_vouches_for_or_of_another_name_is_a_tls_error(
    tls: Tls, words: str, server: FaultServer, tmp_path: Path
) -> None:
    plan = plan_for(server.address, requests=4, tls=tls)
    result, _ = run(plan, tmp_path)

    assert result.outcomes == {"TLS error": 4}
    assert "certificate" in result.samples[0]
    assert words in result.samples[0].lower()
    assert result.connections_opened == 0
    assert not server.received


def test_verification_can_be_switched_off(server: FaultServer, tmp_path: Path) -> None:
    plan = plan_for(server.address, tls=Tls(verifies=False))
    assert run(plan, tmp_path)[0].outcomes == {"ok": 10}


def test_a_server_without_tls_is_a_tls_error(tmp_path: Path) -> None:
    class Plain(Connection):
        def read_request(self) -> bytes | None:
            self.raw.recv(65536)
            return b""

    def speak_http(connection: Connection, _nonce: bytes) -> bool:
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return False

    with serving(speak_http, Plain) as server:
        result, _ = run(plan_for(server.address, requests=3, tls=TRUSTED), tmp_path)

    assert result.outcomes == {"TLS error": 3}


def test_a_server_that_hangs_up_on_the_handshake_is_a_tls_error(tmp_path: Path) -> None:
    class Rude(Connection):
        def read_request(self) -> bytes | None:
            self.raw.recv(65536)
            return None

    with serving(right, Rude) as server:
        result, _ = run(plan_for(server.address, requests=3, tls=TRUSTED), tmp_path)

    assert result.outcomes == {"TLS error": 3}


def test_a_handshake_that_never_ends_is_a_timeout(tmp_path: Path) -> None:
    class Silent(Connection):
        def read_request(self) -> bytes | None:
            self.stopped.wait()
            return None

    with serving(right, Silent) as server:
        plan = plan_for(server.address, requests=2, tls=TRUSTED, timeout_s=0.3)
        result, _ = run(plan, tmp_path)

    assert result.outcomes == {"timeout": 2}


def test_large_requests_and_answers_pass_whole(tmp_path: Path) -> None:
    size = 3_000_000

    def answer_much(connection: Connection, _nonce: bytes) -> bool:
        connection.send(answer(b"x" * size))
        return True

    with serving(answer_much, TlsConnection) as server:
        plan = plan_for(
            server.address,
            requests=4,
            tls=TRUSTED,
            request=Request(method="POST", path="/", body=b"y" * size),
            check="servelab.load.answers:any_answer",
        )
        result, records = run(plan, tmp_path)

    assert result.outcomes == {"ok": 4}
    assert set(records.body_bytes) == {size}


def test_an_answer_cut_short_is_truncated(tmp_path: Path) -> None:
    def cut(connection: Connection, nonce: bytes) -> bool:
        connection.send(answer(nonce)[:-3])
        return False

    with serving(cut, TlsConnection) as server:
        result, _ = run(plan_for(server.address, requests=3, tls=TRUSTED), tmp_path)

    assert result.outcomes == {"truncated": 3}


def test_a_body_that_ends_with_the_connection_is_whole(tmp_path: Path) -> None:
    def answer_and_close(connection: Connection, nonce: bytes) -> bool:
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n", nonce)
        return False

    with serving(answer_and_close, TlsConnection) as server:
        result, _ = run(plan_for(server.address, requests=3, tls=TRUSTED), tmp_path)

    assert result.outcomes == {"ok": 3}


def test_an_answer_in_small_pieces_is_put_together(tmp_path: Path) -> None:
    def drip(connection: Connection, nonce: bytes) -> bool:
        for byte in answer(nonce):
            connection.send(bytes([byte]))
        return True

    with serving(drip, TlsConnection) as server:
        result, _ = run(plan_for(server.address, requests=6, tls=TRUSTED), tmp_path)

    assert result.outcomes == {"ok": 6}


def test_a_probe_shakes_hands_too(server: FaultServer) -> None:
    def ask(tls: Tls) -> Outcome:
        return probe(plan_for(server.address, tls=tls), timeout_s=20.0).outcome

    assert ask(TRUSTED) is Outcome.OK
    assert ask(Tls(server_name="localhost")) is Outcome.TLS_ERROR


def test_authorities_that_are_none_are_wrong_usage(tmp_path: Path) -> None:
    def load_with(authorities: Path) -> LoadPlan:
        return plan_for(Address("127.0.0.1", 1), tls=Tls(authorities=str(authorities)))

    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    for file in (nonsense, tmp_path / "missing.pem"):
        with pytest.raises(UsageError, match=file.name):
            generate(load_with(file), records=tmp_path / "records.parquet")
