"""A rehearsal, told; what `try` and `tune` have in common."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from servelab.errors import CannotRunHere

if TYPE_CHECKING:
    from servelab.measure.trial import TrialMeasurer
    from servelab.model.agreement import Agreement
    from servelab.model.deployment import Deployment
    from servelab.model.plan import RunOptions
    from servelab.report.printers import Printer
    from servelab.store.folder import RunFolder


def rehearse(
    deployments: Sequence["Deployment"],
    *,
    options: "RunOptions",
    measurer: "TrialMeasurer",
    folder: "RunFolder",
    printer: "Printer",
    ignored: Sequence[re.Pattern[bytes]],
) -> "Agreement":
    """Hear all deployments of a service, and say which go on; CannotRunHere where none does."""
    from servelab.experiment import rehearsing
    from servelab.model.progress import Skipped
    from servelab.report import agreement_words

    assert options.service is not None  # noqa: S101 - what else would be rehearsed
    with printer.live() as observe:
        agreement = rehearsing.rehearse(
            deployments,
            service=options.service,
            options=options,
            hearer=measurer,
            folder=folder,
            observe=observe,
            ignored=ignored,
        )
    for name, reason in agreement.excluded:
        printer.skipped(Skipped(deployment=name, reason=reason))
    printer.note(agreement_words.sentence(agreement, count=len(deployments)))
    if not agreement.agreeing:
        raise CannotRunHere(
            f"no server gives an answer of {options.service.name} that is worth timing"
        )
    return agreement
