"""What starts a server, and what came of stopping it."""

import shlex

from msgspec import Struct


class LaunchCommand(Struct, frozen=True, kw_only=True):
    """A command line as its user would type it in the server's environment and folder."""

    argv: tuple[str, ...]
    """The program is looked up in the environment's ``bin`` first."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables which belong to the command, such as ``FLASK_APP``."""
    departures: tuple[str, ...] = ()
    """Where, and why, the command differs from the seed's; one sentence each."""

    def __str__(self) -> str:
        assignments = [f"{name}={shlex.quote(value)}" for name, value in self.variables]
        return " ".join([*assignments, shlex.join(self.argv)])


class StopReport(Struct, frozen=True, kw_only=True):
    """How a server ended."""

    seconds: float
    """From SIGTERM until its tree and its listeners were gone."""
    exit_code: int | None
    """Of the process that was started; negative is the number of the signal that ended it."""
    exited_before_stop: bool
    was_killed: bool
    """It, or a process of its tree, outlived the grace period and was sent SIGKILL."""
