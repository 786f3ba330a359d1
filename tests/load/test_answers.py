import json

import pytest

from servelab.load.answers import (
    any_answer,
    decode_fields,
    echoed_nonce,
    load_check,
    workload_check,
)
from servelab.load.ledger import Check
from servelab.model.outcome import Outcome
from servelab.served import workloads

from .messages import Answer

NONCE = b"0000000000000042"
RESULT = workloads.load("cpu").work(workloads.parse("cpu", {"num": "10"}))


def http_answer(**changes: object) -> bytes:
    return json.dumps({"pid": 7, "nonce": NONCE.decode(), "result": RESULT} | changes).encode()


def grpc_answer(**changes: object) -> bytes:
    fields = {"pid": 7, "nonce": NONCE.decode(), "result": json.dumps(RESULT)} | changes
    encoded: bytes = Answer(**fields).SerializeToString()
    return encoded


@pytest.mark.parametrize(("protocol", "answer"), [("http", http_answer()), ("grpc", grpc_answer())])
def test_a_right_answer_is_ok_and_names_its_worker(protocol: str, answer: bytes) -> None:
    check = workload_check({"workload": "cpu", "parameters": {"num": "10"}, "protocol": protocol})

    assert check(200, answer, NONCE) == (Outcome.OK, 7, "")


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        ("http", http_answer(nonce="0000000000000041")),
        ("http", http_answer(nonce=None)),
        ("http", http_answer(pid="seven")),
        ("http", http_answer(pid=-1)),
        ("http", http_answer(result={"shape": [100, 100], "mean_ln": 0.0})),
        ("http", http_answer(result=None)),
        ("http", b"{}"),
        ("http", b"[]"),
        ("http", b""),
        ("http", b"\xff"),
        ("grpc", grpc_answer(nonce="0000000000000041")),
        ("grpc", grpc_answer(result="no JSON")),
        ("grpc", grpc_answer()[:-1]),
        ("grpc", b""),
        ("grpc", b"\x0f\x0f"),
        ("grpc", b"\x80" * 30),
    ],
)
def test_a_wrong_answer_is_told_with_a_reason(protocol: str, answer: bytes) -> None:
    check = workload_check({"workload": "cpu", "parameters": {"num": "10"}, "protocol": protocol})

    outcome, _, reason = check(200, answer, NONCE)

    assert outcome is Outcome.WRONG_ANSWER
    assert reason


def test_an_answer_to_other_parameters_is_wrong() -> None:
    check = workload_check({"workload": "cpu", "parameters": {"num": 1000}, "protocol": "http"})

    assert check(200, http_answer(), NONCE)[0] is Outcome.WRONG_ANSWER


DOCUMENT = workloads.load("json").work(workloads.parse("json", {}))


def counted_check(protocol: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Check, list[object]]:
    """Return the check of json, and the list of the results that it read."""
    read: list[object] = []
    json_workload = workloads.load("json")
    whole_check = json_workload.check

    def counting(parameters: object, result: object) -> str | None:
        read.append(result)
        return whole_check(parameters, result)

    monkeypatch.setattr(json_workload, "check", counting)
    return workload_check({"workload": "json", "parameters": {}, "protocol": protocol}), read


def long_answer(protocol: str, *, document: object = DOCUMENT, **changes: object) -> bytes:
    if protocol == "http":
        return http_answer(result=document, **changes)
    return grpc_answer(result=json.dumps(document), **changes)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_long_result_is_read_once_and_then_compared(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, read = counted_check(protocol, monkeypatch)

    for pid, number in ((7, 42), (8, 43), (9, 44)):
        nonce = b"%016d" % number
        answer = long_answer(protocol, pid=pid, nonce=nonce.decode())
        assert check(200, answer, nonce) == (Outcome.OK, pid, "")

    assert len(read) == 1


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_long_answer_is_wrong_though_right_ones_came_before(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, _ = counted_check(protocol, monkeypatch)
    right = long_answer(protocol)
    other = json.loads(json.dumps(DOCUMENT))
    other["orders"][400]["amount"] += 1
    wrong = [
        long_answer(protocol, document=other),
        long_answer(protocol, nonce="0000000000000041"),
        right[:-1],
        right[:5000] + b"x" + right[5001:],
        b"x" + right,
    ]
    for answer in wrong:
        assert check(200, right, NONCE)[0] is Outcome.OK
        assert check(200, answer, NONCE)[0] is Outcome.WRONG_ANSWER


def test_a_long_answer_whose_result_does_not_come_last_is_read_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check, read = counted_check("http", monkeypatch)
    answer = json.dumps({"result": DOCUMENT, "pid": 7, "nonce": NONCE.decode()}).encode()

    for _ in range(2):
        assert check(200, answer, NONCE) == (Outcome.OK, 7, "")

    assert len(read) == 2


def test_the_end_of_a_long_answer_counts_only_behind_a_whole_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check, _ = counted_check("http", monkeypatch)
    right = long_answer("http")
    assert check(200, right, NONCE)[0] is Outcome.OK

    nested = right.replace(b'{"pid"', b'{"x": {"pid"', 1)

    assert check(200, nested, NONCE)[0] is Outcome.WRONG_ANSWER


@pytest.mark.parametrize(("number", "kind"), [(40, "fast"), (45, "slow"), (46, "slow")])
def test_the_number_of_a_request_tells_which_call_of_a_mix_was_answered(
    number: int, kind: str
) -> None:
    check = workload_check({"workload": "mixed", "parameters": {"num": 10}, "protocol": "http"})
    nonce = b"%016d" % number
    answers = {
        "fast": http_answer(nonce=nonce.decode(), result={"greeting": "hello world"}),
        "slow": http_answer(nonce=nonce.decode()),
    }

    for answered, answer in answers.items():
        expected = Outcome.OK if answered == kind else Outcome.WRONG_ANSWER
        assert check(200, answer, nonce)[0] is expected


def test_an_echo_must_be_the_nonce_and_nothing_else() -> None:
    check = echoed_nonce({})

    assert check(200, NONCE, NONCE)[0] is Outcome.OK
    assert check(200, NONCE + b"x", NONCE)[0] is Outcome.WRONG_ANSWER


def test_a_check_is_found_by_its_name() -> None:
    check = load_check(f"{any_answer.__module__}:any_answer", {})

    assert check(200, b"whatever", NONCE)[0] is Outcome.OK


def test_fields_are_decoded_as_protobuf_encodes_them() -> None:
    assert decode_fields(Answer(nonce="ab", pid=300, result="c").SerializeToString()) == {
        1: b"ab",
        2: 300,
        3: b"c",
    }
