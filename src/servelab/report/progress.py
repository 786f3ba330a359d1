"""A live line of progress, on a terminal only."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from servelab.model.progress import Event, Progress, Skipped, Stage, TrialEnded, TrialStarted
from servelab.model.trial import PILOT_ROUND
from servelab.report.plain_text import name


class LiveProgress:
    """Shows which trial runs, its stage, requests done and the expected end."""

    def __init__(self, console: Console) -> None:
        self._bars = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            # Reports that go to a file must not be drawn into the terminal of the notes.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._trials: TaskID | None = None
        self._requests: TaskID | None = None
        self._round: int | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def show(self, event: Event) -> None:
        """Take notice of an event."""
        match event:
            case TrialStarted():
                self._start(event)
            case Progress():
                self._advance(event)
            case TrialEnded() | Skipped():
                if self._trials is not None:
                    self._bars.advance(self._trials)

    def _start(self, event: TrialStarted) -> None:
        if event.count > 1 and self._trials is None:
            self._trials = self._bars.add_task("trials", total=event.count, note="")
        if self._trials is not None:
            if event.index == 1 or event.round != self._round:
                word = "pilots" if event.round == PILOT_ROUND else f"round {event.round}"
                self._bars.reset(self._trials, total=event.count, description=word)
            # One that is gone on with begins in the middle of a round.
            self._bars.update(self._trials, completed=event.index - 1)
        self._round = event.round
        if self._requests is not None:
            self._bars.remove_task(self._requests)
        self._requests = self._bars.add_task(name(event.title), total=None, note="")

    def _advance(self, event: Progress) -> None:
        if self._requests is None:
            self._requests = self._bars.add_task("", total=None, note="")
        note = event.stage.value if event.stage is not Stage.LOADING else ""
        if event.failed:
            note = f"{event.failed} failed"
        self._bars.update(
            self._requests,
            description=name(event.title),
            total=event.total,
            completed=event.done or 0,
            note=name(f"{note} {event.detail}".strip()),
        )
