"""What was declared of an answer decides about it, and nothing else."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from servelab.load.answers import declared_check
from servelab.load.http1 import Status
from servelab.load.ledger import Check
from servelab.model.load import Expectation, LoadPlan
from servelab.model.outcome import Outcome

from .fault_server import Connection, FaultServer, answer, serving
from .loads import plan_for, run

NONCE = b"0000000000000000"
BODY = json.dumps({"a": {"b": [1, {"c": "text"}]}, "yes": True, "none": None, "x": 1.0}).encode()


def check_of(*expectations: Expectation) -> Check:
    parameters = {"expectations": expectations, "choice": "round-robin", "seed": 0}
    return declared_check(json.loads(msgspec.json.encode(parameters)))


def judged(expectation: Expectation, *, status: int = 200, body: bytes = BODY) -> Outcome:
    return check_of(expectation)(status, body, NONCE)[0]


@pytest.mark.parametrize(
    "expectation",
    [
        Expectation(),
        Expectation(status=200),
        Expectation(body=BODY),
        Expectation(contains=(b"text", b'"a"')),
        Expectation(json_fields=(("a.b.0", 1), ("a.b.1.c", "text"), ("yes", True))),
        Expectation(json_fields=(("none", None), ("x", 1), ("a.b", [1, {"c": "text"}]))),
    ],
)
def test_an_answer_as_declared_is_ok(expectation: Expectation) -> None:
    assert check_of(expectation)(200, BODY, NONCE) == (Outcome.OK, 0, "")


@pytest.mark.parametrize(
    ("expectation", "words"),
    [
        (Expectation(status=201), "status 200"),
        (Expectation(body=b""), "another body"),
        (Expectation(body=BODY[:-1]), "another body"),
        (Expectation(contains=(b"text", b"lost")), "lacks b'lost'"),
        (Expectation(json_fields=(("a.b.0", 2),)), "a.b.0 is 1"),
        (Expectation(json_fields=(("a.b.0", "1"),)), "a.b.0 is 1"),
        (Expectation(json_fields=(("a.b.0", True),)), "a.b.0 is 1"),
        (Expectation(json_fields=(("yes", 1),)), "yes is true"),
        (Expectation(json_fields=(("a.b.9", 1),)), "no field a.b.9"),
        (Expectation(json_fields=(("a.b.c", 1),)), "no field a.b.c"),
        (Expectation(json_fields=(("a.b.0.c", 1),)), "no field a.b.0.c"),
        (Expectation(json_fields=(("lost", None),)), "no field lost"),
        (Expectation(headers=(("Server", None),)), "no header server"),
    ],
)
def test_an_answer_otherwise_is_wrong_and_says_how(expectation: Expectation, words: str) -> None:
    outcome, _, reason = check_of(expectation)(200, BODY, NONCE)
    assert outcome is Outcome.WRONG_ANSWER
    assert words in reason


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"5", b"null"])
def test_a_body_that_is_not_what_the_path_needs_is_wrong(body: bytes) -> None:
    assert judged(Expectation(json_fields=(("a", 1),)), body=body) is Outcome.WRONG_ANSWER


@pytest.mark.parametrize(
    ("wanted", "found", "outcome"),
    [
        (None, 204, Outcome.OK),
        (None, 404, Outcome.CLIENT_ERROR),
        (404, 404, Outcome.OK),
        (404, 200, Outcome.WRONG_ANSWER),
        (404, 500, Outcome.SERVER_ERROR),
        (200, 301, Outcome.REDIRECT),
    ],
)
def test_a_status_that_was_not_declared_keeps_its_class(
    wanted: int | None, found: int, outcome: Outcome
) -> None:
    assert judged(Expectation(status=wanted), status=found) is outcome


@pytest.mark.parametrize(
    ("name", "value", "outcome"),
    [
        ("content-type", "text/plain", Outcome.OK),
        ("Content-Type", "text/plain", Outcome.OK),
        ("x-twice", "b", Outcome.OK),
        ("x-twice", None, Outcome.OK),
        ("content-type", "text/html", Outcome.WRONG_ANSWER),
        ("x-lost", None, Outcome.WRONG_ANSWER),
    ],
)
def test_one_header_of_a_name_must_have_the_value(
    name: str, value: str | None, outcome: Outcome
) -> None:
    headers = ((b"content-type", b"text/plain"), (b"x-twice", b"a"), (b"x-twice", b"b"))
    check = check_of(Expectation(headers=((name, value),)))
    assert check(Status(200, headers=headers), b"", NONCE)[0] is outcome


def test_of_a_mix_the_number_of_the_request_finds_its_check() -> None:
    check = check_of(Expectation(body=b"a"), Expectation(body=b"b"))
    assert check(200, b"a", b"%016d" % 4)[0] is Outcome.OK
    assert check(200, b"a", b"%016d" % 5)[0] is Outcome.WRONG_ANSWER
    assert check(200, b"b", b"%016d" % 5)[0] is Outcome.OK


def declared(server: FaultServer, expectation: Expectation, **changes: Any) -> LoadPlan:
    parameters = {"expectations": [expectation], "choice": "round-robin", "seed": 0}
    plan = plan_for(
        server.address,
        check="servelab.load.answers:declared_check",
        check_parameters=msgspec.json.encode(parameters).decode(),
    )
    return msgspec.structs.replace(plan, **changes)


def test_headers_are_judged_over_the_wire(tmp_path: Path) -> None:
    def changing(connection: Connection, nonce: bytes) -> bool:
        connection.send(answer(nonce, headers=f"X-Even: {int(nonce) % 2 == 0}\r\n"))
        return True

    with serving(changing) as server:
        result, _ = run(declared(server, Expectation(headers=(("x-even", "True"),))), tmp_path)
    assert result.outcomes == {"ok": 5, "wrong answer": 5}


def test_a_declared_status_beyond_2xx_is_ok_over_the_wire(tmp_path: Path) -> None:
    def missing(connection: Connection, nonce: bytes) -> bool:
        connection.send(answer(nonce, status="404 Not Found"))
        return True

    with serving(missing) as server:
        plan = declared(server, Expectation(status=404), judged_statuses=(404,))
        result, records = run(plan, tmp_path)
    assert result.outcomes == {"ok": 10}
    assert set(records.status) == {404}
    assert server.connections == 2


def test_an_undeclared_status_stays_a_failure_over_the_wire(tmp_path: Path) -> None:
    def missing(connection: Connection, nonce: bytes) -> bool:
        connection.send(answer(nonce, status="404 Not Found"))
        return True

    with serving(missing) as server:
        result, _ = run(declared(server, Expectation(status=200)), tmp_path)
    assert result.outcomes == {"4xx": 10}


def test_100_continue_is_awaited_by_nobody_and_taken_for_no_answer(tmp_path: Path) -> None:
    def continuing(connection: Connection, nonce: bytes) -> bool:
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n", answer(nonce))
        return True

    with serving(continuing) as server:
        plan = declared(server, Expectation())
        request = msgspec.structs.replace(
            plan.request,
            method="POST",
            headers=(("Expect", "100-continue"),),
            body=b"x" * 100_000,
        )
        result, records = run(msgspec.structs.replace(plan, request=request), tmp_path)
    assert result.outcomes == {"ok": 10}
    assert set(records.status) == {200}


def test_417_ends_in_its_class(tmp_path: Path) -> None:
    def refusing(connection: Connection, nonce: bytes) -> bool:
        connection.send(answer(nonce, status="417 Expectation Failed"))
        return True

    with serving(refusing) as server:
        result, _ = run(declared(server, Expectation()), tmp_path)
    assert result.outcomes == {"4xx": 10}
