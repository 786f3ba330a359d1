"""An application of the user's as a results folder holds it, with what is not stored put back."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from servelab.cli import project_file, typed_requests
from servelab.environment import users, variables
from servelab.errors import UsageError
from servelab.model.environment import UserEnvironment
from servelab.model.load import Asked, Request
from servelab.model.service import Service
from servelab.store import redaction


class Given(Struct, frozen=True, kw_only=True):
    """What was typed again, because no results folder holds it."""

    variables: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


def service(stored: Service, *, given: Given, path: Path) -> Service:
    """Return a stored application ready to be served; UsageError where something is missing.

    Values of variables are read again, from the project's ``.env``, its ``pyproject.toml`` and as
    they were typed, the last of which wins; secret headers are those of that file and as typed.
    """
    if lost := redaction.lost_of(stored):
        raise UsageError(f"{path} cannot be gone on with: it does not store {lost[0]}; begin again")
    if not Path(stored.directory).is_dir():
        raise UsageError(
            f"{path} was begun in {stored.directory}, which is no folder now; put it back, or "
            "begin again"
        )
    _refuse_other_environment(stored.environment, path=path)
    section = project_file.Section()
    if redaction.hidden_of(stored):
        section = project_file.read(Path(stored.directory))
    return msgspec.structs.replace(
        stored,
        variables=_variables(stored, given=given.variables, usual=section.env_vars, path=path),
        asked=_asked(stored.asked, given=given.headers, usual=section.headers, path=path),
    )


def _refuse_other_environment(stored: UserEnvironment | None, *, path: Path) -> None:
    if stored is None:
        return
    if users.read(stored.python) != stored:
        raise UsageError(
            f"{stored.directory} is no longer what it was when {path} was begun; measure anew, as "
            "figures of two environments cannot be mixed"
        )


def _variables(
    stored: Service, *, given: Sequence[str], usual: Mapping[str, str], path: Path
) -> tuple[tuple[str, str], ...]:
    names = [name for name, _ in stored.variables]
    project = Path(stored.directory)
    usually = [f"{name}={value}" for name, value in usual.items()]
    known = variables.user_variables((*usually, *given), project=project) if names or given else {}
    typed = [text.partition("=")[0] for text in given]
    if other := sorted(set(typed) - set(names)):
        raise UsageError(f"{path} was begun without {', '.join(other)}; leave --env-var out")
    if missing := [name for name in names if name not in known]:
        raise UsageError(
            f"{path} does not hold the values of {', '.join(missing)}; put them into "
            f"{project / '.env'}, or give them with --env-var"
        )
    return tuple((name, known[name]) for name in names)


def _asked(
    stored: Sequence[Asked], *, given: Sequence[str], usual: Mapping[str, str], path: Path
) -> tuple[Asked, ...]:
    typed = {name.lower(): value for name, value in map(typed_requests.header_of, given)}
    values = {**{name.lower(): value for name, value in usual.items()}, **typed}
    hidden = {name for each in stored for name, _ in _hidden(each.request)}
    if other := sorted(set(typed) - {name.lower() for name in hidden}):
        raise UsageError(f"{path} holds the header {', '.join(other)} itself; leave --header out")
    if missing := sorted(name for name in hidden if name.lower() not in values):
        raise UsageError(
            f"{path} does not hold the headers {', '.join(missing)}; give them with --header"
        )
    return tuple(_with_headers(each, values=values) for each in stored)


def _with_headers(asked: Asked, *, values: Mapping[str, str]) -> Asked:
    headers = tuple(
        (name, values[name.lower()] if value == redaction.HIDDEN else value)
        for name, value in asked.request.headers
    )
    request = msgspec.structs.replace(asked.request, headers=headers)
    return msgspec.structs.replace(asked, request=request)


def _hidden(request: Request) -> list[tuple[str, str]]:
    return [pair for pair in request.headers if pair[1] == redaction.HIDDEN]
