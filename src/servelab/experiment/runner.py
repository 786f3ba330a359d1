"""Makes the trials of a plan, one after another, and stores each the moment it exists."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from servelab.errors import CannotRunHere, PortBusy
from servelab.model.progress import Event, Skipped, TrialEnded, TrialStarted
from servelab.model.trial import Trial, TrialSpec
from servelab.store.folder import RunFolder


class Measurer(Protocol):
    """Makes one trial."""

    def measure(
        self, spec: TrialSpec, *, folder: RunFolder, observe: Callable[[Event], None]
    ) -> Trial:
        """Return the trial; raise CannotRunHere or PortBusy where it cannot even be tried."""


def run(
    specs: Sequence[TrialSpec],
    *,
    measurer: Measurer,
    folder: RunFolder,
    observe: Callable[[Event], None],
) -> Iterator[Trial | Skipped]:
    """Yield each trial once it is on the disk, and each deployment that cannot run here."""
    for index, spec in enumerate(specs, start=1):
        observe(TrialStarted(title=spec.deployment.title, index=index, count=len(specs)))
        try:
            trial = measurer.measure(spec, folder=folder, observe=observe)
        except (CannotRunHere, PortBusy) as error:
            skipped = Skipped(deployment=spec.deployment.name, reason=str(error))
            observe(skipped)
            yield skipped
            continue
        folder.append(trial)
        observe(TrialEnded(trial=trial))
        yield trial
