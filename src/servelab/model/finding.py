"""What `servelab doctor` found about a machine."""

from enum import Enum

from msgspec import Struct


class Verdict(Enum):
    """What a fact means for measuring."""

    GOOD = "good"
    NOTE = "note"
    """It blurs what is measured, or forbids a part of it; comparisons still hold."""
    BAD = "bad"
    """What is measured now would not be worth believing."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    subject: str
    fact: str
    verdict: Verdict = Verdict.GOOD
    advice: str | None = None
    """What to change, in one sentence; None where nothing needs to be."""


def is_fit(findings: tuple[Finding, ...]) -> bool:
    """Tell whether nothing forbids measuring."""
    return all(finding.verdict is not Verdict.BAD for finding in findings)
