"""An application of the user's, as it was typed, and as it is served."""

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from servelab import application, catalogue
from servelab.cli import requested, typed_requests
from servelab.environment.users import find_user_environment
from servelab.environment.variables import user_variables
from servelab.errors import UsageError
from servelab.launch.server import launched
from servelab.model.deployment import Deployment
from servelab.model.environment import Interpreter
from servelab.model.load import Asked, Expectation, Request
from servelab.model.service import Service
from servelab.store import scratch


class Typed(Struct, frozen=True, kw_only=True):
    """The options as they were typed."""

    application: str
    paths: tuple[str, ...] = ()
    requests_file: Path | None = None
    headers: tuple[str, ...] = ()
    expect_status: int | None = None
    environment: Path | None = None
    variables: tuple[str, ...] = ()
    project: Path = Path()
    seed: int = 0


class Found(Struct, frozen=True, kw_only=True):
    """The service, and the interpreter that its environment has."""

    service: Service
    interpreter: Interpreter


def find(typed: Typed) -> Found:
    """Return what is to be served; raise UsageError or CannotRunHere.

    The application is loaded once, in a process of its own environment.
    """
    requested.check_platform()
    directory = typed.project.absolute()
    if not directory.is_dir():
        raise UsageError(f"--project {typed.project}: there is no such folder")
    asked = _asked(typed)
    variables = user_variables(typed.variables, project=directory)
    environment = find_user_environment(
        None if typed.environment is None else str(typed.environment), project=directory
    )
    with scratch.folder() as place:
        seen = application.find(
            typed.application,
            interpreter=environment.python,
            directory=directory,
            variables=variables,
            launch=launched,
            log=place / "log",
        )
    service = Service(
        name=typed.application,
        application=seen.target,
        arguments=seen.arguments,
        interface=seen.interface,
        is_factory=seen.is_factory,
        framework=seen.framework,
        directory=str(directory),
        environment=environment,
        variables=tuple(variables.items()),
        asked=asked,
        seed=typed.seed,
    )
    return Found(service=service, interpreter=environment.interpreter)


def deployments(
    service: Service, *, only: Sequence[str], cpu_count: int, front: str | None = None
) -> tuple[Deployment, ...]:
    """Return the deployments that were named, or one of each server that can serve it."""
    if not only:
        every = catalogue.own_deployments(service, cpu_count=cpu_count)
        return catalogue.behind(every, name=front)
    found = [
        each
        for text in only
        for each in catalogue.find_own_deployments(text, service=service, cpu_count=cpu_count)
    ]
    found = list(catalogue.behind(found, name=front))
    return tuple({each.name: each for each in found}.values())


def patterns(texts: Sequence[str]) -> tuple[re.Pattern[bytes], ...]:
    """Return the patterns of what may differ between answers; raise UsageError."""
    return tuple(_pattern(text) for text in texts)


def _pattern(text: str) -> re.Pattern[bytes]:
    try:
        return re.compile(text.encode())
    except re.error as error:
        raise UsageError(f"--ignore {text!r} is no regular expression: {error}") from None


def _asked(typed: Typed) -> tuple[Asked, ...]:
    headers = tuple(typed_requests.header_of(text) for text in typed.headers)
    usual = Asked(
        request=Request(path="/", headers=headers),
        expectation=Expectation(status=typed.expect_status),
    )
    if typed.requests_file is not None:
        if typed.paths:
            raise UsageError("--path and --requests-file exclude each other; give one of them")
        return typed_requests.read_file(typed.requests_file, default=usual)
    return tuple(
        Asked(
            request=Request(path=typed_requests.path_of(path), headers=headers),
            expectation=usual.expectation,
        )
        for path in typed.paths or ("/",)
    )
