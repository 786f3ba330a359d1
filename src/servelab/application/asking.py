"""Whose application it is, and what its interface is: asked in a process of its own.

Nothing of the application is imported here. `served/ask_application.py` imports it, run by the
interpreter of the user's environment, under the supervisor, for a limited time.
"""

import functools
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import msgspec

import servelab
from servelab.application.naming import parse
from servelab.application.problems import Answer, error_for, indented
from servelab.errors import CannotRunHere, ServelabError, ServerFailed, UsageError
from servelab.model.application import ApplicationTarget, FoundApplication
from servelab.model.deployment import Interface
from servelab.model.launch import LaunchCommand
from servelab.store import redaction

_SCRIPT = Path(servelab.__file__).parent / "served" / "ask_application.py"
_LIMIT_S = 60.0
_ANSWER_LIMIT_BYTES = 256 << 10
_GRACE_S = 0.5
_APPLICATIONS = frozenset({"wsgi", "asgi"})


class AskedProcess(Protocol):
    """What is needed of a process under the supervisor."""

    @property
    def exit(self) -> object | None:
        """Return how it ended, in words when made a text; None while it runs."""

    def wait_ready(self, probe: Callable[[], str | None], *, timeout_s: float) -> None:
        """Return when the probe is content; raise ServerFailed when it ends, or is too slow."""

    def log_tail(self) -> tuple[str, ...]:
        """Return the last lines that it wrote."""


Launch = Callable[..., AbstractContextManager[AskedProcess]]
"""`launch.server.launched`, which this layer does not know."""


def find(
    text: str,
    *,
    interpreter: Path,
    directory: Path,
    variables: Mapping[str, str],
    launch: Launch,
    log: Path,
    limit_s: float = _LIMIT_S,
    copied_from: Path | None = None,
) -> FoundApplication:
    """Import what the text names in a process of its own, and return what it is.

    `interpreter` is that of the user's environment, `directory` the project's folder, `variables`
    the user's own, `log` takes what the process writes, `copied_from` is the user's environment
    where the interpreter is that of a copy. Raise UsageError where the text names no application,
    CannotRunHere where it cannot be imported here.
    """
    target = parse(text)
    if not directory.is_dir():
        raise UsageError(f"{directory} is no folder; name the project's folder.")
    start = functools.partial(
        launch,
        programs=interpreter.absolute().parent,
        directory=directory,
        variables=_quiet(variables),
        address=None,
        grace_s=_GRACE_S,
    )
    try:
        answer = _asked(target, interpreter=interpreter, log=log, limit_s=limit_s, start=start)
        if answer.problem:
            raise error_for(
                answer,
                target=target,
                directory=directory,
                interpreter=interpreter,
                copied_from=copied_from,
            )
    except ServelabError as error:
        raise type(error)(_without_secrets(str(error), variables)) from None
    return FoundApplication(
        module=target.module,
        attribute=answer.attribute,
        is_factory=answer.is_factory,
        arguments=target.arguments or "",
        further=target.further,
        interface=Interface(answer.interface),
        framework=answer.framework,
        framework_version=answer.framework_version,
    )


def _asked(
    target: ApplicationTarget, *, interpreter: Path, log: Path, limit_s: float, start: Launch
) -> Answer:
    """Run the script; return what it wrote into its file. `start` takes command and log."""
    with tempfile.TemporaryDirectory(prefix="servelab-") as folder:
        path = Path(folder) / "answer.json"
        order = {
            "answer": str(path),
            "module": target.module,
            "attribute": target.attribute,
            "arguments": target.arguments,
            "further": target.further,
            # Where it still is at half of its time goes into its log.
            "shown_after_s": limit_s / 2,
        }
        command = LaunchCommand(argv=(str(interpreter.absolute()), str(_SCRIPT), json.dumps(order)))
        with start(command, log=log) as process:
            try:
                process.wait_ready(
                    lambda: None if path.exists() else "it is being imported", timeout_s=limit_s
                )
            except ServerFailed:
                if not path.exists():
                    raise _unanswered(target, process, limit_s=limit_s) from None
        return _read(path, target=target)


def _quiet(variables: Mapping[str, str]) -> dict[str, str]:
    """Keep bytecode out of the user's folders, unless it has a place of its own."""
    kept = {} if "PYTHONPYCACHEPREFIX" in variables else {"PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **variables}


def _unanswered(
    target: ApplicationTarget, process: AskedProcess, *, limit_s: float
) -> CannotRunHere:
    written = indented(process.log_tail())
    if process.exit is None:
        return CannotRunHere(
            f"Importing {target} did not end within {limit_s:g} s; see that it waits for nothing "
            f"while it is imported{written}"
        )
    return CannotRunHere(
        f"Importing {target} ended its process ({process.exit}); see what ends it{written}"
    )


def _read(path: Path, *, target: ApplicationTarget) -> Answer:
    with path.open("rb") as file:
        text = file.read(_ANSWER_LIMIT_BYTES + 1)
    try:
        answer = msgspec.json.decode(text, type=Answer)
    except msgspec.DecodeError:
        raise CannotRunHere(
            f"What the process that imported {target} wrote cannot be read; see that the "
            "application leaves other programs' files alone."
        ) from None
    if not answer.problem and (answer.interface not in _APPLICATIONS or not answer.attribute):
        raise CannotRunHere(f"The process that imported {target} gave no answer; try again.")
    return answer


def _without_secrets(text: str, variables: Mapping[str, str]) -> str:
    return redaction.words(redaction.without_values(text, variables=variables))
