"""Whether an answer is right: factories of checks, named in a plan as ``module:function``."""

import base64
import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from servelab.load.http1 import Status, class_of_failure
from servelab.load.ledger import Check
from servelab.load.request_source import turn_of, turns
from servelab.model.outcome import Outcome
from servelab.served import workloads

_SHOWN = 120
_NOT_GOOD = 300
"""Statuses from here on are good only where they were declared."""
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


Ask = Callable[[int, bytes], str | None]
"""From status and body of an answer to what is wrong with it."""


def declared_check(parameters: dict[str, Any]) -> Check:
    """Make the check of what was declared, for one request or for each of a mix.

    ``{"expectations": [Expectation, ...], "choice": "round-robin" | "random", "seed": 0}`` with the
    expectations in the order of the mix's requests.
    """
    judges = [_judge(expectation) for expectation in parameters["expectations"]]
    if len(judges) == 1:
        (only,) = judges

        def check(status: int, body: bytes, _nonce: bytes) -> tuple[Outcome, int, str]:
            return only(status, body)

        return check
    order = turns(len(judges), choice=parameters["choice"], seed=parameters["seed"])
    in_turn = [judges[turn] for turn in order]

    def check_in_turn(status: int, body: bytes, nonce: bytes) -> tuple[Outcome, int, str]:
        return in_turn[turn_of(nonce, count=len(in_turn))](status, body)

    return check_in_turn


def _judge(expectation: dict[str, Any]) -> Callable[[int, bytes], tuple[Outcome, int, str]]:
    """Return what judges the answers to one request."""
    wanted_status: int | None = expectation["status"]
    asks = tuple(_asks(expectation))

    def judge(status: int, body: bytes) -> tuple[Outcome, int, str]:
        if status != wanted_status and (wanted_status is not None or status >= _NOT_GOOD):
            outcome = Outcome.WRONG_ANSWER if status < _NOT_GOOD else class_of_failure(status)
            return outcome, 0, f"status {status:d}"
        for ask in asks:
            wrong = ask(status, body)
            if wrong is not None:
                return Outcome.WRONG_ANSWER, 0, wrong
        return Outcome.OK, 0, ""

    return judge


def _asks(expectation: dict[str, Any]) -> Iterator[Ask]:
    for name, value in expectation["headers"]:
        yield _header(name.lower().encode("latin-1"), value and value.encode("latin-1"))
    if expectation["body"] is not None:
        yield _whole_body(base64.b64decode(expectation["body"]))
    for text in expectation["contains"]:
        yield _part_of_body(base64.b64decode(text))
    if expectation["json_fields"]:
        yield _json_fields(
            [(path.split("."), path, value) for path, value in expectation["json_fields"]]
        )


def _header(name: bytes, wanted: bytes | None) -> Ask:
    def ask(status: int, _body: bytes) -> str | None:
        headers = status.headers if isinstance(status, Status) else ()
        values = [value for given, value in headers if given == name]
        if wanted in values or (wanted is None and values):
            return None
        shown = name.decode("latin-1")
        if not values:
            return f"no header {shown}"
        return f"header {shown} is {b', '.join(values)[:_SHOWN]!r}"

    return ask


def _whole_body(wanted: bytes) -> Ask:
    def ask(_status: int, body: bytes) -> str | None:
        return None if body == wanted else f"another body: {bytes(body[:_SHOWN])!r}"

    return ask


def _part_of_body(wanted: bytes) -> Ask:
    def ask(_status: int, body: bytes) -> str | None:
        if wanted in body:
            return None
        return f"the body lacks {wanted[:_SHOWN]!r}: {bytes(body[:_SHOWN])!r}"

    return ask


def _json_fields(wanted: list[tuple[list[str], str, Any]]) -> Ask:
    def ask(_status: int, body: bytes) -> str | None:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return f"no JSON: {bytes(body[:_SHOWN])!r}"
        for steps, path, value in wanted:
            try:
                found = _walk(document, steps)
            except (LookupError, ValueError, TypeError):
                return f"no field {path}: {bytes(body[:_SHOWN])!r}"
            if not _is_same(found, value):
                return f"{path} is {json.dumps(found)[:_SHOWN]}"
        return None

    return ask


def _walk(document: Any, steps: Sequence[str]) -> Any:
    """Return what lies at the end of a path of names and, in lists, numbers."""
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _is_same(found: object, wanted: object) -> bool:
    # Python holds True for 1; JSON does not.
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return found == wanted


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
