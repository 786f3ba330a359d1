"""What starts a server, and what came of stopping it."""

import shlex

from msgspec import Struct

PYTHON_PATH = "PYTHONPATH"
"""The variable with folders that an interpreter imports from, after the program's own."""
_DRAIN_FACTOR = 2.0
"""A server may work on requests whose callers have given up, as long again as they waited."""


def longest_drain_s(timeout_s: float) -> float:
    """Return how long the last of all queued calls may take, each of which may take so long."""
    return _DRAIN_FACTOR * timeout_s


class LaunchCommand(Struct, frozen=True, kw_only=True):
    """A command line as its user would type it in the server's environment and folder."""

    argv: tuple[str, ...]
    """The program is looked up in the environment's ``bin`` first."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables which belong to the command, such as ``FLASK_APP``."""
    departures: tuple[str, ...] = ()
    """Where, and why, the command differs from the seed's; one sentence each."""
    module_folder: str = ""
    """Where a module lies which the server imports; it goes on its interpreter's path."""
    keeps_python_path: bool = False
    """PYTHONPATH is set beside the command: the module's folder goes after what it holds."""

    def __str__(self) -> str:
        assignments = [f"{name}={_quoted(value)}" for name, value in self.variables]
        return " ".join([*self.path_assignment, *assignments, *map(_quoted, self.argv)])

    @property
    def path_assignment(self) -> tuple[str, ...]:
        """Return what a shell is told of the module's folder; nothing where there is none."""
        if not self.module_folder:
            return ()
        before = f"${PYTHON_PATH}:" if self.keeps_python_path else ""
        return (f"{PYTHON_PATH}={before}{shlex.quote(self.module_folder)}",)


def _quoted(word: str) -> str:
    """Quote a word for a shell, in the form that is easier to read."""
    if "'" in word and not set('"$`\\!\n') & set(word):
        return f'"{word}"'
    return shlex.quote(word)


class ConfigurationFile(Struct, frozen=True, kw_only=True):
    """A server's settings in a file of the kind that its manual advises."""

    name: str
    """Such as ``gunicorn.conf.py``."""
    text: str
    command: LaunchCommand
    """Starts the server with it, in the folder where it lies."""
    remarks: tuple[str, ...] = ()
    """What its reader should know, one sentence each; the text has them as comments."""


class StopReport(Struct, frozen=True, kw_only=True):
    """How a server ended."""

    seconds: float
    """From SIGTERM until its tree and its listeners were gone."""
    exit_code: int | None
    """Of the process that was started; negative is the number of the signal that ended it."""
    exited_before_stop: bool
    was_killed: bool
    """It, or a process of its tree, outlived the grace period and was sent SIGKILL."""


class GracefulStop(Struct, frozen=True, kw_only=True):
    """What became of the requests of a load when the server was sent SIGTERM under it."""

    in_flight: int
    """Requests without an answer at that moment, waiting for a connection or a worker included."""
    in_work: int | None
    """How many calls the application had begun and not ended; None where it does not count."""
    answered: int
    """Of those in flight: correct answers that came."""
    lost: dict[str, int] = {}
    """Of those in flight: outcome class -> count of the others."""
    later: dict[str, int] = {}
    """Of the requests that began afterwards: outcome class -> count."""
    last_answer_s: float | None
    """From SIGTERM until the last correct answer; None where none came."""
    seconds: float
    """From SIGTERM until the whole tree was gone."""
    exit_code: int | None
    was_killed: bool
    """Some of it outlived the grace period, or its own first process, and was sent SIGKILL."""
    grace_s: float
    """How long it was given."""
    records: str | None = None
    """File of the single requests, relative to the results folder."""
