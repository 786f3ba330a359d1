"""One call over gRPC, whole, or the reason why there is none."""

import socket

import pytest

from servelab.load.call import call
from servelab.load.fetch import Answer
from servelab.model.address import Address
from servelab.model.load import NoncePlace, Request

from .messages import Answer as Message
from .messages import Call
from .test_grpc import grpc_serving

pytestmark = pytest.mark.live


def request(method: str, *, num: str = "7") -> Request:
    return Request(
        method="POST",
        path=f"/servelab.Workloads/{method}",
        headers=(("x-own", "mine"),),
        body=Call(nonce="theirs", parameters={"num": num}).SerializeToString(),
        nonce_in=NoncePlace.HEADER,
    )


def test_the_message_comes_back_whole_and_what_was_sent_is_the_users_own() -> None:
    with grpc_serving() as server:
        found = call(server.address, request("metadata"), timeout_s=10)
        (received,) = server.stop()
    assert found == Answer(
        status=None, body=Message(nonce="theirs", pid=7, result="7").SerializeToString()
    )
    assert received.split()[1:] == ["mine", "theirs"]


def test_a_large_message_comes_back_whole() -> None:
    with grpc_serving() as server:
        found = call(server.address, request("large"), timeout_s=30)
    assert isinstance(found, Answer)
    assert len(Message.FromString(found.body).result) > 5_000_000


@pytest.mark.parametrize(
    ("method", "refusal"),
    [("abort", "grpc-status 3: no, because ü"), ("nothing", "grpc-status 12: ")],
)
def test_a_refusal_is_an_answer_with_its_status(method: str, refusal: str) -> None:
    with grpc_serving() as server:
        found = call(server.address, request(method), timeout_s=10)
    assert isinstance(found, Answer)
    assert found.refusal is not None
    assert found.refusal.startswith(refusal)


def test_nobody_there_is_told_in_words() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", closed.getsockname()[1])
        found = call(address, request("cpu"), timeout_s=1)
    assert found == "refused: connect: Connection refused"


def test_a_server_that_does_not_answer_in_time_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = Address("127.0.0.1", silent.getsockname()[1])
        found = call(address, request("cpu"), timeout_s=0.2)
    assert isinstance(found, str)
    assert found.startswith("timeout")
