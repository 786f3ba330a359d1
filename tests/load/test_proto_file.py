"""Methods of somebody's .proto file."""

from pathlib import Path

import pytest

from servelab.errors import UnknownName, UsageError
from servelab.load import proto_file

from .messages import Answer, Call

pytest.importorskip("grpc_tools", reason="needs the extra servelab[grpc]")

PROTO = """
syntax = "proto3";
package servelab;
import "parts/answer.proto";
message Call { string nonce = 1; map<string, string> parameters = 2; }
service Workloads {
  rpc cpu(Call) returns (Answer);
  rpc many(stream Call) returns (Answer);
}
"""
ANSWER = """
syntax = "proto3";
package servelab;
import "google/protobuf/timestamp.proto";
message Answer {
  string nonce = 1; uint32 pid = 2; string result = 3; google.protobuf.Timestamp at = 4;
}
service Imported { rpc cpu(Answer) returns (Answer); }
"""


@pytest.fixture
def proto(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "answer.proto").write_text(ANSWER)
    file = tmp_path / "calls.proto"
    file.write_text(PROTO)
    return file


def test_messages_are_encoded_from_json(proto: Path) -> None:
    method = proto_file.read(proto).method("/servelab.Workloads/cpu")
    encoded = method.encode_request('{"nonce": "n", "parameters": {"num": "10"}}')
    assert encoded == Call(nonce="n", parameters={"num": "10"}).SerializeToString()
    answer = method.encode_answer('{"pid": 7, "result": "r"}')
    assert answer == Answer(pid=7, result="r").SerializeToString()
    assert method.encode_request("") == b""


def test_imports_are_found_in_the_folders_named(proto: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = proto.rename(elsewhere / proto.name)
    with pytest.raises(UsageError, match=r"parts/answer\.proto"):
        proto_file.read(moved)
    found = proto_file.read(moved, folders=(tmp_path,)).method("/servelab.Workloads/cpu")
    assert found.path == "/servelab.Workloads/cpu"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/servelab.Workloads/cpx", "did you mean servelab.Workloads/cpu"),
        ("/servelab.Imported/cpu", "has no method"),
    ],
)
def test_an_unknown_method_is_named_with_those_there_are(
    proto: Path, path: str, words: str
) -> None:
    with pytest.raises(UnknownName, match=words):
        proto_file.read(proto).method(path)


def test_a_streaming_method_is_refused(proto: Path) -> None:
    with pytest.raises(UsageError, match="streams"):
        proto_file.read(proto).method("/servelab.Workloads/many")


@pytest.mark.parametrize("body", ["{", '{"lost": 1}', '{"nonce": {}}', "[]"])
def test_json_that_is_no_such_message_is_refused(proto: Path, body: str) -> None:
    method = proto_file.read(proto).method("/servelab.Workloads/cpu")
    with pytest.raises(UsageError, match=r"servelab\.Call"):
        method.encode_request(body)


def test_a_file_that_cannot_be_compiled_is_named_with_the_reason(tmp_path: Path) -> None:
    broken = tmp_path / "broken.proto"
    broken.write_text("syntax = 'proto3'; message {")
    with pytest.raises(UsageError, match=r"broken\.proto cannot be compiled: .*Expected"):
        proto_file.read(broken)
    with pytest.raises(UsageError, match="cannot be compiled"):
        proto_file.read(tmp_path / "lost.proto")
