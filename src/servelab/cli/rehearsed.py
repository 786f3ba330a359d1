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
    from servelab.model.service import Service
    from servelab.report.printers import Printer
    from servelab.store.folder import RunFolder

_REASON_AND_COUNT = 2
"""Lines: what the refusal says already."""


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
    _tell(agreement, deployments=deployments, service=options.service, printer=printer)
    return agreement


def _tell(
    agreement: "Agreement",
    *,
    deployments: Sequence["Deployment"],
    service: "Service",
    printer: "Printer",
) -> None:
    """Say which deployments go on, and why the others do not; CannotRunHere where none does."""
    from servelab.report import agreement_words

    titles = {each.name: each.title for each in deployments}
    told = agreement_words.lines(agreement, titles=titles)
    refusal = None if agreement.agreeing else agreement_words.refusal(agreement, name=service.name)
    for line in told if refusal is None or len(told) > _REASON_AND_COUNT else ():
        printer.note(line)
    if refusal is not None:
        raise CannotRunHere(refusal)
