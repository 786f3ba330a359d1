"""What `servelab doctor` says: the verdict in words, then every finding."""

import msgspec
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from servelab.model.finding import Finding, Verdict, is_fit
from servelab.report import quantities, terminal
from servelab.report.plain_text import plain

_STYLES = {Verdict.GOOD: "", Verdict.NOTE: "yellow", Verdict.BAD: "red"}


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    format: int = 1
    is_fit: bool
    verdict: str
    findings: tuple[Finding, ...]


def verdict(findings: tuple[Finding, ...]) -> str:
    """Return in one sentence whether the machine is fit to measure on."""
    bad = sum(finding.verdict is Verdict.BAD for finding in findings)
    notes = sum(finding.verdict is Verdict.NOTE for finding in findings)
    if bad:
        stand = quantities.counted(bad, "thing stands", "things stand")
        return f"This machine cannot compare deployments just now: {stand} in the way."
    if notes:
        would = quantities.counted(notes, "thing", "things")
        return f"This machine can compare deployments; {would} would make it better."
    return "This machine is fit to compare deployments."


def print_findings(findings: tuple[Finding, ...]) -> None:
    """Print the verdict, then a row for each finding, with its advice."""
    console = terminal.console()
    console.print()
    console.print(Text(verdict(findings), style="bold"))
    if console.is_terminal and console.width < terminal.NARROW:
        for finding in findings:
            _print_paragraph(console, finding)
    else:
        console.print(_table(findings))


def _print_paragraph(console: Console, finding: Finding) -> None:
    console.print()
    heading = f"{finding.verdict.value}: {finding.subject}"
    console.print(Text(heading, style=_STYLES[finding.verdict]))
    for text in (finding.fact, finding.advice or ""):
        if text:
            console.print(Padding(Text(plain(text)), (0, 0, 0, 2)))


def _table(findings: tuple[Finding, ...]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("")
    grid.add_column("what", no_wrap=True)
    grid.add_column("found", overflow="fold", ratio=1)
    grid.add_column("advice", overflow="fold", ratio=1)
    for finding in findings:
        grid.add_row(
            finding.verdict.value,
            finding.subject,
            Text(plain(finding.fact)),
            Text(plain(finding.advice or "")),
            style=_STYLES[finding.verdict],
        )
    return grid


def print_json(findings: tuple[Finding, ...]) -> None:
    """Print one object: ``is_fit``, ``verdict`` in words, ``findings``."""
    document = _Document(is_fit=is_fit(findings), verdict=verdict(findings), findings=findings)
    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    terminal.write(text + "\n")
