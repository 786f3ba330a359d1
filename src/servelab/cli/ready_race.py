"""Files to serve with what won a race: into its results folder, and where they were asked for."""

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from servelab.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servelab.model.deployment import Deployment
    from servelab.model.ready import EnvironmentFile, Ready
    from servelab.model.service import Service
    from servelab.model.tuning import Candidate, Tuned, TuningOrder
    from servelab.report.printers import Printer
    from servelab.store.folder import StoredRun


_OF_THE_USER = frozenset({"HOME", "LOGNAME", "TMPDIR", "USER"})
"""Of what servers inherit: a unit's ``User=`` sees to these."""


class Elsewhere(Struct, frozen=True, kw_only=True):
    """Where else the winner's files go, as it was typed."""

    folder: Path | None = None
    is_forced: bool = False
    """Whether what is there is written over."""


def refuse_what_is_there(
    asked: Elsewhere, *, application: str | None, commands: "Sequence[str]"
) -> None:
    """Raise UsageError where the files of a winner could not go where they are asked for.

    It is early: the settings of the winner's server may still have a file of a name that is there.
    """
    from servelab.cli import typed_commands
    from servelab.report import deploy
    from servelab.store import ready_files

    if asked.folder is None:
        return
    if asked.folder.exists() and not asked.folder.is_dir():
        raise UsageError(f"--write {asked.folder} is no folder; name one, or one to be made")
    if not asked.is_forced:
        typed = typed_commands.commands_of(commands, has_port=True)
        names = [*([application] if application else []), *(each.name for each in typed)]
        files = dict.fromkeys(file for name in names for file in deploy.names_of(name))
        ready_files.refuse_what_is_there(files, folder=asked.folder)


def into_results(
    run: "StoredRun", found: "Tuned", *, order: "TuningOrder", printer: "Printer"
) -> None:
    """Write the files of the winner, and of the lightest equivalent, into the results folder.

    `order` has the values that are not stored. What cannot be written is told, and no error: the
    race is over.
    """
    from servelab.report import race_result
    from servelab.store import folder as stored
    from servelab.store import ready_files

    names = (stored.DEPLOY_FOLDER, stored.LIGHTER_FOLDER)
    # Where there is no winner, there is no equal of it, either.
    for candidate, name in zip(race_result.to_serve_with(found), names, strict=False):
        folder = run.folder.absolute() / name
        try:
            ready_files.write_files(
                _ready(run, found, candidate, order=order, folder=folder).files,
                folder=folder,
                existing=ready_files.Existing.REPLACE,
            )
        except UsageError as error:
            printer.note(f"! no files to serve {candidate} with: {error}")


def elsewhere(
    run: "StoredRun",
    found: "Tuned",
    *,
    order: "TuningOrder",
    asked: Elsewhere,
    printer: "Printer",
) -> None:
    """Write the winner's files where they were asked for; tell what goes with them.

    What cannot be written is told, and no error: the race is over, and its answer stands.
    """
    from servelab.store import folder as stored

    assert found.winner is not None  # noqa: S101 - there are no files without one
    own = run.folder.absolute() / stored.DEPLOY_FOLDER
    folder = own if asked.folder is None else asked.folder.absolute()
    try:
        made = _ready(run, found, found.winner, order=order, folder=folder)
    except UsageError as error:
        if asked.folder is not None:
            printer.note(f"! nothing is written to {folder}: {error}")
        return
    if asked.folder is not None:
        try:
            paths = _write(made, folder=folder, asked=asked)
        except (UsageError, StoreError) as error:
            printer.note(f"! {error}; the files are in {own}")
            return
        printer.note(f"Written: {', '.join(map(str, paths))}")
    for text in (*made.differences, *made.notes):
        printer.note(f"  {text}")


def _write(made: "Ready", *, folder: Path, asked: Elsewhere) -> tuple[Path, ...]:
    from servelab.store import ready_files

    return ready_files.write_files(
        made.files,
        folder=folder,
        existing=ready_files.Existing.REPLACE if asked.is_forced else ready_files.Existing.KEEP,
    )


def _ready(
    run: "StoredRun",
    found: "Tuned",
    candidate: "Candidate",
    *,
    order: "TuningOrder",
    folder: Path,
) -> "Ready":
    from servelab.cli import race_space
    from servelab.linux import ports
    from servelab.model.ready import Place
    from servelab.report import deploy, race_result

    service = order.options.service
    assert service is not None  # noqa: S101 - nothing else is raced
    deployment = race_space.deployment_of(order)(candidate)
    is_project = folder.resolve() == Path(service.directory).resolve()
    return deploy.ready(
        deployment,
        service=service,
        trial=race_result.trial_to_copy(run, found, candidate),
        place=Place(
            folder=None if is_project else str(folder),
            environment_file=_variables_of(service),
            inherited=_inherited(),
            program=_program_of(deployment, service=service),
        ),
        listen_limit=ports.listen_limit(),
    )


def _program_of(deployment: "Deployment", *, service: "Service") -> str | None:
    """Return where the program of a command is found by its name, as when it was measured.

    None of a server, of a program that is named with its path, and where it is nowhere.
    """
    from servelab import catalogue

    if not catalogue.is_own_command(deployment):
        return None
    program, *_ = shlex.split(deployment.application)
    if "/" in program:
        return None
    user = service.environment
    places = [*([] if user is None else [str(user.directory / "bin")]), os.environ.get("PATH", "")]
    return shutil.which(program, path=os.pathsep.join(places))


def _variables_of(service: "Service") -> "EnvironmentFile | None":
    """Return the project's ``.env`` where it has one that can be read."""
    from servelab.model.ready import EnvironmentFile
    from servelab.report import systemd_variables

    file = Path(service.directory) / ".env"
    try:
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
    return EnvironmentFile(path=str(file), variables=tuple(systemd_variables.read(text).items()))


def _inherited() -> tuple[tuple[str, str], ...]:
    """Return what servers have of this process, but for what belongs to its user."""
    from servelab.launch.server import inherited

    found = inherited(os.environ)
    return tuple(pair for pair in found.items() if pair[0] not in _OF_THE_USER)
