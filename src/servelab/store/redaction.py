"""What may be stored: credentials in headers, URLs, variables and text are replaced by ``***``.

Each pattern takes a time in proportion to the text: some of it was written by strangers.
"""

import hashlib
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from servelab.model.launch import LaunchCommand
from servelab.model.load import Asked, Request
from servelab.model.plan import Plan, RunOptions
from servelab.model.service import Service
from servelab.model.trial import Trial
from servelab.model.tuning import TuningOrder

HIDDEN = "***"
HIDDEN_OF_SEVERAL = "*** of several"
"""Of a header that has another value in another request: typed again, nobody knows where."""
_TELLING_NAME = re.compile(
    r"auth|cookie|credential|key|passw|secret|session|signature|token", re.IGNORECASE
)
_TELLING_OPTION = re.compile(r"passw|secret|token|credential|api.?key|[-_]auth$", re.IGNORECASE)
"""Of an option whose value is a word of its own; not every key is secret, nor every authority."""
_USER_INFO = re.compile(r"(?<=://)[^/?#\s]*@")
_AROUND_PAIRS = re.compile(r"([?&;#])")
_HEADER = re.compile(r"^((?:-H|--[\w-]+=)?\s*([!#$%&'*+.^_`|~\w-]+)\s*:)(?!//)\s*(.*)", re.DOTALL)
_SCHEME = re.compile(r"\b(Bearer|Basic|Digest|Negotiate)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_MEMBER = re.compile(r'("([^"\\]{1,100})"\s{0,9}:\s{0,9})("(?:[^"\\]|\\.)*"|[^\s,}\]"]+)')
_ASSIGNED = re.compile(r"(-{0,2}[\w.-]{1,100})=(?!=)(.+)", re.DOTALL)
_VARIABLE = re.compile(
    r"(\b\w{0,50}(?:password|passwd|secret|token|api_?key)\w{0,50}=)(?!'?\*)[^\s=,;&]+",
    re.IGNORECASE,
)
_SPOKEN_HEADER = re.compile(
    r"((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-auth-token)(\s{0,9}:\s{0,9})[^\r\n]+",
    re.IGNORECASE,
)
_VARIABLE_OPTION = "--env-var"
"""Its value is hidden whatever its name: see `own_variables`."""
_LARGEST_STORED_BODY_BYTES = 256 << 10
_MOST_STORED_BYTES = 4 << 20
"""Of all bodies together: a document is to be readable in one piece."""
_SHORTEST_SECRET = 6
_COMMAND = "--command"
"""The option whose value is a whole command line."""
_SPOKEN_MEMBER = re.compile(
    r"""((['"])([\w.-]{1,100})\2\s{0,9}:\s{0,9})"""
    r"""(?:b?'(?:[^'\\]|\\.)*'|b?"(?:[^"\\]|\\.)*"|[^\s,}\]'"]+)"""
)
"""Of a dictionary that a server printed, such as its environment or the headers of a request."""
_TELLING_MEMBER = re.compile(f"{_TELLING_OPTION.pattern}|authoriz|cookie", re.IGNORECASE)
_SPACES = re.compile(r"(\s+)")


def url(text: str) -> str:
    """Return a URL without its user and password, and without secrets in its query."""
    first, *rest = _AROUND_PAIRS.split(_USER_INFO.sub(f"{HIDDEN}@", text))
    return "".join([first, *(_pair(each) for each in rest)])


def _pair(text: str) -> str:
    name, equals, value = text.partition("=")
    return f"{name}={HIDDEN}" if equals and value and is_secret(name) else text


def is_secret(name: str) -> bool:
    """Tell whether a header or variable of this name carries what nobody else should know."""
    return _TELLING_NAME.search(name) is not None


def argument(text: str) -> str:
    """Return an argument of a command line as it may be stored, be it a header, a URL or a body."""
    found = _HEADER.match(text)
    if found is not None and (is_secret(found[2]) or _SCHEME.match(found[3])):
        return f"{found[1]} {HIDDEN}"
    assigned = _ASSIGNED.fullmatch(text)
    if assigned is not None and is_secret(assigned[1]):
        return f"{assigned[1]}={HIDDEN}"
    if assigned is not None and assigned[1] == _COMMAND:
        return f"{_COMMAND}={_command_line(assigned[2])}"
    if assigned is not None and text.startswith("--") and not assigned[2].startswith("--"):
        return f"{assigned[1]}={argument(assigned[2])}"
    if "{" in text:
        text = _MEMBER.sub(_member, text)
    return _storable(url(text))


def _member(found: re.Match[str]) -> str:
    return f'{found[1]}"{HIDDEN}"' if is_secret(found[2]) else found[0]


def _storable(text: str) -> str:
    """Return text that JSON can hold: bytes that were no text show as what they are."""
    return text.encode(errors="backslashreplace").decode()


def arguments(texts: Iterable[str], *, each: Callable[[str], str] = argument) -> list[str]:
    """Return a command line as it may be stored."""
    shown: list[str] = []
    option = ""
    for text in texts:
        if option == _VARIABLE_OPTION:
            shown.append(_own_variable(text))
        elif option == _COMMAND:
            shown.append(_command_line(text))
        elif text.startswith((f"{_VARIABLE_OPTION}=", f"{_COMMAND}=")):
            name, _, value = text.partition("=")
            hide = _own_variable if name == _VARIABLE_OPTION else _command_line
            shown.append(f"{name}={hide(value)}")
        else:
            shown.append(HIDDEN if option else each(text))
        is_option = text.startswith("--") and "=" not in text
        is_telling = text in {_VARIABLE_OPTION, _COMMAND} or _TELLING_OPTION.search(text)
        option = text if is_option and is_telling else ""
    return shown


def _own_variable(text: str) -> str:
    name, equals, _ = text.partition("=")
    return f"{name}={HIDDEN}" if equals else HIDDEN


def _command_line(text: str) -> str:
    """Return a command line that is one argument of another as it may be stored."""
    try:
        found = shlex.split(text)
    except ValueError:
        return words(text)
    shown = arguments(found, each=_word)
    return text if shown == found else shlex.join(shown)


def _word(text: str) -> str:
    """Return a word of a server's command, which has no headers but may have ``auth:app``."""
    assigned = _ASSIGNED.fullmatch(text)
    if assigned is not None and _TELLING_OPTION.search(assigned[1]):
        return f"{assigned[1]}={HIDDEN}"
    return _storable(url(text))


def requirement(text: str) -> str:
    """Return a requirement as it may be stored; only one with an address can have a secret."""
    return _storable(url(text) if "://" in text else text)


def words(text: str) -> str:
    """Return free text, such as a server's last words, as it may be stored."""
    text = "".join(url(part) if "://" in part else part for part in _SPACES.split(text))
    text = _SPOKEN_MEMBER.sub(_spoken_member, text)
    text = _SPOKEN_HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _VARIABLE.sub(rf"\1{HIDDEN}", text)
    return _storable(_SCHEME.sub(rf"\1 {HIDDEN}", text))


def _spoken_member(found: re.Match[str]) -> str:
    quote = found[2]
    is_telling = _TELLING_MEMBER.search(found[3]) is not None
    return f"{found[1]}{quote}{HIDDEN}{quote}" if is_telling else found[0]


def command(launched: LaunchCommand) -> LaunchCommand:
    """Return the command of a server as it may be stored, its variables included."""
    return msgspec.structs.replace(
        launched,
        argv=tuple(arguments(launched.argv, each=_word)),
        variables=tuple(
            (name, HIDDEN if is_secret(name) else _word(value))
            for name, value in launched.variables
        ),
    )


def own_variables(variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables of a user's application as they may be stored: no value at all.

    They come from files that exist to hold secrets, whatever the names say.
    """
    return tuple((name, HIDDEN) for name in variables)


def without_values(text: str, *, variables: Mapping[str, str]) -> str:
    """Return text, such as an application's last words, without the values that are secret.

    Those are of variables whose names say so, and not so short that they are words of any text.
    """
    secret = [
        value
        for name, value in variables.items()
        if is_secret(name) and len(value) >= _SHORTEST_SECRET
    ]
    for value in sorted(secret, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text


def plan(asked: Plan) -> Plan:
    """Return a plan as it may be stored; one with addresses in it may lack what they need."""
    return msgspec.structs.replace(asked, options=_options(asked.options))


def race(order: TuningOrder) -> TuningOrder:
    """Return a race as it may be stored."""
    excluded = {name: words(reason) for name, reason in order.excluded.items()}
    return msgspec.structs.replace(order, options=_options(order.options), excluded=excluded)


def _options(asked: RunOptions) -> RunOptions:
    return msgspec.structs.replace(
        asked,
        with_requirements=tuple(requirement(text) for text in asked.with_requirements),
        service=None if asked.service is None else service(asked.service),
    )


def service(asked: Service) -> Service:
    """Return a user's application as it may be stored: see `hidden_of` for what that lacks."""
    return msgspec.structs.replace(
        asked,
        commands=tuple(
            msgspec.structs.replace(each, argv=tuple(arguments(each.argv, each=_word)))
            for each in asked.commands
        ),
        variables=own_variables(dict(asked.variables)),
        asked=tuple(_all_asked(asked.asked)),
    )


def hidden_of(stored: Service) -> tuple[str, ...]:
    """List in words what a stored application lacks of what it was measured with."""
    found = [f"the variable {name}" for name, value in stored.variables if value == HIDDEN]
    found += [
        f"a word of the command {each.name}"
        for each in stored.commands
        if any(HIDDEN in word for word in each.argv)
    ]
    for each in stored.asked:
        request, where = each.request, f"of {each.request.method} {each.request.path}"
        found += [
            f"the header {name} {where}" for name, value in request.headers if value == HIDDEN
        ]
        found += [
            f"the header {name} {where}, which has another value elsewhere"
            for name, value in request.headers
            if value == HIDDEN_OF_SEVERAL
        ]
        if HIDDEN in request.path:
            found.append(f"the query {where}")
        if HIDDEN.encode() in request.body:
            found.append(f"the body {where}")
        if each.expectation.body == HIDDEN.encode() or each.body_sha256:
            found.append(f"the answer {where}")
    return tuple(dict.fromkeys(found))


def lost_of(stored: Service) -> tuple[str, ...]:
    """List in words what it lacks that can neither be typed nor heard again.

    Variables and headers can be typed, but of a header with several values nobody knows where; an
    answer can be heard, and known by its digest.
    """
    asked = tuple(
        msgspec.structs.replace(
            each,
            request=msgspec.structs.replace(
                each.request,
                headers=tuple(pair for pair in each.request.headers if pair[1] != HIDDEN),
            ),
            body_sha256=None,
        )
        for each in stored.asked
    )
    return hidden_of(msgspec.structs.replace(stored, variables=(), asked=asked))


def _all_asked(asked: Sequence[Asked]) -> Iterator[Asked]:
    """Yield all requests, and of their bodies as many as there is room for."""
    several = _names_of_several([each.request for each in asked])
    left_bytes = _MOST_STORED_BYTES
    for each in asked:
        body = _body(each.request.body, most_bytes=left_bytes)
        left_bytes -= len(body)
        request = _request(each.request, body=body, several=several)
        stored = _without_large_body(
            msgspec.structs.replace(each, request=request), most_bytes=left_bytes
        )
        left_bytes -= len(stored.expectation.body or b"")
        yield stored


def _names_of_several(requests: Sequence[Request]) -> frozenset[str]:
    """Return the names, in small letters, of secret headers that have more than one value."""
    values: dict[str, set[str]] = {}
    for each in requests:
        for name, value in each.headers:
            if _is_secret_header(name, value):
                values.setdefault(name.lower(), set()).add(value)
    return frozenset(name for name, found in values.items() if len(found) > 1)


def _is_secret_header(name: str, value: str) -> bool:
    return is_secret(name) or _SCHEME.match(value) is not None


def _request(asked: Request, *, body: bytes, several: frozenset[str]) -> Request:
    def shown(name: str, value: str) -> str:
        if not _is_secret_header(name, value):
            return value
        return HIDDEN_OF_SEVERAL if name.lower() in several else HIDDEN

    return msgspec.structs.replace(
        asked,
        path=url(asked.path),
        headers=tuple((name, shown(name, value)) for name, value in asked.headers),
        body=body,
    )


def _body(body: bytes, *, most_bytes: int) -> bytes:
    if len(body) > min(_LARGEST_STORED_BODY_BYTES, most_bytes):
        return HIDDEN.encode()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    hidden = _MEMBER.sub(_member, "".join(map(_pair, _AROUND_PAIRS.split(text))))
    return body if hidden == text else hidden.encode()


def _without_large_body(asked: Asked, *, most_bytes: int) -> Asked:
    """Return what is asked; of a body that would make the document too large, its digest.

    The body itself can be had again: whoever goes on asks for it once more.
    """
    body = asked.expectation.body
    if body is None or len(body) <= min(_LARGEST_STORED_BODY_BYTES, most_bytes):
        return asked
    return msgspec.structs.replace(
        asked,
        expectation=msgspec.structs.replace(asked.expectation, body=None),
        body_sha256=hashlib.sha256(body).hexdigest(),
    )


def trial(measured: Trial) -> Trial:
    """Return a trial as it may be stored: what servers and users wrote is looked through."""
    return msgspec.structs.replace(
        measured,
        command=words(measured.command),
        reason=None if measured.reason is None else words(measured.reason),
        samples=[words(text) for text in measured.samples],
        departures=[words(text) for text in measured.departures],
        warnings=[
            msgspec.structs.replace(each, text=words(each.text)) for each in measured.warnings
        ],
    )
