"""What is gone on with is heard once before: whether it still answers as it did."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from servelab.errors import UsageError

if TYPE_CHECKING:
    from servelab.measure.trial import TrialMeasurer
    from servelab.model.deployment import Deployment
    from servelab.model.plan import RunOptions
    from servelab.model.trial import Trial
    from servelab.report.printers import Printer
    from servelab.store.folder import RunFolder


def hear(
    deployments: Sequence["Deployment"],
    *,
    made: Iterable["Trial"],
    options: "RunOptions",
    measurer: "TrialMeasurer",
    folder: "RunFolder",
    path: Path,
    printer: "Printer",
) -> "RunOptions":
    """Return the options of a run with the answers that were too large to be stored.

    `deployments` are those that come next. Raise UsageError where they answer otherwise than what
    was measured: each of their trials would be stored as a failure, for good.
    """
    from servelab.experiment import rehearsing
    from servelab.measure.recall import recall

    service = options.service
    assert service is not None  # noqa: S101 - what else would be heard
    proven = {trial.deployment for trial in made if trial.ledger.get("ok")}
    with printer.live() as observe:
        heard = rehearsing.hear_again(
            sorted(deployments, key=lambda each: each.name not in proven),
            options=options,
            hearer=measurer,
            folder=folder,
            observe=observe,
        )
    if heard.failure is not None:
        raise UsageError(f"{path} cannot be gone on with: {heard.title}: {heard.failure}")
    recalled = recall(heard, asked=service.asked)
    if recalled.difference is not None:
        raise UsageError(
            f"{service.name} answers otherwise than when {path} was begun: {recalled.difference} "
            f"({heard.title}); put back what has changed, or begin again, as figures of two "
            "versions cannot be mixed"
        )
    service = msgspec.structs.replace(service, asked=recalled.asked)
    return msgspec.structs.replace(options, service=service)
