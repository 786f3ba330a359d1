import json

import pytest

from servelab.load.answers import (
    any_answer,
    decode_fields,
    echoed_nonce,
    load_check,
    workload_check,
)
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
