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
_TIMES = ("first", "second", "third", "fourth", "fifth")
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


class _View(Struct, frozen=True, kw_only=True):
    """What is looked at when answers are compared."""

    ignored: tuple[re.Pattern[bytes], ...]
    bodies_changed: frozenset[int] = frozenset()
    """Numbers of the requests whose body changes with time."""
    statuses_changed: frozenset[int] = frozenset()
    """The same of their status."""


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
    later = None if again is None or again.failure else again
    view = _view(heard, again=later, ignored=tuple(ignored))
    groups: dict[tuple[object, ...], list[Heard]] = {}
    excluded = []
    for each in heard:
        reason = each.failure or _unwanted(each, asked=asked)
        if reason is None and later is not None and later.deployment == each.deployment:
            reason = _unwanted(later, asked=asked)
        if reason is None:
            groups.setdefault(_essence(each, view=view), []).append(each)
        else:
            excluded.append((each.deployment, reason))
    if not groups:
        return Agreement(asked=tuple(asked), agreeing=(), excluded=tuple(excluded))
    chosen = max(groups.values(), key=len)
    excluded += [
        (each.deployment, _difference(each, chosen[0], asked=asked, view=view))
        for group in groups.values()
        for each in group
        if group is not chosen
    ]
    answers = _answers(chosen, later=later, view=view)
    return Agreement(
        asked=tuple(
            _expecting(each, answers=found, ignored=ignored)
            for each, found in zip(asked, answers, strict=True)
        ),
        agreeing=tuple(each.deployment for each in chosen),
        excluded=tuple(excluded),
        changing=tuple(
            index
            for index, found in enumerate(answers)
            if len({_OWN_ADDRESS.sub(b"", answer.body) for answer in found}) > 1
        ),
    )


def _answers(chosen: Sequence[Heard], *, later: Heard | None, view: _View) -> list[list[Answer]]:
    """Return all answers to each request, the later ones where they are others than before."""
    of_later = view.bodies_changed | view.statuses_changed
    return [
        [
            answer
            for each in (*chosen, *([later] if later is not None and index in of_later else []))
            for answer in each.answers[index]
        ]
        for index in range(len(chosen[0].answers))
    ]


def _view(
    heard: Sequence[Heard], *, again: Heard | None, ignored: tuple[re.Pattern[bytes], ...]
) -> _View:
    """Return what is to be compared: not what one deployment did not answer as it had before."""
    before = [each for each in heard if again and each.deployment == again.deployment]
    if again is None or not before:
        return _View(ignored=ignored)
    pairs = list(zip(before[0].answers, again.answers, strict=True))
    return _View(
        ignored=ignored,
        bodies_changed=frozenset(
            index
            for index, pair in enumerate(pairs)
            if len({_cut(answer.body, ignored=ignored) for each in pair for answer in each}) > 1
        ),
        statuses_changed=frozenset(
            index for index, (one, other) in enumerate(pairs) if _statuses(one) != _statuses(other)
        ),
    )


def _unwanted(heard: Heard, *, asked: Sequence[Asked]) -> str | None:
    """Return why an answer is none that is worth timing; None where all are."""
    for each, answers in zip(asked, heard.answers, strict=True):
        for number, answer in enumerate(answers):
            reason = _objection(answer, asked=each, before=answers[:number])
            if reason is not None:
                return reason
    return None


def _objection(answer: Answer, *, asked: Asked, before: Sequence[Answer]) -> str | None:
    """Return why one answer is not worth timing; `before` are those to the same request."""
    wanted, path = asked.expectation.status, asked.request.path
    when = f" the {_nth(len(before))} time" if before else ""
    if answer.refusal is not None:
        return (
            f"it refuses {path.removeprefix('/')}{when} with {answer.refusal}; call what it "
            "answers, with --grpc and --body"
        )
    if answer.status is None:
        return None
    what = f"{asked.request.method} {path}{when}"
    if wanted is not None:
        is_right = answer.status == wanted
        return (
            None
            if is_right
            else f"it answers {answer.status} to {what}, where {wanted} is expected"
        )
    if 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110: success
        return None
    leads = f" (to {answer.location[:_SHOWN]})" if answer.location else ""
    step = _next_step(answer.status, before=before)
    return f"it answers {answer.status}{leads} to {what}{step}"


def _nth(number: int) -> str:
    """Return the word for a number that counts from 0."""
    return _TIMES[number] if number < len(_TIMES) else f"{number + 1}th"


def _next_step(status: int, *, before: Sequence[Answer]) -> str:
    """Return what may be done about a status that is no success."""
    if before:
        cause = "one of its processes may fail"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            cause = "raise its limit of requests, as all of the load comes from one address"
        return f", and {before[0].status} the first time; {cause}, and no such answer is timed"
    accept = f"or accept it with --expect-status {status}"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"; ask with another method, from a file, with --requests-file, {accept}"
    if status == HTTPStatus.BAD_REQUEST:
        return (
            "; where it answers known hosts only, as Django's ALLOWED_HOSTS says, name one with "
            "--header 'Host: your.host', else name a path that is answered with --path"
        )
    return f"; name a path that is answered with --path, {accept}"


def _essence(heard: Heard, *, view: _View) -> tuple[object, ...]:
    """Return what other servers must answer, too: all statuses, and each body that is stable."""
    return tuple(
        (
            None if index in view.statuses_changed else _statuses(answers),
            bodies.pop() if len(bodies) == 1 and index not in view.bodies_changed else None,
        )
        for index, answers in enumerate(heard.answers)
        for bodies in [{_cut(answer.body, ignored=view.ignored) for answer in answers}]
    )


def _statuses(answers: Sequence[Answer]) -> tuple[int, ...]:
    """Return each status that occurs, once: servers are not asked equally often."""
    return tuple(sorted({each.status for each in answers if each.status is not None}))


def _cut(body: bytes, *, ignored: Sequence[re.Pattern[bytes]]) -> bytes:
    for pattern in (*ignored, _OWN_ADDRESS):
        body = pattern.sub(b"", body)
    return body


def _difference(one: Heard, other: Heard, *, asked: Sequence[Asked], view: _View) -> str:
    compared = zip(asked, one.answers, other.answers, strict=True)
    for index, (each, mine, theirs) in enumerate(compared):
        what = f"{each.request.method} {each.request.path}"
        statuses = [" and ".join(map(str, _statuses(answers))) for answers in (mine, theirs)]
        if statuses[0] != statuses[1] and index not in view.statuses_changed:
            return f"it answers {statuses[0]} to {what}, where {other.title} answers {statuses[1]}"
        left, right = (_cut(found[0].body, ignored=view.ignored) for found in (mine, theirs))
        if left != right and index not in view.bodies_changed:
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
    answers: Sequence[Answer],
    ignored: Sequence[re.Pattern[bytes]],
) -> Asked:
    """Return a request with what all its answers had in common."""
    bodies, statuses = [each.body for each in answers], _statuses(answers)
    # Of several, all are a success: those that are not have been refused.
    wanted = asked.expectation
    if len(statuses) == 1:
        wanted = msgspec.structs.replace(wanted, status=statuses[0])
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
