"""What is measured is told and kept, however it ends."""

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from servelab.errors import ServelabError, StoreError

if TYPE_CHECKING:
    from servelab.measure.trial import TrialMeasurer
    from servelab.report.printers import Observer, Printer
    from servelab.store.folder import RunEnd, RunFolder, StoredRun

Item = TypeVar("Item")


class Recorded(NamedTuple):
    """What is stored, and how it came to its end."""

    run: "StoredRun"
    interrupted: bool
    error: ServelabError | None
    """To be raised when what is stored has been told."""


def record(
    measure: "Callable[[Observer], Iterable[Item]]",
    *,
    take: Callable[[Item], None],
    end: "Callable[[bool], RunEnd]",
    folder: "RunFolder",
    printer: "Printer",
) -> Recorded:
    """Measure to the end, or until something ends it; return what is stored then.

    `take` is given each item as soon as it is made; `end` says what is stored of the end, from
    whether it came too early.
    """
    from servelab.report import runs

    interrupted, error = False, None
    with printer.live() as observe:
        try:
            for item in measure(observe):
                take(item)
        except KeyboardInterrupt:
            interrupted = True
        except ServelabError as stopped:
            interrupted, error = True, stopped
    with contextlib.suppress(StoreError):  # a full disk keeps nothing more, and is told later
        folder.close(end(interrupted))
    return Recorded(run=runs.read(folder.path), interrupted=interrupted, error=error)


def tell_of_others(measurer: "TrialMeasurer", *, printer: "Printer") -> None:
    """Say who else measures on this machine, and what a killed run has left."""
    from servelab.explain import disturbance
    from servelab.launch import leftovers
    from servelab.report import leftovers_view

    for text in (
        disturbance.notice_of_others(measurer.other_runs()),
        leftovers_view.note(leftovers.find()),
    ):
        if text:
            printer.note(text)
