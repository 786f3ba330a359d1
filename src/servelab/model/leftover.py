"""What a run left that could not end in good order."""

from pathlib import Path

from msgspec import Struct


class LeftProcess(Struct, frozen=True, kw_only=True):
    """A process of an earlier run's server that still runs."""

    pid: int
    start_ticks: int
    """Clock ticks after boot at which it started: tells it from a later one of that number."""
    name: str


class Leftover(Struct, frozen=True, kw_only=True):
    """What is left of one server whose supervisor, guard and servelab were all killed."""

    note: Path
    """Where it is noted."""
    tag: str
    """In the environment of every process of that server."""
    program: str
    started_at: str
    """UTC, ISO 8601."""
    log: Path
    """What the server wrote."""
    is_from_another_boot: bool
    """The machine was restarted meanwhile: nothing of it can run."""
    processes: tuple[LeftProcess, ...] = ()
    groups: tuple[str, ...] = ()
    """Folders of control groups that were to limit it."""
    files: tuple[Path, ...] = ()
    """Half-written files of its run."""
    unfinished: Path | None = None
    """Results folder of its run, where that was cut short; never removed."""


class Removal(Struct, frozen=True, kw_only=True):
    """What came of removing a leftover."""

    leftover: Leftover
    killed: int
    is_complete: bool
    """False where a process or a control group is still there; it stays noted."""
