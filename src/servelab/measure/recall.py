"""Whether a server still answers what was agreed on before; pure."""

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from servelab.load.answers import judge_of
from servelab.load.fetch import Answer
from servelab.measure.agreement import Heard
from servelab.model.load import Asked
from servelab.model.outcome import Outcome

_GOOD = 200


class Recalled(Struct, frozen=True, kw_only=True):
    """What was found when a server was heard once more."""

    asked: tuple[Asked, ...] = ()
    """As before, with the bodies of which only a digest was stored."""
    difference: str | None = None
    """In words, what is answered otherwise."""


def recall(heard: Heard, *, asked: Sequence[Asked]) -> Recalled:
    """Hold what was answered now against what was agreed on; `heard` must have answers."""
    found = []
    for each, answers in zip(asked, heard.answers, strict=True):
        for answer in answers:
            difference = _difference(answer, asked=each)
            if difference is not None:
                what = f"{each.request.method} {each.request.path}"
                return Recalled(difference=f"{what}: {difference}")
        found.append(_with_body(each, body=answers[0].body))
    return Recalled(asked=tuple(found))


def _difference(answer: Answer, *, asked: Asked) -> str | None:
    if answer.refusal is not None:
        return f"refused with {answer.refusal}"
    # Headers are not heard; they are checked under load.
    declared = msgspec.structs.replace(asked.expectation, headers=())
    judge = judge_of(msgspec.to_builtins(declared))
    outcome, _, reason = judge(answer.status or _GOOD, answer.body)
    if outcome is not Outcome.OK:
        return reason
    digest = asked.body_sha256
    if digest is not None and hashlib.sha256(answer.body).hexdigest() != digest:
        return f"another body, of {len(answer.body)} bytes"
    return None


def _with_body(asked: Asked, *, body: bytes) -> Asked:
    if asked.body_sha256 is None:
        return asked
    expectation = msgspec.structs.replace(asked.expectation, body=body)
    return msgspec.structs.replace(asked, expectation=expectation, body_sha256=None)
