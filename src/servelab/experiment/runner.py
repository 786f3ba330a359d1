"""Makes the trials of a plan, one after another, and stores each the moment it exists."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from servelab.errors import CannotRunHere, PortBusy
from servelab.experiment.plan import Past
from servelab.model.progress import Event, Skipped, TrialEnded, TrialStarted
from servelab.model.trial import Trial, TrialSpec
from servelab.store.folder import RunFolder

_TRIES = 3
"""Of a trial whose port somebody else takes; unless it was asked for, each has another port."""


class Measurer(Protocol):
    """Makes one trial."""

    def measure(
        self, spec: TrialSpec, *, folder: RunFolder, observe: Callable[[Event], None]
    ) -> Trial:
        """Return the trial; raise CannotRunHere or PortBusy where it cannot even be tried."""


class Planner(Protocol):
    """Says which trials are to be made."""

    def next_trials(self, past: Past) -> tuple[TrialSpec, ...]:
        """Return some that come next, in their order; none at the end."""


def run(
    planner: Planner,
    *,
    past: Past,
    measurer: Measurer,
    folder: RunFolder,
    observe: Callable[[Event], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Trial | Skipped]:
    """Yield each trial once it is on the disk, and each deployment that cannot run here.

    `past` is what an earlier, interrupted run of the same plan has left.
    """
    began_s = clock() - past.elapsed_s
    while specs := planner.next_trials(past):
        for index, spec in enumerate(specs, start=1):
            if spec.deployment.name in past.skipped:
                continue
            observe(
                TrialStarted(
                    title=spec.deployment.title, index=index, count=len(specs), round=spec.round
                )
            )
            try:
                item = make(spec, measurer=measurer, folder=folder, observe=observe, clock=clock)
            except PortBusy as error:
                item = Skipped(deployment=spec.deployment.name, reason=str(error))
                observe(item)
            past = _with(past, item, elapsed_s=clock() - began_s)
            yield item


def make(
    spec: TrialSpec,
    *,
    measurer: Measurer,
    folder: RunFolder,
    observe: Callable[[Event], None],
    clock: Callable[[], float] = time.monotonic,
) -> Trial | Skipped:
    """Return a trial once it is on the disk, or why its deployment cannot run here.

    Raise PortBusy where somebody else has its port, which says nothing of the deployment.
    """
    began_s = clock()
    try:
        trial = measured(spec, measurer=measurer, folder=folder, observe=observe)
    except CannotRunHere as error:
        skipped = Skipped(deployment=spec.deployment.name, reason=str(error))
        observe(skipped)
        return skipped
    stored = folder.append(msgspec.structs.replace(trial, whole_s=clock() - began_s))
    observe(TrialEnded(trial=stored))
    return stored


def measured(
    spec: TrialSpec, *, measurer: Measurer, folder: RunFolder, observe: Callable[[Event], None]
) -> Trial:
    """Return the trial, of which the port may have been taken in the moment before it began.

    Raise CannotRunHere, or PortBusy where it is taken again and again.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(PortBusy):
            return measurer.measure(spec, folder=folder, observe=observe)
    return measurer.measure(spec, folder=folder, observe=observe)


def _with(past: Past, item: Trial | Skipped, *, elapsed_s: float) -> Past:
    if isinstance(item, Trial):
        return msgspec.structs.replace(past, trials=(*past.trials, item), elapsed_s=elapsed_s)
    return msgspec.structs.replace(
        past, skipped=past.skipped | {item.deployment}, elapsed_s=elapsed_s
    )
