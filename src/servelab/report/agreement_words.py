"""What a rehearsal has shown, in words."""

from collections.abc import Iterable

from servelab.model.agreement import Agreement
from servelab.report import quantities


def sentence(agreement: Agreement, *, count: int) -> str:
    """Return how many of the deployments give the same answers, and what is checked of them."""
    return " ".join(_sentences(agreement, count=count))


def _sentences(agreement: Agreement, *, count: int) -> Iterable[str]:
    agreeing = len(agreement.agreeing)
    deployments = quantities.counted(count, "deployment", "deployments")
    yield f"{agreeing} of {deployments} {'gives' if agreeing == 1 else 'give'} the same answers."
    for number in agreement.changing:
        request = agreement.asked[number].request
        yield (
            f"The body of {request.method} {request.path} is another each time: its status is "
            "checked, and how it begins."
        )
