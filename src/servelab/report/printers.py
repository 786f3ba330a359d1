"""How a run is told while it goes on and when it ends: to a person, or to a program."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console

from servelab.model.progress import Event, ProbeJudged, Progress, Skipped
from servelab.model.trial import Trial
from servelab.report import (
    capacity_view,
    commands_view,
    json_text,
    load_view,
    tables,
    terminal,
    view,
)
from servelab.report.plain_text import plain
from servelab.report.progress import LiveProgress
from servelab.store import redaction
from servelab.store.folder import DEPLOY_FOLDER, LIGHTER_FOLDER, StoredRun

_READY = ((DEPLOY_FOLDER, "what was best"), (LIGHTER_FOLDER, "its lighter equal"))
Observer = Callable[[Event], None]


class Printer(Protocol):
    """Tells of a run."""

    def live(self) -> AbstractContextManager[Observer]:
        """Return a block in which events are shown."""

    def note(self, text: str) -> None:
        """Tell something beside the results."""

    def trial(self, trial: Trial) -> None:
        """Tell of a trial that has ended."""

    def step(self, trial: Trial) -> None:
        """Tell of one that is one of many of its deployment."""

    def skipped(self, skipped: Skipped) -> None:
        """Tell of a deployment that cannot run here."""

    def finish(self, run: StoredRun) -> None:
        """Tell of the whole run."""


def choose(*, as_json: bool, quiet: bool, verbose: bool) -> Printer:
    """Return the printer that was asked for."""
    console, notes = terminal.console(), terminal.Patient(stderr=True, highlight=False)
    if as_json:
        return JsonPrinter(notes, verbose=verbose)
    return TextPrinter(console, notes, blocks=not quiet, verbose=verbose)


class _Printer:
    _tells_probes = False

    def __init__(self, notes: Console, *, verbose: bool) -> None:
        self._notes = notes
        self._verbose = verbose

    @contextmanager
    def live(self) -> Iterator[Observer]:
        """Show events on standard error: a bar where that is a terminal, lines where asked for."""
        with LiveProgress(self._notes) as bars:

            def observe(event: Event) -> None:
                bars.show(event)
                if self._verbose and isinstance(event, Progress) and event.done is None:
                    self.note(f"{event.title}: {event.stage.value} {event.detail}".rstrip())
                if (self._verbose or self._tells_probes) and isinstance(event, ProbeJudged):
                    self.note(
                        capacity_view.probe_line(
                            event.probe, event.observation, quantile=event.quantile
                        )
                    )

            yield observe

    def note(self, text: str) -> None:
        """Print a line on standard error."""
        self._notes.print(plain(text), markup=False, soft_wrap=True)

    def step(self, trial: Trial) -> None:
        """Tell in a line of a trial that is one of many of its deployment."""
        self.note(view.step(trial))

    def skipped(self, skipped: Skipped) -> None:
        """Tell of a deployment that cannot run here."""
        self.note(f"skipped {skipped.deployment}: {skipped.reason}")


class TextPrinter(_Printer):
    """Tells a person: each block as soon as it is measured, then verdict and table."""

    def __init__(self, console: Console, notes: Console, *, blocks: bool, verbose: bool) -> None:
        super().__init__(notes, verbose=verbose)
        self._console = console
        self._blocks = self._tells_probes = blocks

    def trial(self, trial: Trial) -> None:
        """Print the block of a trial."""
        if trial.is_load_alone:
            tell = terminal.print_load if self._blocks else terminal.print_verdict
            tell(self._console, load_view.page(trial))
        elif self._blocks and trial.step is None:
            terminal.print_block(self._console, view.block(trial))

    def finish(self, run: StoredRun) -> None:
        """Print a table for each workload with several trials, and where the results are."""
        found = capacity_view.result(run)
        if found is not None:
            page = capacity_view.page(run, found)
            terminal.print_capacity(self._console, page, whole=self._blocks)
        for table in tables.tables(run):
            if len(table.rows) > 1 or not self._blocks or run.tuning is not None:
                terminal.print_table(self._console, table)
        for table in tables.stopping_tables(run):
            if len(table.rows) > 1 or not self._blocks:
                terminal.print_table(self._console, table)
        for of_workload in commands_view.commands(run):
            terminal.print_commands(self._console, of_workload)
        for broken in run.broken:
            self.note(f"! {broken}")
        if run.end.interrupted and found is None:
            self.note(_interrupted(run))
        self.note("\n".join(_places(run)))


class JsonPrinter(_Printer):
    """Tells a program: one object on standard output, nothing else there."""

    def trial(self, trial: Trial) -> None:
        """Keep silent; the object comes at the end."""

    def finish(self, run: StoredRun) -> None:
        """Print the object."""
        for broken in run.broken:
            self.note(f"! {broken}")
        terminal.write(json_text.render(run) + "\n")


def _interrupted(run: StoredRun) -> str:
    of_all = "" if run.end.planned is None else f" of {run.end.planned}"
    text = f"Interrupted: {len(run.trials)}{of_all} trials are measured."
    if run.plan is None and run.tuning is None:
        return text
    if (again := _again(run)) is not None:
        return f"{text} Begin again with: {again}"
    command = "run" if run.tuning is None else "tune"
    return f"{text} Go on with: servelab {command} --resume {shlex.quote(str(_short(run.folder)))}"


def _again(run: StoredRun) -> str | None:
    """Return how to begin again where the folder lacks what it takes to go on; else None."""
    order = run.tuning or run.plan
    service = None if order is None else order.options.service
    if service is None or not redaction.lost_of(service):
        return None
    command = "try" if run.tuning is None else "tune"
    what = shlex.quote(service.name) if service.application else "--command ..., as before"
    return f"servelab {command} {what}"


def _places(run: StoredRun) -> Iterator[str]:
    """Yield where the results are, and files that a race has made of them."""
    yield f"\nResults: {_short(run.folder)}"
    for name, what in _READY:
        if run.tuning is not None and (run.folder / name).is_dir():
            yield f"Files to serve with {what}: {_short(run.folder / name)}"


def _short(folder: Path) -> Path:
    """Return a folder as one would type it here."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
