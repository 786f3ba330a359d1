"""Whether servers give the same answers, so that they can be compared; pure."""

import re
import string
from collections.abc import Sequence
from http import HTTPStatus

import msgspec
from msgspec import Struct

from servelab.load.fetch import Answer
from servelab.model.agreement import Agreement
from servelab.model.load import Asked, Expectation

_LONGEST_START = 4096
_IN_WORDS = (string.ascii_letters + string.digits + "_.:+/=%~-").encode()
_SHOWN = 60
_MOST_PARTS = 8
_OWN_ADDRESS = re.compile(rb"127\.0\.0\.1(?::|%3[Aa])\d*")
"""Of the server, in links: its port may be another one each time that it is started."""


class Heard(Struct, frozen=True, kw_only=True):
    """What one deployment answered."""

    deployment: str
    title: str
    answers: tuple[tuple[Answer, ...], ...] = ()
    """For each request, each time that it was asked."""
    failure: str | None = None
    """Why there are none."""
    beside_load_s: float | None = None
    """What it took to start and to stop it."""


def agree(
    heard: Sequence[Heard],
    *,
    asked: Sequence[Asked],
    ignored: Sequence[re.Pattern[bytes]] = (),
    again: Heard | None = None,
) -> Agreement:
    """Return what most deployments answer; those that answer otherwise are told apart; pure.

    Of two groups of one size the one that was heard first counts. Bodies are compared after what
    matches `ignored` is cut out. `again` is what one of the deployments answered once more when all
    others had been heard: what it does not answer as it did before changes with time.
    """
    changed = _changed(heard, again=again, ignored=ignored)
    groups: dict[tuple[object, ...], list[Heard]] = {}
    excluded = []
    for each in heard:
        reason = each.failure or _unwanted(each, asked=asked)
        if reason is None:
            essence = _essence(each, ignored=ignored, changed=changed)
            groups.setdefault(essence, []).append(each)
        else:
            excluded.append((each.deployment, reason))
    if not groups:
        return Agreement(asked=tuple(asked), agreeing=(), excluded=tuple(excluded))
    chosen = max(groups.values(), key=len)
    for group in groups.values():
        if group is not chosen:
            excluded += [
                (
                    each.deployment,
                    _difference(each, chosen[0], asked=asked, ignored=ignored, changed=changed),
                )
                for each in group
            ]
    bodies = [
        [
            answer.body
            for each in (*chosen, *([again] if again is not None and index in changed else []))
            for answer in each.answers[index]
        ]
        for index in range(len(asked))
    ]
    return Agreement(
        asked=tuple(
            _expecting(
                each,
                bodies=found,
                status=chosen[0].answers[index][0].status,
                ignored=ignored,
            )
            for index, (each, found) in enumerate(zip(asked, bodies, strict=True))
        ),
        agreeing=tuple(each.deployment for each in chosen),
        excluded=tuple(excluded),
        changing=tuple(
            index
            for index, found in enumerate(bodies)
            if len({_OWN_ADDRESS.sub(b"", body) for body in found}) > 1
        ),
    )


def _changed(
    heard: Sequence[Heard], *, again: Heard | None, ignored: Sequence[re.Pattern[bytes]]
) -> frozenset[int]:
    """Return the numbers of the requests that one deployment did not answer as it had before."""
    before = [each for each in heard if again and each.deployment == again.deployment]
    if again is None or again.failure or not before:
        return frozenset()
    pairs = zip(before[0].answers, again.answers, strict=True)
    return frozenset(
        index
        for index, answers in enumerate(pairs)
        if len({_cut(answer.body, ignored=ignored) for each in answers for answer in each}) > 1
    )


def _unwanted(heard: Heard, *, asked: Sequence[Asked]) -> str | None:
    """Return why an answer is none that is worth timing; None where all are."""
    for each, answers in zip(asked, heard.answers, strict=True):
        answer, wanted = answers[0], each.expectation.status
        if answer.refusal is not None:
            return (
                f"it refuses {each.request.path.removeprefix('/')} with {answer.refusal}; call "
                "what it answers, with --grpc and --body"
            )
        if answer.status is None:
            continue
        if wanted is None and not 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110: success
            leads = f" (to {answer.location[:_SHOWN]})" if answer.location else ""
            step = "ask with another method, from a file, with --requests-file"
            if answer.status != HTTPStatus.METHOD_NOT_ALLOWED:
                step = "name a path that is answered with --path"
            return (
                f"it answers {answer.status}{leads} to {each.request.method} {each.request.path}; "
                f"{step}, or accept it with --expect-status {answer.status}"
            )
        if wanted is not None and answer.status != wanted:
            return (
                f"it answers {answer.status} to {each.request.method} {each.request.path}, where "
                f"{wanted} is expected"
            )
    return None


def _essence(
    heard: Heard, *, ignored: Sequence[re.Pattern[bytes]], changed: frozenset[int]
) -> tuple[object, ...]:
    """Return what other servers must answer, too: each status, and each body that is stable."""
    return tuple(
        (answers[0].status, bodies.pop() if len(bodies) == 1 and index not in changed else None)
        for index, answers in enumerate(heard.answers)
        for bodies in [{_cut(answer.body, ignored=ignored) for answer in answers}]
    )


def _cut(body: bytes, *, ignored: Sequence[re.Pattern[bytes]]) -> bytes:
    for pattern in (*ignored, _OWN_ADDRESS):
        body = pattern.sub(b"", body)
    return body


def _difference(
    one: Heard,
    other: Heard,
    *,
    asked: Sequence[Asked],
    ignored: Sequence[re.Pattern[bytes]],
    changed: frozenset[int],
) -> str:
    compared = zip(asked, one.answers, other.answers, strict=True)
    for index, (each, mine, theirs) in enumerate(compared):
        what = f"{each.request.method} {each.request.path}"
        if mine[0].status != theirs[0].status:
            return (
                f"it answers {mine[0].status} to {what}, where {other.title} answers "
                f"{theirs[0].status}"
            )
        left, right = (_cut(found[0].body, ignored=ignored) for found in (mine, theirs))
        if left != right and index not in changed:
            start = len(_shared_start([left, right]))
            return (
                f"its answer to {what} differs from that of {other.title} from byte {start} on: "
                f"{left[start : start + _SHOWN]!r} instead of {right[start : start + _SHOWN]!r}; "
                "name what may differ with --ignore"
            )
    return f"its answers change from one to the next, and those of {other.title} do not"


def _expecting(
    asked: Asked,
    *,
    bodies: Sequence[bytes],
    status: int | None,
    ignored: Sequence[re.Pattern[bytes]],
) -> Asked:
    """Return a request with what all its answers had in common."""
    wanted = msgspec.structs.replace(asked.expectation, status=status)
    may_differ = [
        found.start() for pattern in ignored for body in bodies if (found := pattern.search(body))
    ]
    parts = {tuple(_OWN_ADDRESS.split(body)) for body in bodies}
    if len(parts) == 1 and not may_differ:
        (between,) = parts
        if len(between) == 1:
            return msgspec.structs.replace(asked, expectation=_with_body(wanted, bodies[0]))
        contained = [part[:_LONGEST_START] for part in between if part][:_MOST_PARTS]
        return _containing(asked, wanted, *contained)
    # Numbers, times and tokens begin alike for a while: what changes is the whole of them.
    start = _shared_start(bodies).rstrip(_IN_WORDS)
    if len(set(bodies)) == 1:
        start = bodies[0][: min(may_differ)]
    return _containing(asked, wanted, _OWN_ADDRESS.split(start)[0][:_LONGEST_START])


def _containing(asked: Asked, wanted: Expectation, *parts: bytes) -> Asked:
    contains = (*wanted.contains, *(part for part in parts if part))
    return msgspec.structs.replace(
        asked, expectation=msgspec.structs.replace(wanted, contains=contains)
    )


def _with_body(wanted: Expectation, body: bytes) -> Expectation:
    return msgspec.structs.replace(wanted, body=body if wanted.body is None else wanted.body)


def _shared_start(bodies: Sequence[bytes]) -> bytes:
    least, most = min(bodies), max(bodies)
    for position, (one, other) in enumerate(zip(least, most, strict=False)):
        if one != other:
            return least[:position]
    return least
