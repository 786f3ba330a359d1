"""An application of the user's, as it was typed, and as it is served."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from servelab import application, catalogue
from servelab.cli import requested, typed_calls, typed_commands, typed_requests
from servelab.environment import own_interpreter
from servelab.environment.users import find_user_environment
from servelab.environment.variables import user_variables
from servelab.errors import UsageError
from servelab.launch.server import launched
from servelab.model.deployment import Deployment, Interface
from servelab.model.environment import Interpreter, UserEnvironment
from servelab.model.load import Asked, Expectation, Request
from servelab.model.service import OwnCommand, Service
from servelab.store import scratch

_MOST_NAMES = 3
"""Of commands, in a title; of more it says how many there are."""
_SHOWN = 40
"""Of a long text, in an error."""


class Typed(Struct, frozen=True, kw_only=True):
    """The options as they were typed, or as the project's file has them."""

    application: str | None
    commands: tuple[str, ...] = ()
    port: int | None = None
    grpc: str | None = None
    body: str | None = None
    proto: Path | None = None
    proto_folders: tuple[Path, ...] = ()
    paths: tuple[str, ...] = ()
    requests_file: Path | None = None
    headers: tuple[str, ...] = ()
    expect_status: int | None = None
    environment: Path | None = None
    variables: tuple[str, ...] = ()
    project: Path = Path()
    only: tuple[str, ...] = ()
    """What is measured, as it was typed; all there is where that is empty."""
    front: str | None = None
    seed: int = 0


class Found(Struct, frozen=True, kw_only=True):
    """The service, and the interpreter that its environment has."""

    service: Service
    interpreter: Interpreter


def unseen(typed: Typed) -> Service:
    """Return what can be said of it before it is imported; raise UsageError.

    Its interface, its environment and what it is asked are still to be found.
    """
    catalogue.behind((), name=typed.front)
    service = Service(
        name=typed.application or "",
        application=typed.application or "",
        interface=Interface.HTTP,
        commands=typed_commands.commands_of(typed.commands, has_port=typed.port is not None),
        directory=str(typed.project),
        asked=(),
    )
    for text in typed.only:
        catalogue.check_own_selection(text, service=service)
    return service


def find(typed: Typed) -> Found:
    """Return what is to be served; raise UsageError or CannotRunHere.

    The application is loaded once, in a process of its own environment.
    """
    requested.check_platform()
    directory = typed.project.absolute()
    if not directory.is_dir():
        raise UsageError(f"--project {typed.project}: there is no such folder")
    _refuse_what_is_no_text(typed, directory=directory)
    commands = typed_commands.commands_of(typed.commands, has_port=typed.port is not None)
    if typed.application is None:
        return _found_of_commands(typed, commands=commands, directory=directory)
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
        further=seen.further,
        commands=commands,
        interface=seen.interface,
        is_factory=seen.is_factory,
        framework=seen.framework,
        directory=str(directory),
        environment=environment,
        variables=tuple(variables.items()),
        asked=asked,
        seed=typed.seed,
    )
    _refuse_names_of_servers(service)
    return Found(service=service, interpreter=environment.interpreter)


def _refuse_what_is_no_text(typed: Typed, *, directory: Path) -> None:
    """Raise UsageError for bytes that are no UTF-8, which no results folder could hold."""
    given = {
        "--project": (str(directory),),
        "--env": (str(typed.environment or ""),),
        "--command": typed.commands,
        "--env-var": typed.variables,
    }
    for option, texts in given.items():
        for text in texts:
            if any("\ud800" <= sign <= "\udfff" for sign in text):
                shown = text.partition("=")[0] if option == "--env-var" else text
                raise UsageError(
                    f"{option} {shown!r}: it has bytes that are no UTF-8, which cannot be stored; "
                    "write it, or name it, in UTF-8"
                )


def _found_of_commands(typed: Typed, *, commands: tuple[OwnCommand, ...], directory: Path) -> Found:
    """Return what programs of the user's serve, in an environment where there is one."""
    if not commands:
        raise UsageError(
            "no application is named: give one, such as my.module:app, or a program that listens "
            "by itself, with --command"
        )
    environment = _environment_if_any(typed.environment, project=directory)
    names = [each.name for each in commands]
    service = Service(
        name=", ".join(names) if len(names) <= _MOST_NAMES else f"{len(names)} commands",
        application="",
        interface=Interface.HTTP if typed.grpc is None else Interface.GRPC,
        commands=commands,
        directory=str(directory),
        environment=environment,
        variables=tuple(user_variables(typed.variables, project=directory).items()),
        asked=_asked(typed),
        seed=typed.seed,
    )
    interpreter = own_interpreter() if environment is None else environment.interpreter
    return Found(service=service, interpreter=interpreter)


def _environment_if_any(given: Path | None, *, project: Path) -> UserEnvironment | None:
    if given is not None:
        return find_user_environment(str(given), project=project)
    try:
        return find_user_environment(None, project=project)
    except UsageError:  # a program needs none
        return None


def _refuse_names_of_servers(service: Service) -> None:
    of_servers = msgspec.structs.replace(service, commands=())
    taken = {each.stack for each in catalogue.own_deployments(of_servers, cpu_count=1)}
    taken.update(each.name for each in catalogue.servers())
    for command in service.commands:
        if command.name in taken:
            raise UsageError(
                f"--command: {command.name} is the name of a server here; call it otherwise, as in "
                f"'my-{command.name}=...'"
            )


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
        # What was typed is no text of UTF-8, perhaps; a body need not be, either.
        return re.compile(text.encode(errors="surrogateescape"))
    except (re.error, OverflowError) as error:
        raise UsageError(f"--ignore {text!r} is no regular expression: {error}") from None
    except RecursionError:
        raise UsageError(
            f"--ignore {text[:_SHOWN]!r}... is nested too deep; write a simpler one"
        ) from None


def _asked(typed: Typed) -> tuple[Asked, ...]:
    if typed.grpc is not None:
        return _calls(typed, path=typed_calls.path_of(typed.grpc))
    for option, value in {"--proto": typed.proto, "--proto-path": typed.proto_folders}.items():
        if value:
            raise UsageError(f"{option} is about gRPC; name a method with --grpc, too")
    if typed.body is not None:
        raise UsageError(
            "--body is about gRPC; what else is to be sent goes into a file for --requests-file"
        )
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


def _calls(typed: Typed, *, path: str) -> tuple[Asked, ...]:
    """Return the calls to a server over gRPC; UsageError, UnknownName, CannotRunHere."""
    if typed.application is not None:
        raise UsageError(
            f"--grpc is about a program that listens by itself; leave {typed.application} out, and "
            "give its command with --command"
        )
    if typed.paths:
        raise UsageError("--path is about HTTP; --grpc names the method")
    if typed.expect_status is not None:
        raise UsageError("--expect-status is about HTTP; of gRPC calls, grpc-status decides")
    call = typed_calls.Call(
        path=path,
        metadata=tuple(typed_requests.header_of(text) for text in typed.headers),
        body=None if typed.body is None else typed_calls.text_of(typed.body),
    )
    return typed_calls.all_asked(
        call,
        requests_file=typed.requests_file,
        proto=typed.proto,
        folders=typed.proto_folders,
    )
