"""Which request is sent, and that its answer is judged by its own check."""

import base64
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from servelab.load.request_source import RANDOM_TURNS, RequestSource, turn_of, turns
from servelab.model.load import Choice, ClosedLoop, Expectation, Request, RequestMix

from .fault_server import Connection, serving
from .loads import plan_for, run


def source(mix: Request | RequestMix) -> RequestSource:
    return RequestSource.parse(msgspec.to_builtins(mix))


def mix_of(*paths: str, choice: Choice = Choice.ROUND_ROBIN, seed: int = 0) -> RequestMix:
    requests = tuple(Request(path=path) for path in paths)
    return RequestMix(requests=requests, choice=choice, seed=seed)


def sent_paths(mix: RequestMix, numbers: int) -> list[str]:
    encode = source(mix).encoder(host="h", closes=False)
    return [encode(b"%016d" % number).split()[1].decode() for number in range(numbers)]


def test_round_robin_sends_each_in_its_turn() -> None:
    assert sent_paths(mix_of("/a", "/b", "/c"), 7) == ["/a", "/b", "/c", "/a", "/b", "/c", "/a"]


def test_random_choices_follow_from_the_seed_and_reach_all() -> None:
    first = sent_paths(mix_of("/a", "/b", "/c", choice=Choice.RANDOM, seed=1), 3000)
    again = sent_paths(mix_of("/a", "/b", "/c", choice=Choice.RANDOM, seed=1), 3000)
    other = sent_paths(mix_of("/a", "/b", "/c", choice=Choice.RANDOM, seed=2), 3000)
    assert first == again != other
    assert all(count > 800 for count in Counter(first).values())


def test_random_choices_begin_anew_after_those_that_were_drawn() -> None:
    order = turns(3, choice="random", seed=1)
    assert len(order) == RANDOM_TURNS
    assert turn_of(b"%016d" % RANDOM_TURNS, count=len(order)) == 0


def test_a_probe_takes_the_first_turn() -> None:
    encode = source(mix_of("/a", "/b")).encoder(host="h", closes=False)
    assert encode(b"probe00000000000").startswith(b"GET /a ")
    assert turn_of(b"probe00000000000", count=2) == 0


def test_a_request_carries_its_nonce_headers_and_body() -> None:
    request = Request(method="POST", path="/x?a=b", headers=(("A", "b"),), body=b"content")
    encode = source(request).encoder(host="example:1", closes=True)
    assert encode(b"0000000000000042") == (
        b"POST /x?a=b HTTP/1.1\r\nHost: example:1\r\nA: b\r\nConnection: close\r\n"
        b"Content-Length: 7\r\nx-servelab-nonce: 0000000000000042\r\n\r\ncontent"
    )


def test_a_host_header_of_ones_own_replaces_the_usual_one() -> None:
    request = Request(path="/", headers=(("host", "other"),))
    encoded = source(request).encoder(host="example:1", closes=False)(b"0" * 16)
    assert encoded.lower().count(b"host:") == 1
    assert b"host: other\r\n" in encoded


def checked_mix(*bodies: bytes | None, choice: Choice) -> tuple[RequestMix, str]:
    expectations = [{**msgspec.to_builtins(Expectation()), "body": _text(body)} for body in bodies]
    mix = mix_of(*(f"/{n}" for n in range(len(bodies))), choice=choice, seed=3)
    parameters = {"expectations": expectations, "choice": choice.value, "seed": 3}
    return mix, msgspec.json.encode(parameters).decode()


def _text(body: bytes | None) -> str | None:
    return None if body is None else base64.b64encode(body).decode()


class PathConnection(Connection):
    """Answers with the path that was asked for."""

    def read_request(self) -> bytes | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.raw.recv(1)
            if not byte:
                return None
            head += byte
        return head.split()[1]


def echo(connection: Connection, path: bytes) -> bool:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(path) + path)
    return True


@pytest.mark.parametrize("choice", list(Choice))
def test_each_answer_is_judged_by_the_check_of_its_own_request(
    choice: Choice, tmp_path: Path
) -> None:
    mix, parameters = checked_mix(b"/0", b"wrong", None, choice=choice)
    with serving(echo, PathConnection) as server:
        plan = msgspec.structs.replace(
            plan_for(
                server.address,
                requests=300,
                load=ClosedLoop(callers=4),
                check="servelab.load.answers:declared_check",
                check_parameters=parameters,
            ),
            request=mix,
        )
        result, _ = run(plan, tmp_path)
    asked = Counter(server.received)
    assert sum(asked.values()) == 300
    assert min(asked[path] for path in (b"/0", b"/1", b"/2")) > 50
    assert result.outcomes == {"ok": asked[b"/0"] + asked[b"/2"], "wrong answer": asked[b"/1"]}
    if choice is Choice.ROUND_ROBIN:
        assert asked[b"/0"] == asked[b"/1"] == asked[b"/2"] == 100
