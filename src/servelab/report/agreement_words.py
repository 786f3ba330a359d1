"""What a rehearsal has shown, in words."""

from collections.abc import Iterable, Mapping, Sequence

from servelab.model.agreement import Agreement
from servelab.report import quantities


def lines(agreement: Agreement, *, titles: Mapping[str, str]) -> tuple[str, ...]:
    """Return why deployments were left out, then how many agree, and what is checked of them.

    `titles` has a title for the name of each deployment that was heard. What holds for several is
    said once.
    """
    count = len(titles)
    by_reason: dict[str, list[str]] = {}
    for name, reason in agreement.excluded:
        by_reason.setdefault(reason, []).append(titles[name])
    left_out = [
        f"Left out: {_named(names, count=count)}: {reason}" for reason, names in by_reason.items()
    ]
    return (*left_out, " ".join(_sentences(agreement, count=count)))


def refusal(agreement: Agreement, *, name: str) -> str:
    """Return in a sentence that no deployment of an application is worth timing, and why."""
    reasons = dict.fromkeys(reason for _, reason in agreement.excluded)
    if len(reasons) == 1:
        return f"{name} cannot be timed on any of its servers: {next(iter(reasons))}"
    return (
        f"{name} cannot be timed on any of its servers, for the reasons above; correct what the "
        "first of them says, and try again"
    )


def _named(titles: Sequence[str], *, count: int) -> str:
    if len(titles) == count > 1:
        return f"all {count} deployments"
    return ", ".join(titles)


def _sentences(agreement: Agreement, *, count: int) -> Iterable[str]:
    agreeing = len(agreement.agreeing)
    deployments = quantities.counted(count, "deployment", "deployments")
    if count == 1 and agreeing:
        yield "The deployment answers as it should."
    else:
        verb = "gives" if agreeing == 1 else "give"
        yield f"{agreeing} of {deployments} {verb} the same answers."
    for number in agreement.changing:
        request = agreement.asked[number].request
        yield (
            f"The body of {request.method} {request.path} is another each time: its status is "
            "checked, and how it begins."
        )
