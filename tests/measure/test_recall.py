"""What was agreed on before an interruption is held against what is answered now."""

import hashlib

import pytest

from servelab.load.fetch import Answer
from servelab.measure.agreement import Heard
from servelab.measure.recall import recall
from servelab.model.load import Asked, Expectation, Request

LARGE = b"page " * 10


def heard(*answers: Answer) -> Heard:
    return Heard(deployment="one", title="one", answers=(answers,))


def asked(**expected: object) -> tuple[Asked, ...]:
    return (Asked(request=Request(path="/a"), expectation=Expectation(**expected)),)  # type: ignore[arg-type]


def answer(body: bytes = b"hello", *, status: int = 200) -> Answer:
    return Answer(status=status, body=body)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ((answer(), answer(status=500)), "GET /a: status 500"),
        ((answer(b"other"),), "GET /a: another body: b'other'"),
        ((answer(), answer(b"other")), "GET /a: another body: b'other'"),
    ],
)
def test_each_answer_must_be_what_was_agreed_on(now: tuple[Answer, ...], told: str) -> None:
    expected = asked(status=200, body=b"hello")
    assert recall(heard(answer(), answer()), asked=expected).asked == expected
    assert recall(heard(*now), asked=expected).difference == told


def test_of_an_answer_that_changes_each_time_its_parts_are_held_against_it() -> None:
    expected = asked(status=200, contains=(b"token ",))
    assert recall(heard(answer(b"token 1"), answer(b"token 2")), asked=expected).difference is None
    found = recall(heard(answer(b"key 1")), asked=expected)
    assert found.difference == "GET /a: the body lacks b'token ': b'key 1'"


def test_headers_are_left_to_the_load() -> None:
    expected = asked(status=200, headers=(("X", "y"),))
    assert recall(heard(answer()), asked=expected).asked == expected


def test_a_body_of_which_only_the_digest_was_kept_is_put_back() -> None:
    digest = hashlib.sha256(LARGE).hexdigest()
    stored = (Asked(request=Request(path="/"), body_sha256=digest),)
    (found,) = recall(heard(answer(LARGE)), asked=stored).asked
    assert found == Asked(request=Request(path="/"), expectation=Expectation(body=LARGE))
    found_else = recall(heard(answer(LARGE), answer(LARGE + b"!")), asked=stored)
    assert found_else.difference == "GET /: another body, of 51 bytes"


def test_a_call_that_is_refused_by_now_is_a_difference() -> None:
    refused = Answer(status=None, body=b"", refusal="grpc-status 5: not here")
    assert recall(heard(refused), asked=asked(body=b"hi")).difference == (
        "GET /a: refused with grpc-status 5: not here"
    )
    said = Answer(status=None, body=b"hi")
    assert recall(heard(said), asked=asked(body=b"hi")).difference is None
