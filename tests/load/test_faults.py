"""One wrong behaviour a test; the server's books must equal the generator's."""

import socket
from pathlib import Path

import pytest

from servelab.model.address import Address
from servelab.model.load import ClosedLoop, Connections, Request
from servelab.model.outcome import Outcome

from .fault_server import Behaviour, Connection, answer, right, serving
from .loads import plan_for, run

pytestmark = pytest.mark.live

FRESH, KEPT = Connections.FRESH, Connections.KEPT


def reset_before(connection: Connection, _nonce: bytes) -> bool:
    connection.reset()
    return False


def reset_inside(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce)[:30])
    connection.reset()
    return False


def close_early(_connection: Connection, _nonce: bytes) -> bool:
    return False


def close_inside_head(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce)[:20])
    return False


def close_inside_body(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce)[:-3])
    return False


def half_close_inside_body(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce)[:-3])
    connection.raw.shutdown(socket.SHUT_WR)
    connection.stopped.wait(0.2)
    return False


def say_too_much(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce) + b"and more")
    return True


def answer_twice(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce) + answer(nonce))
    return True


def chunked(*pieces: bytes) -> Behaviour:
    def behave(connection: Connection, nonce: bytes) -> bool:
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(*(piece.replace(b"NONCE", nonce) for piece in pieces))
        return len(pieces[-1]) > 0 and pieces[-1].endswith(b"\r\n\r\n")

    return behave


def status(line: str, headers: str = "") -> Behaviour:
    def behave(connection: Connection, nonce: bytes) -> bool:
        connection.send(answer(nonce, status=line, headers=headers))
        return True

    return behave


def answer_another(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(b"9" * len(nonce)))
    return True


def endless_body(connection: Connection, _nonce: bytes) -> bool:
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while not connection.stopped.is_set():
        connection.send(bytes(1 << 20))
    return False


def header_bomb(connection: Connection, _nonce: bytes) -> bool:
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while not connection.stopped.is_set():
        connection.send(b"X-Bomb: " + bytes(1000) + b"\r\n")
    return False


def header_lines(connection: Connection, _nonce: bytes) -> bool:
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while not connection.stopped.is_set():
        connection.send(b"X-Bomb: boom\r\n" * 100)
    return False


def never_answer(connection: Connection, _nonce: bytes) -> bool:
    connection.stopped.wait()
    return False


def drip(connection: Connection, nonce: bytes) -> bool:
    for byte in answer(nonce):
        connection.send(bytes([byte]))
        if connection.stopped.wait(0.05):
            break
    return False


def answer_ssh(connection: Connection, _nonce: bytes) -> bool:
    connection.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    connection.stopped.wait(0.2)
    return False


def close_after(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce, headers="Connection: close\r\n"))
    return False


def in_single_bytes(connection: Connection, nonce: bytes) -> bool:
    connection.send(*(bytes([byte]) for byte in answer(nonce)))
    return True


def until_close(connection: Connection, nonce: bytes) -> bool:
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + nonce)
    return False


def after_interim(connection: Connection, nonce: bytes) -> bool:
    connection.send(b"HTTP/1.1 100 Continue\r\n\r\n", answer(nonce))
    return True


BAD = {
    "reset before the answer": (reset_before, "reset"),
    "reset inside the answer": (reset_inside, "reset"),
    "closed before the answer": (close_early, "closed early"),
    "closed inside the head": (close_inside_head, "truncated"),
    "closed inside the body": (close_inside_body, "truncated"),
    "half-closed inside the body": (half_close_inside_body, "truncated"),
    "bytes beyond the length": (say_too_much, "protocol error"),
    "two answers": (answer_twice, "protocol error"),
    "bad chunk size": (chunked(b"zz\r\n\r\n"), "protocol error"),
    "missing last chunk": (chunked(b"10\r\nNONCE\r\n"), "truncated"),
    "not found": (status("404 Not Found"), "4xx"),
    "unavailable": (status("503 Service Unavailable"), "5xx"),
    "redirect": (status("302 Found", "Location: http://192.0.2.1/\r\n"), "redirect"),
    "another's answer": (answer_another, "wrong answer"),
    "endless body": (endless_body, "too big"),
    "header bomb": (header_lines, "too big"),
    "header bomb with zeros": (header_bomb, "too big"),
    "another protocol": (answer_ssh, "protocol error"),
    "silence": (never_answer, "timeout"),
    "a byte now and then": (drip, "timeout"),
}

GOOD = {
    "plain": right,
    "chunked with trailers": chunked(b"10\r\nNONCE\r\n0\r\nX-Sum: 1\r\n\r\n"),
    "closing": close_after,
    "in single bytes": in_single_bytes,
    "until close": until_close,
    "after an interim answer": after_interim,
}


@pytest.mark.parametrize("connections", [KEPT, FRESH])
@pytest.mark.parametrize(("behaviour", "label"), BAD.values(), ids=BAD.keys())
def test_each_wrong_behaviour_has_its_class(
    behaviour: Behaviour, label: str, connections: Connections, tmp_path: Path
) -> None:
    requests = 2 if label in {"timeout", "too big"} else 10
    timeout_s = 0.3 if label == "timeout" else 30.0
    with serving(behaviour) as server:
        result, _ = run(
            plan_for(
                server.address, connections=connections, requests=requests, timeout_s=timeout_s
            ),
            tmp_path,
        )

    assert result.outcomes == {label: requests}
    assert len(server.received) == len(set(server.received)) == requests
    assert server.connections == result.connections_opened
    assert result.samples


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


def test_a_connection_closed_while_idle_is_opened_anew_and_loses_nothing(tmp_path: Path) -> None:
    def close_silently(connection: Connection, nonce: bytes) -> bool:
        connection.send(answer(nonce))
        return False

    with serving(close_silently) as server:
        load = ClosedLoop(callers=2, think_time_s=0.1)
        result, _ = run(plan_for(server.address, load=load, requests=6), tmp_path)

    assert result.outcomes == {"ok": 6}
    assert server.connections == result.connections_opened == 6
    # Of the last two the run does not wait to see the end.
    assert 4 <= result.idle_closes <= 6


def test_a_crash_after_some_answers_keeps_them_and_classifies_the_rest(tmp_path: Path) -> None:
    with serving(right) as server:

        def crash(connection: Connection, nonce: bytes) -> bool:
            if len(server.received) > 5:
                server.stop_listening()
                return False
            return right(connection, nonce)

        server._behaviour = crash
        result, records = run(
            plan_for(server.address, load=ClosedLoop(callers=1), requests=12), tmp_path
        )

    assert result.outcomes == {"ok": 5, "closed early": 1, "refused": 6}
    assert (records.outcome[:5] == Outcome.OK).all()


def test_a_late_answer_is_a_timeout_though_it_comes(tmp_path: Path) -> None:
    def late(connection: Connection, nonce: bytes) -> bool:
        connection.stopped.wait(1.0)
        return right(connection, nonce)

    with serving(late) as server:
        result, records = run(plan_for(server.address, requests=2, timeout_s=0.5), tmp_path)

    assert result.outcomes == {"timeout": 2}
    assert (records.response_time_s > 0.5).all()
