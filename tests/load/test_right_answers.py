"""Answers that are right in every form, and servers that cannot be asked."""

import socket
from pathlib import Path

import pytest

from servelab.model.address import Address
from servelab.model.load import Connections, Request
from tests.faults.behaviours import after_interim, close_after, in_single_bytes, until_close

from .fault_server import Behaviour, Connection, answer, right, serving
from .loads import plan_for, run

pytestmark = pytest.mark.live

FRESH, KEPT = Connections.FRESH, Connections.KEPT

GOOD = {
    "plain": right,
    "closing": close_after,
    "in single bytes": in_single_bytes,
    "until close": until_close,
    "after an interim answer": after_interim,
}


@pytest.mark.parametrize("connections", [KEPT, FRESH])
@pytest.mark.parametrize("behaviour", GOOD.values(), ids=GOOD.keys())
def test_each_right_behaviour_is_ok(
    behaviour: Behaviour, connections: Connections, tmp_path: Path
) -> None:
    with serving(behaviour) as server:
        result, records = run(plan_for(server.address, connections=connections), tmp_path)

    assert result.outcomes == {"ok": 10}
    assert sorted(server.received) == [b"%016d" % number for number in range(10)]
    assert server.connections == result.connections_opened == len(set(records.connection))
    closes = connections is FRESH or behaviour in {close_after, until_close}
    assert result.connections_opened == (10 if closes else 2)


def test_a_head_request_has_no_body(tmp_path: Path) -> None:
    def head_only(connection: Connection, nonce: bytes) -> bool:
        connection.send(answer(nonce)[: -len(nonce)])
        return True

    with serving(head_only) as server:
        plan = plan_for(
            server.address,
            request=Request(method="HEAD", path="/"),
            check="servelab.load.answers:any_answer",
        )
        result, _ = run(plan, tmp_path)

    assert result.outcomes == {"ok": 10}


def test_a_long_request_is_sent_whole(tmp_path: Path) -> None:
    with serving(right) as server:
        request = Request(method="POST", path="/", body=bytes(3_000_000))
        result, _ = run(plan_for(server.address, request=request, requests=4), tmp_path)

    assert result.outcomes == {"ok": 4}


def test_nobody_listening_is_refused_without_spinning(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])
    result, records = run(plan_for(address, requests=None, duration_s=0.5), tmp_path)

    assert set(result.outcomes) == {"refused"}
    assert 2 <= result.scheduled <= 22
    assert (records.sent_ns == -1).all()
    assert result.connections_opened == 0


def test_a_refused_request_ends_the_number_like_any_other(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])
    result, _ = run(plan_for(address, requests=7), tmp_path)

    assert result.outcomes == {"refused": 7}


def test_a_late_answer_is_a_timeout_though_it_comes(tmp_path: Path) -> None:
    def late(connection: Connection, nonce: bytes) -> bool:
        connection.stopped.wait(1.0)
        return right(connection, nonce)

    with serving(late) as server:
        result, records = run(plan_for(server.address, requests=2, timeout_s=0.5), tmp_path)

    assert result.outcomes == {"timeout": 2}
    assert (records.response_time_s > 0.5).all()
