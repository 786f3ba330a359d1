"""A method of somebody's .proto file: found, checked, its messages encoded from JSON.

protoc runs in a process of its own, and nothing of this reaches the generator's process: that gets
encoded bytes. Needs the extra ``servelab[grpc]``.
"""

import difflib
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct

from servelab.errors import CannotRunHere, UnknownName, UsageError

_PROTOC_TIMEOUT_S = 60.0


class UnaryMethod(Struct, frozen=True, kw_only=True):
    """A method that takes one message and answers with one."""

    path: str
    """``/package.Service/Method``."""
    encode_request: Callable[[str], bytes]
    """From a message as JSON to its bytes; UsageError where the type does not allow it."""
    encode_answer: Callable[[str], bytes]


class ProtoFile:
    """A compiled .proto file, whose methods are looked up as they are asked for."""

    def __init__(self, proto: Path, *, pool: Any, services: Sequence[Any]) -> None:
        self._proto = proto
        self._pool = pool
        self._services = services
        self._known: dict[str, UnaryMethod] = {}

    def method(self, path: str) -> UnaryMethod:
        """Return a method; UsageError where it streams, UnknownName where there is none such."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._find(path)
        return known

    def _find(self, path: str) -> UnaryMethod:
        method = _look_up(self._services, path=path, proto=self._proto)
        if method.client_streaming or method.server_streaming:
            raise UsageError(
                f"{path[1:]} streams; a load is made of unary calls: choose another method"
            )
        return UnaryMethod(
            path=path,
            encode_request=_encoder(method.input_type, pool=self._pool),
            encode_answer=_encoder(method.output_type, pool=self._pool),
        )


def read(proto: Path, *, folders: Sequence[Path] = ()) -> ProtoFile:
    """Compile a .proto file; what it imports is looked for beside it and in ``folders``.

    UsageError where it cannot be compiled, CannotRunHere without protoc.
    """
    _require_protobuf()
    pool, services = _compile(proto, folders=folders)
    return ProtoFile(proto, pool=pool, services=services)


def _require_protobuf() -> None:
    try:
        for name in ("google.protobuf", "grpc_tools"):
            importlib.import_module(name)
    except ImportError as error:
        raise CannotRunHere(
            f"a .proto file needs {error.name}; install it with: pip install 'servelab[grpc]'"
        ) from None


def _compile(proto: Path, *, folders: Sequence[Path]) -> tuple[Any, list[Any]]:
    """Return a descriptor pool, and the services of the file itself."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    compiled = descriptor_pb2.FileDescriptorSet.FromString(_run_protoc(proto, folders=folders))
    pool = descriptor_pool.DescriptorPool()
    for file in compiled.file:
        pool.AddSerializedFile(file.SerializeToString())
    # protoc writes a file after those which it imports.
    own = pool.FindFileByName(compiled.file[-1].name)
    return pool, list(own.services_by_name.values())


def _run_protoc(proto: Path, *, folders: Sequence[Path]) -> bytes:
    source = proto.absolute()
    places = [source.parent, *(folder.absolute() for folder in folders)]
    with TemporaryDirectory(prefix="servelab-") as scratch:
        out = Path(scratch) / "descriptors"
        command = [
            *(sys.executable, "-P", "-m", "grpc_tools.protoc", "--include_imports"),
            *(f"--proto_path={place}" for place in places),
            f"--descriptor_set_out={out}",
            str(source),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_PROTOC_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise UsageError(
                f"{proto}: protoc did not end within {_PROTOC_TIMEOUT_S:g} s"
            ) from None
        if done.returncode != 0 or not out.exists():
            raise UsageError(f"{proto} cannot be compiled: {_first_line(done.stderr)}")
        return out.read_bytes()


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "protoc said nothing")


def _look_up(services: Iterable[Any], *, path: str, proto: Path) -> Any:
    known = {
        f"/{service.full_name}/{name}": method
        for service in services
        for name, method in service.methods_by_name.items()
    }
    if path not in known:
        nearest = difflib.get_close_matches(path, known, n=1)
        guess = f"did you mean {nearest[0][1:]}? " if nearest else ""
        names = ", ".join(name[1:] for name in known) or "no method"
        raise UnknownName(f"{proto} has no method {path[1:]}; {guess}There is: {names}")
    return known[path]


def _encoder(kind: Any, *, pool: Any) -> Callable[[str], bytes]:
    from google.protobuf import json_format, message_factory

    message_type = message_factory.GetMessageClass(kind)

    def encode(text: str) -> bytes:
        text = text.strip() or "{}"
        if not text.startswith("{"):
            raise UsageError(f"a {kind.full_name} as JSON is an object: {{...}}")
        try:
            message = json_format.Parse(text, message_type(), descriptor_pool=pool)
        except json_format.ParseError as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"no {kind.full_name} as JSON: {reason}") from None
        encoded: bytes = message.SerializeToString(deterministic=True)
        return encoded

    return encode
