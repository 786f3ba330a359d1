"""HEAD among other methods: an answer to it has no body, whatever its head says."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from servelab.model.load import (
    Choice,
    ClosedLoop,
    Connections,
    Expectation,
    LoadPlan,
    Request,
    RequestMix,
    Tls,
)

from .fault_server import Connection, FaultServer, serving
from .loads import plan_for, run
from .test_tls import TRUSTED, TlsConnection

pytestmark = pytest.mark.live

CONTENT = b"x" * 1000
HEADS = {
    "length": (b"Content-Length: 1000\r\n", CONTENT),
    "chunked": (b"Transfer-Encoding: chunked\r\n", b"3e8\r\n%b\r\n0\r\n\r\n" % CONTENT),
}


def mix(server: FaultServer, *, choice: Choice, tls: Tls | None = None) -> LoadPlan:
    wanted = [Expectation(body=b""), Expectation(body=CONTENT), Expectation(body=CONTENT)]
    parameters = {"expectations": wanted, "choice": choice, "seed": 5}
    plan = plan_for(
        server.address,
        load=ClosedLoop(callers=4),
        requests=300,
        check="servelab.load.answers:declared_check",
        check_parameters=msgspec.json.encode(parameters).decode(),
        tls=tls,
    )
    methods = ("HEAD", "GET", "POST")
    requests = tuple(Request(method=method, path="/") for method in methods)
    return msgspec.structs.replace(
        plan, request=RequestMix(requests=requests, choice=choice, seed=5)
    )


@pytest.mark.parametrize("framing", HEADS)
@pytest.mark.parametrize("choice", list(Choice))
@pytest.mark.parametrize("connections", list(Connections))
@pytest.mark.parametrize("tls", [None, TRUSTED])
def test_equal_heads_mean_a_body_or_none_by_the_method_of_the_request(
    tls: Tls | None,
    connections: Connections,
    choice: Choice,
    framing: str,
    tmp_path: Path,
) -> None:
    header, body = HEADS[framing]
    methods: Counter[str] = Counter()

    def serve(connection: Connection, _nonce: bytes) -> bool:
        methods[connection.method] += 1
        whole = b"HTTP/1.1 200 OK\r\n%b\r\n" % header
        connection.send(whole if connection.method == "HEAD" else whole + body)
        return True

    with serving(serve, Connection if tls is None else TlsConnection) as server:
        plan = msgspec.structs.replace(mix(server, choice=choice, tls=tls), connections=connections)
        result, records = run(plan, tmp_path)

    assert result.outcomes == {"ok": 300}
    assert result.connections_opened == (4 if connections is Connections.KEPT else 300)
    without_body = int((records.body_bytes == 0).sum())
    assert methods["HEAD"] == without_body > 50
    assert methods["HEAD"] + methods["GET"] + methods["POST"] == 300


def test_a_body_after_the_answer_to_head_is_a_protocol_error(tmp_path: Path) -> None:
    def serve(connection: Connection, _nonce: bytes) -> bool:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + CONTENT)
        return True

    with serving(serve) as server:
        result, _ = run(mix(server, choice=Choice.ROUND_ROBIN), tmp_path)
    assert result.outcomes == {"ok": 200, "protocol error": 100}
