"""Whether servers give the same answers, so that they can be compared; pure."""

import re
import string
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from servelab.load.fetch import Answer
from servelab.model.agreement import Agreement
from servelab.model.load import Asked, Expectation

_LONGEST_START = 4096
_IN_WORDS = (string.ascii_letters + string.digits + "_.:+/=%~-").encode()
_SHOWN = 60


class Heard(Struct, frozen=True, kw_only=True):
    """What one deployment answered."""

    deployment: str
    title: str
    answers: tuple[tuple[Answer, ...], ...] = ()
    """For each request, each time that it was asked."""
    failure: str | None = None
    """Why there are none."""


def agree(
    heard: Sequence[Heard], *, asked: Sequence[Asked], ignored: Sequence[re.Pattern[bytes]] = ()
) -> Agreement:
    """Return what most deployments answer; those that answer otherwise are told apart; pure.

    Of two groups of one size the one that was heard first counts. Bodies are compared after what
    matches `ignored` is cut out.
    """
    groups: dict[tuple[object, ...], list[Heard]] = {}
    excluded = []
    for each in heard:
        reason = each.failure or _unwanted(each, asked=asked)
        if reason is None:
            groups.setdefault(_essence(each, ignored=ignored), []).append(each)
        else:
            excluded.append((each.deployment, reason))
    if not groups:
        return Agreement(asked=tuple(asked), agreeing=(), excluded=tuple(excluded))
    chosen = max(groups.values(), key=len)
    for group in groups.values():
        if group is not chosen:
            excluded += [
                (each.deployment, _difference(each, chosen[0], asked=asked, ignored=ignored))
                for each in group
            ]
    bodies = [
        [answer.body for each in chosen for answer in each.answers[index]]
        for index in range(len(asked))
    ]
    return Agreement(
        asked=tuple(
            _expecting(each, bodies=found, status=chosen[0].answers[index][0].status)
            for index, (each, found) in enumerate(zip(asked, bodies, strict=True))
        ),
        agreeing=tuple(each.deployment for each in chosen),
        excluded=tuple(excluded),
        changing=tuple(index for index, found in enumerate(bodies) if len(set(found)) > 1),
    )


def _unwanted(heard: Heard, *, asked: Sequence[Asked]) -> str | None:
    """Return why an answer is none that is worth timing; None where all are."""
    for each, answers in zip(asked, heard.answers, strict=True):
        answer, wanted = answers[0], each.expectation.status
        if answer.refusal is not None:
            return f"it refuses {each.request.path.removeprefix('/')}: {answer.refusal}"
        if answer.status is None:
            continue
        if wanted is None and not 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110: success
            leads = f" (to {answer.location[:_SHOWN]})" if answer.location else ""
            return (
                f"it answers {answer.status}{leads} to {each.request.method} {each.request.path}; "
                f"name a path that is answered with --path, or accept it with --expect-status "
                f"{answer.status}"
            )
        if wanted is not None and answer.status != wanted:
            return (
                f"it answers {answer.status} to {each.request.method} {each.request.path}, where "
                f"{wanted} is expected"
            )
    return None


def _essence(heard: Heard, *, ignored: Sequence[re.Pattern[bytes]]) -> tuple[object, ...]:
    """Return what other servers must answer, too: each status, and each body that is stable."""
    return tuple(
        (answers[0].status, bodies.pop() if len(bodies) == 1 else None)
        for answers in heard.answers
        for bodies in [{_cut(answer.body, ignored=ignored) for answer in answers}]
    )


def _cut(body: bytes, *, ignored: Sequence[re.Pattern[bytes]]) -> bytes:
    for pattern in ignored:
        body = pattern.sub(b"", body)
    return body


def _difference(
    one: Heard,
    other: Heard,
    *,
    asked: Sequence[Asked],
    ignored: Sequence[re.Pattern[bytes]],
) -> str:
    for each, mine, theirs in zip(asked, one.answers, other.answers, strict=True):
        what = f"{each.request.method} {each.request.path}"
        if mine[0].status != theirs[0].status:
            return (
                f"it answers {mine[0].status} to {what}, where {other.title} answers "
                f"{theirs[0].status}"
            )
        left, right = (_cut(found[0].body, ignored=ignored) for found in (mine, theirs))
        if left != right:
            start = len(_shared_start([left, right]))
            return (
                f"its answer to {what} differs from that of {other.title} from byte {start} on: "
                f"{left[start : start + _SHOWN]!r} instead of {right[start : start + _SHOWN]!r}; "
                "name what may differ with --ignore"
            )
    return f"its answers change from one to the next, and those of {other.title} do not"


def _expecting(asked: Asked, *, bodies: Sequence[bytes], status: int | None) -> Asked:
    """Return a request with what all its answers had in common."""
    wanted = msgspec.structs.replace(asked.expectation, status=status)
    if len(set(bodies)) == 1:
        return msgspec.structs.replace(asked, expectation=_with_body(wanted, bodies[0]))
    # Numbers, times and tokens begin alike for a while: what changes is the whole of them.
    start = _shared_start(bodies).rstrip(_IN_WORDS)[:_LONGEST_START]
    if start:
        wanted = msgspec.structs.replace(wanted, contains=(*wanted.contains, start))
    return msgspec.structs.replace(asked, expectation=wanted)


def _with_body(wanted: Expectation, body: bytes) -> Expectation:
    return msgspec.structs.replace(wanted, body=body if wanted.body is None else wanted.body)


def _shared_start(bodies: Sequence[bytes]) -> bytes:
    least, most = min(bodies), max(bodies)
    for position, (one, other) in enumerate(zip(least, most, strict=False)):
        if one != other:
            return least[:position]
    return least
