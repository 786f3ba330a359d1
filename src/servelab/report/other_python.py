"""Trials on another interpreter than that of the user's environment: how to make one for them."""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from servelab import catalogue
from servelab.errors import UsageError
from servelab.model.environment import FREE_THREADED, Interpreter, python_in_words
from servelab.model.plan import RunOptions
from servelab.model.ready import requirements_name
from servelab.model.service import Service
from servelab.model.trial import Trial

_VERSION = re.compile(r"\d+(\.\d+){1,2}t?")


class OtherPython(Struct, frozen=True, kw_only=True):
    """An environment that the user does not have."""

    version: str
    """As names have it, such as ``3.13``."""
    program: str
    """Its interpreter."""

    @property
    def folder(self) -> str:
        """Return the folder that is proposed for it, in that of the project."""
        return f".venv-{self.version}"

    def making(self, *, results: Path | None, project: str = "") -> Iterable[str]:
        """Yield the command lines that make it; the second where its packages were noted."""
        folder = f"{project}/{self.folder}" if project else self.folder
        yield shlex.join([self.program, "-m", "venv", folder])
        file = None if results is None else results.resolve() / requirements_name(self.version)
        if file is not None and file.is_file():
            yield shlex.join([f"{folder}/bin/pip", "install", "-r", str(file)])


def remarks(options: RunOptions) -> Iterable[str]:
    """Yield what a table has to say where all of it ran on one other interpreter."""
    user = None if options.service is None else options.service.environment
    python = options.interpreter
    if user is None or options.interpreters:
        return
    if python.full_version != user.interpreter.full_version:
        yield (
            f"Measured on {python_in_words(python.full_version)}, with a copy of the packages of "
            f"{user.directory} (Python {user.interpreter.full_version})."
        )


def other_python(
    trial: Trial, *, service: Service, known: Iterable[Interpreter] = ()
) -> OtherPython | None:
    """Return the interpreter of a trial where it is not that of the user's environment.

    `known` are those of the run.
    """
    user = service.environment
    own = {"", "" if user is None else user.interpreter.full_version}
    if user is None or trial.interpreter in own or not _VERSION.fullmatch(trial.interpreter):
        return None
    letter = FREE_THREADED if trial.interpreter.endswith(FREE_THREADED) else ""
    minor = ".".join(trial.interpreter.removesuffix(FREE_THREADED).split(".")[:2]) + letter
    named = _named(trial)
    program = next(
        (str(each.path) for each in known if each.full_version == trial.interpreter),
        f"python{minor}",
    )
    return OtherPython(version=minor if named is None else named, program=program)


def _named(trial: Trial) -> str | None:
    """Return the version in the name of a trial's deployment; None where there is none."""
    try:
        _, named = catalogue.split_python(trial.deployment)
    except UsageError:
        return None
    return named if named is not None and _VERSION.fullmatch(named) else None
