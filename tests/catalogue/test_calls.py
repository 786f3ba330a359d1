"""The requests that make a deployment do a workload."""

import importlib.util
import re
import sys
from types import ModuleType

import pytest

from servelab import catalogue
from servelab.errors import UnknownName, UsageError
from servelab.model.deployment import Deployment
from servelab.model.load import Choice, Request, RequestMix


def deployment(text: str) -> Deployment:
    return catalogue.find_deployments(text)[0]


@pytest.fixture
def calls_pb2(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = catalogue.served_path() / "calls_pb2.py"
    spec = importlib.util.spec_from_file_location("calls_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "calls_pb2", module)
    spec.loader.exec_module(module)
    return module


def test_workloads_are_found_by_their_files() -> None:
    assert catalogue.workload_names() == ("cpu", "db", "hello", "io", "json", "mixed", "sleep")


def test_an_http_request_carries_the_parameters_as_query_defaults_too() -> None:
    request = catalogue.request_for(deployment("sync-uwsgi"), "cpu", {"num": "10"})
    assert request == Request(path="/cpu?num=10")
    request = catalogue.request_for(deployment("async-fastapi"), "io", {})
    assert request == Request(path="/io?delay_s=1.0")


@pytest.mark.parametrize("stack", ["async-fastapi", "sync-grpc"])
def test_a_workload_whose_calls_differ_is_asked_for_in_turn(stack: str) -> None:
    mix = catalogue.request_for(deployment(stack), "mixed", {"num": "7"})
    assert isinstance(mix, RequestMix)
    assert mix.choice is Choice.ROUND_ROBIN
    fast, slow = mix.requests[0], mix.requests[5]
    assert [mix.requests.count(each) for each in (fast, slow)] == [16, 4]
    if stack == "async-fastapi":
        assert (fast.path, slow.path) == ("/mixed?num=0", "/mixed?num=7")


def test_a_grpc_request_is_what_protobuf_would_write(calls_pb2: ModuleType) -> None:
    request = catalogue.request_for(deployment("sync-grpc"), "cpu", {"num": "10"})
    assert isinstance(request, Request)
    assert (request.method, request.path) == ("POST", "/servelab.Workloads/cpu")
    message = calls_pb2.Call.FromString(b"\x0a\x0242" + request.body)
    assert (message.nonce, dict(message.parameters)) == ("42", {"num": "10"})
    assert request.body == calls_pb2.Call(parameters={"num": "10"}).SerializeToString()


def test_the_generated_messages_are_those_of_the_proto_file(calls_pb2: ModuleType) -> None:
    source = (catalogue.served_path() / "calls.proto").read_text()
    generated = [
        (field.name, str(field.number))
        for message in (calls_pb2.Call, calls_pb2.Answer)
        for field in message.DESCRIPTOR.fields
    ]
    assert re.findall(r"(\w+) = (\d+);", source) == generated


@pytest.mark.parametrize(
    ("workload", "parameters", "sentence"),
    [
        ("cpu", {"num": "-1"}, "cpu refuses its parameters: num=-1 is not between 0 and 1000000."),
        ("cpu", {"num": "x"}, "cpu refuses its parameters: num=x is not of type int."),
        ("cpu", {"n": "1"}, "cpu refuses its parameters: cpu has no parameter 'n', only num."),
        ("io", {"delay_s": "nan"}, "io refuses its parameters: delay_s=nan is not between 0"),
        ("io", {"delay_s": "61"}, "io refuses its parameters: delay_s=61 is not between 0"),
    ],
)
def test_bad_parameters_are_refused_in_one_sentence(
    workload: str, parameters: dict[str, str], sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        catalogue.parameters_of(workload, parameters)
    assert str(caught.value).startswith(sentence)


def test_an_unknown_workload_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        UnknownName,
        match="There is no workload 'disk'; there is cpu, db, hello, io, json, mixed or sleep",
    ):
        catalogue.parameters_of("disk", {})
