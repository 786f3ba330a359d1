"""The view model on a terminal."""

import re

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from servelab.model.trial import TrialStatus
from servelab.report.view import Block, Line, Table

_LABEL_WIDTH = 21
_CONTROL_CODES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """Return text without control codes: what a server wrote must not steer the terminal."""
    return _CONTROL_CODES.sub("�", text)


def print_block(console: Console, block: Block) -> None:
    """Print all that is said of one trial."""
    heading = f"{block.stack}: {block.heading}" if block.heading else block.stack
    console.print()
    console.print(Text(plain(heading), style="bold"))
    if block.summary:
        _print(console, block.summary, style="dim")
    _print(console, f"$ {block.command}")
    for departure in block.departures:
        _print(console, f"  {departure}", style="dim")
    console.print()
    if block.status is not TrialStatus.OK:
        _print(console, f"{block.status.value.upper()}: {block.reason}", style="red")
    _print_lines(console, block.seed_lines)
    if block.seed_lines:
        console.print()
    _print_lines(console, block.lines)
    for sample in block.samples:
        _print(console, f"  e.g. {sample}", style="dim")
    for warning in block.warnings:
        _print(console, f"! {warning}", style="yellow")


def _print_lines(console: Console, lines: tuple[Line, ...]) -> None:
    for line in lines:
        width = _LABEL_WIDTH if line.label.endswith(":") else 5
        _print(console, f"{line.label:<{width}} {line.value}")


def print_table(console: Console, table: Table) -> None:
    """Print the verdict in words, then the table, then what to know about it."""
    console.print()
    _print(console, table.verdict, style="bold")
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("deployment", overflow="fold")
    for column in table.columns:
        grid.add_column(column, justify="right", overflow="fold")
    for row in table.rows:
        mark = "" if row.is_ranked else "* "
        cells = [Text(plain(cell)) for cell in row.cells]
        grid.add_row(Text(plain(mark + row.title)), *cells, style=None if row.is_ranked else "dim")
    console.print(grid)
    for note in table.notes:
        _print(console, note)


def _print(console: Console, text: str, *, style: str = "") -> None:
    console.print(Text(plain(text), style=style), soft_wrap=True)
