"""What was typed after `servelab load` becomes exactly one order, or one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from servelab.cli import requested_load
from servelab.cli.requested_load import Typed
from servelab.errors import UsageError
from servelab.measure.load_alone import LoadOrder
from servelab.model.address import Address
from servelab.model.load import (
    Choice,
    ClosedLoop,
    Connections,
    NoncePlace,
    OpenLoop,
    Pacing,
    Protocol,
    Request,
    RequestMix,
    Tls,
)

URL = "http://127.0.0.1:8000/x?a=b"


def parse(url: str = URL, **options: Any) -> LoadOrder:
    return requested_load.parse(Typed(url=url, **options))


def test_a_url_alone_is_fifty_callers_for_ten_seconds_over_kept_connections() -> None:
    order = parse()
    plan = order.plan
    assert (order.url, order.requests, order.departures) == (URL, "GET /x?a=b", ())
    assert plan.target == Address("127.0.0.1", 8000)
    assert plan.protocol is Protocol.HTTP
    assert plan.request == Request(path="/x?a=b")
    assert plan.load == ClosedLoop(callers=50)
    assert (plan.requests, plan.duration_s) == (None, 10.0)
    assert plan.connections is Connections.KEPT
    assert plan.check == "servelab.load.answers:any_answer"
    assert (plan.authority, plan.tls) == ("127.0.0.1:8000", None)
    assert (plan.generators, plan.pacing) == (1, Pacing.TIMER)


def test_a_rate_makes_an_open_loop() -> None:
    plan = parse(rate_per_s=200.0, seed=7, requests=1000, pacing="spin", generators="2").plan
    assert plan.load == OpenLoop(rate_per_s=200, arrivals="poisson", seed=7)
    assert (plan.requests, plan.duration_s) == (1000, None)
    assert (plan.generators, plan.pacing) == (2, Pacing.SPIN)
    plan = parse(rate_per_s=1.0, arrivals="constant", concurrency=3).plan
    assert plan.load == OpenLoop(rate_per_s=1, arrivals="constant", connection_limit=3)


def test_auto_leaves_cpus_to_the_server() -> None:
    assert parse(generators="auto").plan.generators >= 1


def test_a_body_makes_a_post(tmp_path: Path) -> None:
    request = parse(body="text", headers=("X-A: b: c", "x-d:")).plan.request
    assert request == Request(
        method="POST", path="/x?a=b", headers=(("X-A", "b: c"), ("x-d", "")), body=b"text"
    )
    (tmp_path / "body").write_bytes(b"\0\xff")
    request = parse(body=f"@{tmp_path / 'body'}", method="put").plan.request
    assert isinstance(request, Request)
    assert (request.method, request.body) == ("PUT", b"\0\xff")


def test_user_and_password_of_the_url_are_sent_but_not_shown() -> None:
    order = parse("http://me:pw@127.0.0.1:8000/")
    assert order.url == "http://***@127.0.0.1:8000/"
    assert order.plan.request == Request(path="/", headers=(("Authorization", "Basic bWU6cHc="),))
    own = parse("http://me:pw@127.0.0.1:8000/", headers=("authorization: x",)).plan.request
    assert own == Request(path="/", headers=(("authorization", "x"),))


def test_checks_are_declared_with_the_statuses_that_they_judge() -> None:
    plan = parse(
        expect_status=404,
        expect_headers=("Server: x", "Date"),
        expect_body="whole",
        expect_contains=("a", "b"),
        expect_json=("a.b=1", "c=text", 'd="1"', "e=true"),
    ).plan
    assert plan.check == "servelab.load.answers:declared_check"
    assert plan.judged_statuses == (404,)
    assert json.loads(plan.check_parameters)["expectations"] == [
        {
            "status": 404,
            "headers": [["Server", "x"], ["Date", None]],
            "body": "d2hvbGU=",
            "contains": ["YQ==", "Yg=="],
            "json_fields": [["a.b", 1], ["c", "text"], ["d", "1"], ["e", True]],
        }
    ]


def test_a_file_of_requests_makes_a_mix_and_lacks_what_the_options_say(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(
        '{"path": "/a"}\n'
        "\n"
        '{"method": "post", "path": "/b", "headers": {"x-a": "own"}, "body": {"n": 1},'
        ' "checks": {"status": 201, "json": {"n": 1}, "contains": ["n"]}}\n'
        '{"body": "text"}\n'
    )
    order = parse(
        requests_file=file, choose="random", seed=5, headers=("X-A: usual",), expect_status=200
    )
    json_type = ("Content-Type", "application/json")
    assert order.requests == "3 requests of requests.jsonl, random"
    assert order.plan.request == RequestMix(
        requests=(
            Request(path="/a", headers=(("X-A", "usual"),)),
            Request(method="POST", path="/b", headers=(("x-a", "own"), json_type), body=b'{"n":1}'),
            Request(path="/x?a=b", headers=(("X-A", "usual"),), body=b"text"),
        ),
        choice=Choice.RANDOM,
        seed=5,
    )
    declared = json.loads(order.plan.check_parameters)
    assert [each["status"] for each in declared["expectations"]] == [200, 201, 200]
    assert (declared["choice"], declared["seed"]) == ("random", 5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no request"),
        ("{\n", "line 1"),
        ('{"path": "/"}\n[]', "line 2"),
        ('{"paht": "/"}', "paht"),
        ('{"path": "x"}', "begins with /"),
        ('{"path": "/a b"}', "begins with /"),
        ('{"path": "/\\r\\nX: y"}', "begins with /"),
        ('{"headers": {"a b": "c"}}', "no name of a header"),
        ('{"headers": {"a": "c\\nd"}}', "cannot be sent"),
        ('{"headers": {"Content-Length": "1"}}', "servelab's own"),
        ('{"method": "GET /"}', "--method"),
        ('{"checks": {"colour": 1}}', "colour"),
    ],
)
def test_a_line_that_is_no_request_is_named(content: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(content)
    with pytest.raises(UsageError, match=words):
        parse(requests_file=file)


def test_https_verifies_the_name_of_the_url(tmp_path: Path) -> None:
    assert parse("https://localhost:8443/").plan.tls == Tls(server_name="localhost")
    plan = parse("https://localhost:8443/", authorities=tmp_path / "ca.pem", verifies=False).plan
    assert plan.tls == Tls(
        server_name="localhost", authorities=str(tmp_path / "ca.pem"), verifies=False
    )


def test_a_host_that_is_not_this_machine_gets_no_more_than_the_caps() -> None:
    order = requested_load.parse(
        Typed(url="http://app.example/", authorised_host="app.example"),
        resolve=lambda _host, _port: ["203.0.113.9"],
    )
    assert order.plan.load == ClosedLoop(callers=50, think_time_s=0.05)
    (departure,) = order.departures
    assert "at most 1000 requests/s, 64 at a time and 60 s go to a host" in departure


def test_a_grpc_call_without_types_sends_an_empty_message() -> None:
    plan = parse("grpc://127.0.0.1:50051/a.B/C", headers=("X-A: b",), channels=4).plan
    assert plan.protocol is Protocol.GRPC
    assert plan.channels == 4
    assert plan.request == Request(
        method="POST",
        path="/a.B/C",
        headers=(("X-A", "b"),),
        nonce_in=NoncePlace.HEADER,
    )


PROTO = """
syntax = "proto3";
package a;
message Id { int64 id = 1; }
message Item { int64 id = 1; string name = 2; }
service B { rpc C(Id) returns (Item); rpc D(Item) returns (Id); rpc E(stream Id) returns (Id); }
service F { rpc C(Item) returns (Item); }
"""


@pytest.fixture
def proto(tmp_path: Path) -> Path:
    pytest.importorskip("grpc_tools", reason="needs the extra servelab[grpc]")
    file = tmp_path / "b.proto"
    file.write_text(PROTO)
    return file


def test_a_file_of_calls_makes_a_mix_of_methods_messages_and_metadata(
    proto: Path, tmp_path: Path
) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text(
        "{}\n"
        '{"method": "D", "body": {"id": "9007199254740993", "name": "cup"},'
        ' "metadata": {"x-shop": "2"}, "checks": {"body": {"id": 3}, "contains": ["p"]}}\n'
        '{"method": "a.F/C", "checks": {"body": {}}}\n'
        '{"method": "/a.B/D", "metadata": {"X-Own": "own"}}\n'
    )
    order = parse(
        "grpc://127.0.0.1:50051/a.B/C",
        proto=proto,
        body='{"id": 7}',
        headers=("X-Shop: 1",),
        expect_contains=("u",),
        requests_file=file,
        seed=3,
    )
    usual, seven = ("X-Shop", "1"), b"\x08\x07"

    def call(path: str, body: bytes, *metadata: tuple[str, str]) -> Request:
        return Request(
            method="POST", path=path, headers=metadata, body=body, nonce_in=NoncePlace.HEADER
        )

    assert order.requests == "4 requests of calls.jsonl, round-robin"
    assert order.plan.request == RequestMix(
        requests=(
            call("/a.B/C", seven, usual),
            call(
                "/a.B/D",
                b"\x08\x81\x80\x80\x80\x80\x80\x80\x10\x12\x03cup",
                ("x-shop", "2"),
            ),
            call("/a.F/C", seven, usual),
            call("/a.B/D", seven, usual, ("X-Own", "own")),
        ),
        seed=3,
    )
    declared = json.loads(order.plan.check_parameters)["expectations"]
    assert [each["body"] for each in declared] == [None, "CAM=", "", None]
    assert [each["contains"] for each in declared] == [["dQ=="], ["dQ==", "cA=="]] + [["dQ=="]] * 2


def test_calls_without_types_differ_in_method_and_metadata(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text('{"method": "D"}\n{"metadata": {"x": "y"}}\n')
    mix = parse("grpc://127.0.0.1:50051/a.B/C", requests_file=file).plan.request
    assert isinstance(mix, RequestMix)
    assert [(each.path, each.headers, each.body) for each in mix.requests] == [
        ("/a.B/D", (), b""),
        ("/a.B/C", (("x", "y"),), b""),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no request"),
        ("{}\n{", "line 2"),
        ('{"path": "/a.B/C"}', "path"),
        ('{"headers": {}}', "headers"),
        ('{"method": "a/B/C"}', r"line 1: method 'a/B/C': .*package\.Service/Method"),
        ('{"method": "G"}', r"line 1: .*no method a\.B/G; "),
        ('{"method": "E"}', "streams"),
        ('{"body": {"name": "cup"}}', r"line 1: no a\.Id as JSON: .*name"),
        ('{"body": "text"}', "as JSON is an object"),
        ('{"body": null}', "as JSON is an object"),
        ('{"metadata": {"a b": "c"}}', "no name of a header"),
        ('{"metadata": {"x-servelab-nonce": "1"}}', "servelab's own"),
        ('{"checks": {"body": {"lost": 1}}}', r"no a\.Item as JSON"),
        ('{"checks": {"status": 5}}', "status"),
    ],
)
def test_a_line_that_is_no_call_is_named(
    content: str, words: str, proto: Path, tmp_path: Path
) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text(content)
    with pytest.raises(UsageError, match=words):
        parse("grpc://127.0.0.1:50051/a.B/C", proto=proto, requests_file=file)


def test_a_file_of_calls_with_messages_needs_their_types(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text('{"body": {}}')
    with pytest.raises(UsageError, match=r"line 1: .*--proto"):
        parse("grpc://127.0.0.1:50051/a.B/C", requests_file=file)


def test_head_is_mixed_with_other_methods(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text('{"method": "HEAD"}\n{"method": "GET"}')
    mix = parse(requests_file=file).plan.request
    assert isinstance(mix, RequestMix)
    assert [each.method for each in mix.requests] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        (URL, {"requests": 1, "duration_s": 1.0}, "exclude each other"),
        (URL, {"arrivals": "constant"}, "--rate"),
        (URL, {"rate_per_s": 1.0, "arrivals": "even"}, "poisson or constant"),
        (URL, {"rate_per_s": 1.0, "think_time_s": 1.0}, "--think-time"),
        (URL, {"connections": "warm"}, "fresh or kept"),
        (URL, {"pacing": "slow"}, "timer or spin"),
        (URL, {"generators": "0"}, "--generators"),
        (URL, {"generators": "many"}, "auto"),
        (URL, {"choose": "best"}, "round-robin or random"),
        (URL, {"method": "GET /"}, "--method"),
        (URL, {"method": "connect"}, "--method"),
        (URL, {"headers": ("X",)}, "Name: value"),
        (URL, {"headers": ("X Y: z",)}, "no name of a header"),
        (URL, {"headers": ("X: a\r\nY: b",)}, "cannot be sent"),
        (URL, {"headers": ("X: €",)}, "cannot be sent"),
        (URL, {"headers": ("Transfer-Encoding: chunked",)}, "servelab's own"),
        (URL, {"headers": ("x-servelab-nonce: 1",)}, "servelab's own"),
        (URL, {"body": "@/no/such/file"}, "/no/such/file cannot be read"),
        (URL, {"requests_file": Path("/no/such/file")}, "cannot be read"),
        (URL, {"expect_json": ("a",)}, "path.to.field=value"),
        (URL, {"expect_json": ("=1",)}, "path.to.field=value"),
        (URL, {"expect_headers": ("a b: c",)}, "--expect-header"),
        (URL, {"proto": Path("x.proto")}, "--proto is about"),
        (URL, {"verifies": False}, "--insecure"),
        ("http://10.0.0.1/", {}, "--authorised-host"),
        ("grpc://127.0.0.1:1/a.B/C", {"body": "{}"}, "--proto"),
        ("grpc://127.0.0.1:1/a.B/C", {"method": "GET"}, "about HTTP"),
        ("grpc://127.0.0.1:1/a.B/C", {"expect_json": ("a=1",)}, "grpc-status decides"),
    ],
)
def test_every_mistake_is_one_sentence(url: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        parse(url, **options)
    assert str(refused.value).isprintable()


def test_an_error_about_a_header_does_not_tell_its_value() -> None:
    with pytest.raises(UsageError) as refused:
        parse(headers=("Authorization: hunter2\nx",))
    assert "hunter2" not in str(refused.value)
