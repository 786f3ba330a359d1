"""Interpreters for an application of the user's: typed, and its environment copied to each."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from servelab import application, catalogue
from servelab.cli.typed_pythons import on_interpreters
from servelab.environment import copies, find_interpreter
from servelab.errors import CannotRunHere, ServelabError, UsageError
from servelab.experiment.plan import interpreter_of
from servelab.launch.server import launched
from servelab.model.environment import (
    Interpreter,
    Package,
    UserEnvironment,
    python_in_words,
    shortest_version,
)
from servelab.model.ready import TextFile, requirements_name
from servelab.store import ready_files, scratch

if TYPE_CHECKING:
    from servelab.environment.copies import Copy
    from servelab.model.deployment import Deployment
    from servelab.model.plan import RunOptions
    from servelab.model.service import Service
    from servelab.report.printers import Printer
    from servelab.store.folder import RunFolder


def spread(
    deployments: Sequence["Deployment"], *, options: "RunOptions", pythons: Sequence[str]
) -> tuple[tuple["Deployment", ...], "RunOptions"]:
    """Return each deployment on its interpreters; programs that listen by themselves have one.

    Raise UsageError or CannotRunHere.
    """
    usual = options.interpreter
    of_application = [each for each in deployments if not catalogue.is_own_command(each)]
    programs = [each for each in deployments if catalogue.is_own_command(each)]
    if pythons and not of_application:
        raise _names_its_own("put it into the --command")
    found = on_interpreters(of_application, pythons=pythons, usual=usual)
    return (*found.deployments, *programs), msgspec.structs.replace(
        options,
        # What names none is a program, then.
        interpreter=usual if found.interpreters else found.interpreter,
        interpreters=found.interpreters,
    )


def on_one(options: "RunOptions", *, pythons: Sequence[str]) -> "RunOptions":
    """Return the options of a race on one interpreter; raise UsageError or CannotRunHere."""
    if not pythons:
        return options
    if len(pythons) > 1:
        raise UsageError(
            f"a race is run on one interpreter, not on {len(pythons)}; give one --python, and "
            "compare what wins on each with servelab try --only ... --python ..."
        )
    if options.service is not None and options.service.commands:
        # All of a race have one interpreter, and that of a program would be another than in a try.
        raise _names_its_own("put it into the --command, and race those without --python")
    found = find_interpreter(pythons[0], nearest=options.interpreter)
    return msgspec.structs.replace(options, interpreter=found)


def _names_its_own(advice: str) -> UsageError:
    return UsageError(
        f"--python is about an application, and a program names its interpreter itself; {advice}"
    )


def copy(
    deployments: Sequence["Deployment"],
    *,
    options: "RunOptions",
    folder: "RunFolder",
    printer: "Printer",
) -> dict[str, str]:
    """Copy the user's environment to each other interpreter, and import the application there.

    Return the deployments for whose interpreter that cannot be done, with the reason; raise
    CannotRunHere where these are all of them. Of each copy, a list of what it holds goes into the
    folder.
    """
    service = options.service
    user = None if service is None else service.environment
    if service is None or user is None:
        return {}
    left_out: dict[str, str] = {}
    for interpreter, those in _others(deployments, options=options, user=user).items():
        python = python_in_words(those[0].python or _label(interpreter))
        try:
            made = copies.copied(user, interpreter=interpreter, on_progress=printer.note)
            for note in _differences(made, user=user, python=python):
                printer.note(note)
            _import(service, copy=made)
        except ServelabError as error:
            left_out |= {each.name: str(error) for each in those}
            if len(left_out) == len(deployments) == len(those):
                raise CannotRunHere(f"{service.name} cannot be served: {error}") from None
            printer.note(f"Left out: all on {python}: {error}")
            continue
        _keep(made, label=those[0].python or _label(interpreter), user=user, folder=folder)
    if left_out and len(left_out) == len(deployments):
        raise CannotRunHere(
            f"{service.name} cannot be served on any of these interpreters, for the reasons above; "
            "correct what the first of them says, or leave --python out"
        )
    return left_out


def _others(
    deployments: Sequence["Deployment"], *, options: "RunOptions", user: UserEnvironment
) -> dict[Interpreter, list["Deployment"]]:
    """Return the deployments on each interpreter that is not the environment's."""
    found: dict[Interpreter, list[Deployment]] = {}
    for each in deployments:
        interpreter = interpreter_of(each, options=options)
        if not catalogue.is_own_command(each) and copies.is_needed(user, interpreter=interpreter):
            found.setdefault(interpreter, []).append(each)
    return found


def _import(service: "Service", *, copy: "Copy") -> None:
    """Import the application on the other interpreter, too; raise ServelabError where it cannot."""
    place = copy.environment
    with scratch.folder() as folder:
        seen = application.find(
            service.name,
            interpreter=place.python,
            directory=Path(service.directory),
            variables=dict(service.variables),
            launch=launched,
            log=folder / "log",
            copied_from=place.copied_from,
        )
    here = (service.application, service.interface, service.is_factory)
    if (seen.target, seen.interface, seen.is_factory) != here:
        raise CannotRunHere(
            f"{service.name} is another application there: {seen.called}, for "
            f"{seen.interface.value.upper()}; name it so that it is the same on both"
        )


def _differences(made: "Copy", *, user: UserEnvironment, python: str) -> Iterable[str]:
    if made.missing:
        yield (
            f"{python}: {_listed(made.missing)} of {user.directory} cannot be copied, as it came "
            "from no index and is not of Python alone; what imports it will not run there."
        )
    if made.unneeded:
        yield (
            f"{python}: {_listed(made.unneeded)} cannot be had there, and is left out, as none of "
            "the packages needs it there."
        )
    if made.added:
        yield (
            f"{python}: {_listed(made.added)} is there beside the versions of {user.directory}, "
            "whose packages need it on this interpreter."
        )


def _keep(made: "Copy", *, label: str, user: UserEnvironment, folder: "RunFolder") -> None:
    """Write what the copy holds into the results folder, as pip reads it."""
    elsewhere = set(made.environment.from_elsewhere) | {each.name for each in made.missing}
    packages = [each for each in made.environment.packages if each.name not in elsewhere]
    others = [each for each in user.packages if each.name in elsewhere]
    lines = [
        f"# What {user.directory} holds, as it was measured on {python_in_words(label)}.",
        *(f"{each.name}=={each.version}" for each in packages),
        *(
            f"# from no index, to be installed as it was there: {_listed([each])}"
            for each in others
        ),
    ]
    ready_files.write_files(
        [TextFile(name=requirements_name(label), text="\n".join(lines) + "\n")],
        folder=folder.path,
        existing=ready_files.Existing.REPLACE,
    )


def _listed(packages: Sequence[Package]) -> str:
    return ", ".join(f"{each.name} {each.version}" for each in packages)


def _label(interpreter: Interpreter) -> str:
    return shortest_version(interpreter, among=[interpreter])
