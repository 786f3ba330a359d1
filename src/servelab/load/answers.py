"""Whether an answer is right: factories of checks, named in a plan as ``module:function``."""

import importlib
import json
from collections.abc import Callable
from typing import Any

from servelab.load.ledger import Check
from servelab.model.outcome import Outcome
from servelab.served import workloads

_SHOWN = 120
_LARGEST_PID = 2**32 - 1
_VARINT, _LENGTH_DELIMITED = 0, 2


def load_check(name: str, parameters: dict[str, Any]) -> Check:
    """Import the factory ``module:function`` and make its check; ImportError, AttributeError."""
    module, _, function = name.partition(":")
    factory: Callable[[dict[str, Any]], Check] = getattr(importlib.import_module(module), function)
    return factory(parameters)


def any_answer(_parameters: dict[str, Any]) -> Check:
    """Make a check that takes every answer of a good status."""

    def check(_status: int, _body: bytes, _nonce: bytes) -> tuple[Outcome, int, str]:
        return Outcome.OK, 0, ""

    return check


def echoed_nonce(_parameters: dict[str, Any]) -> Check:
    """Make a check that wants the nonce as the whole body."""

    def check(_status: int, body: bytes, nonce: bytes) -> tuple[Outcome, int, str]:
        if body == nonce:
            return Outcome.OK, 0, ""
        return Outcome.WRONG_ANSWER, 0, f"not the nonce {nonce!r} but {body[:_SHOWN]!r}"

    return check


def workload_check(parameters: dict[str, Any]) -> Check:
    """Make the check of a built-in application: nonce, worker's pid, the workload's own check.

    ``{"workload": "cpu", "parameters": {"num": "1000"}, "protocol": "http" | "grpc"}``
    """
    workload = workloads.load(parameters["workload"])
    asked = workloads.parse(
        parameters["workload"],
        {name: str(value) for name, value in parameters.get("parameters", {}).items()},
    )
    decode = {"http": decode_json_answer, "grpc": decode_grpc_answer}[parameters["protocol"]]

    def check(_status: int, body: bytes, nonce: bytes) -> tuple[Outcome, int, str]:
        try:
            answered_nonce, worker_pid, result = decode(body)
            reason = workload.check(asked, result)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            return Outcome.WRONG_ANSWER, 0, f"unreadable ({error!r}): {bytes(body[:_SHOWN])!r}"
        if answered_nonce != nonce:
            reason = f"an answer to {answered_nonce!r} instead of {nonce!r}"
        if reason is not None:
            return Outcome.WRONG_ANSWER, worker_pid, reason
        return Outcome.OK, worker_pid, ""

    return check


def decode_json_answer(body: bytes) -> tuple[bytes, int, Any]:
    """Return nonce, worker's pid and result of an HTTP answer; ValueError, KeyError, TypeError."""
    answer = json.loads(body)
    return str(answer["nonce"]).encode(), _pid(answer["pid"]), answer["result"]


def decode_grpc_answer(message: bytes) -> tuple[bytes, int, Any]:
    """Return nonce, worker's pid and result of a protobuf ``Answer``; ValueError, KeyError."""
    fields = decode_fields(message)
    nonce, result = fields[1], fields[3]
    pid = fields.get(2, 0)
    if not isinstance(nonce, bytes) or not isinstance(result, bytes) or not isinstance(pid, int):
        raise TypeError("a field of another type")
    return nonce, _pid(pid), json.loads(result)


def _pid(number: object) -> int:
    """Return a pid that fits a record; ValueError."""
    if not isinstance(number, int) or not 0 <= number <= _LARGEST_PID:
        raise ValueError(f"no pid: {number!r}")
    return number


def decode_fields(message: bytes) -> dict[int, int | bytes]:
    """Decode a flat protobuf message of varints and byte strings; ValueError, IndexError."""
    fields: dict[int, int | bytes] = {}
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        value, position = _varint(message, position)
        if tag & 7 == _VARINT:
            fields[tag >> 3] = value
        elif tag & 7 == _LENGTH_DELIMITED:
            if position + value > len(message):
                raise ValueError("a field goes beyond its message")
            fields[tag >> 3] = message[position : position + value]
            position += value
        else:
            raise ValueError(f"wire type {tag & 7}")
    return fields


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint has no continuation bit
            return value, position
        shift += 7
