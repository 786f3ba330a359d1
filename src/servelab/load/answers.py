"""Whether an answer is right: factories of checks, named in a plan as ``module:function``."""

import base64
import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

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
_LONG_BYTES = 4096
_HEAD_BYTES = 256
"""Nonce and worker's pid come within."""
_RESULT = b'"result":'


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
    judges = [judge_of(expectation) for expectation in parameters["expectations"]]
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


def judge_of(expectation: dict[str, Any]) -> Callable[[int, bytes], tuple[Outcome, int, str]]:
    """Return what judges the answers to one request, from its Expectation as in JSON."""
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

    Of a workload whose calls differ, the number that the nonce is tells which one is answered.
    """
    workload = workloads.load(parameters["workload"])
    asked = workloads.parse(
        parameters["workload"],
        {name: str(value) for name, value in parameters.get("parameters", {}).items()},
    )
    in_turn = workloads.turns(parameters["workload"], asked)
    form = {"http": _JSON, "grpc": _GRPC}[parameters["protocol"]]
    judges = [_Judge(workload.check, turn.parameters, form=form) for turn in in_turn]

    def check(_status: int, body: bytes, nonce: bytes) -> tuple[Outcome, int, str]:
        try:
            answered_nonce, worker_pid, reason = judges[
                turn_of(nonce, count=len(judges)) if len(judges) > 1 else 0
            ].judge(body)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            return Outcome.WRONG_ANSWER, 0, f"unreadable ({error!r}): {bytes(body[:_SHOWN])!r}"
        if answered_nonce != nonce:
            reason = f"an answer to {answered_nonce!r} instead of {nonce!r}"
        if reason is not None:
            return Outcome.WRONG_ANSWER, worker_pid, reason
        return Outcome.OK, worker_pid, ""

    return check


class _Form(NamedTuple):
    """How answers of a protocol are read."""

    decode: Callable[[bytes], tuple[bytes, int, Any]]
    cut: Callable[[bytes], tuple[bytes, int, bytes] | None]
    """Like `decode`, with the result as the bytes in which it came; None where it cannot tell."""


class _Judge:
    """Judges the answers to one call of a workload.

    To read 100 kB of JSON takes longer than all else that the generator does for a request. So of
    long answers the first is read; one whose result equals a right one byte for byte is right, too.
    """

    def __init__(
        self, check: Callable[[Any, Any], str | None], parameters: Any, *, form: _Form
    ) -> None:
        self._check = check
        self._parameters = parameters
        self._form = form
        self._right = b""

    def judge(self, body: bytes) -> tuple[bytes, int, str | None]:
        """Return nonce, worker's pid and what is wrong; ValueError, LookupError, TypeError."""
        cut = self._form.cut(body) if len(body) >= _LONG_BYTES else None
        if cut is not None and cut[2] == self._right:
            nonce, pid, _ = cut
            return nonce, pid, None
        nonce, pid, result = self._form.decode(body)
        reason = self._check(self._parameters, result)
        if reason is None and cut is not None:
            self._right = cut[2]
        return nonce, pid, reason


def decode_json_answer(body: bytes) -> tuple[bytes, int, Any]:
    """Return nonce, worker's pid and result of an HTTP answer; ValueError, KeyError, TypeError."""
    answer = json.loads(body)
    return str(answer["nonce"]).encode(), _pid(answer["pid"]), answer["result"]


def _cut_json_answer(body: bytes) -> tuple[bytes, int, bytes] | None:
    """Cut where the result begins, if it comes last: what stands before it is short."""
    at = body.find(_RESULT, 0, _HEAD_BYTES)
    try:
        nonce, pid, _ = decode_json_answer(body[:at] + _RESULT + b"null}")
    except (ValueError, LookupError, TypeError):
        return None
    return nonce, pid, body[at:]


def decode_grpc_answer(message: bytes) -> tuple[bytes, int, Any]:
    """Return nonce, worker's pid and result of a protobuf ``Answer``; ValueError, KeyError."""
    nonce, pid, result = _cut_grpc_answer(message)
    return nonce, pid, json.loads(result)


def _pid(number: object) -> int:
    """Return a pid that fits a record; ValueError."""
    if not isinstance(number, int) or not 0 <= number <= _LARGEST_PID:
        raise ValueError(f"no pid: {number!r}")
    return number


def _cut_grpc_answer(message: bytes) -> tuple[bytes, int, bytes]:
    fields = decode_fields(message)
    nonce, result = fields[1], fields[3]
    if not isinstance(nonce, bytes) or not isinstance(result, bytes):
        raise TypeError("a field of another type")
    return nonce, _pid(fields.get(2, 0)), result


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


_JSON = _Form(decode=decode_json_answer, cut=_cut_json_answer)
_GRPC = _Form(decode=decode_grpc_answer, cut=_cut_grpc_answer)
