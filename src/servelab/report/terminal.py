"""The view model on a terminal."""

import os
import re
import sys
from typing import IO

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from servelab.model.trial import TrialStatus
from servelab.report import bars, capacity_view
from servelab.report.capacity_view import CapacityPage
from servelab.report.load_view import LoadPage
from servelab.report.view import Block, Line, Row, Table

_LABEL_WIDTH = 21
WIDE = 176
"""Columns of a terminal from which on the table is shown whole."""
_CONTROL_CODES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """Return text without control codes: what a server wrote must not steer the terminal."""
    return _CONTROL_CODES.sub("�", text)


class Patient(Console):
    """A console which outlives its reader: what is measured is stored all the same."""

    def on_broken_pipe(self) -> None:
        """Print into nothing from now on."""
        self.quiet = True
        _silence(self.file)


def write(text: str) -> None:
    """Write to standard output as it is; a reader who has gone misses it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)


def _silence(stream: IO[str]) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def console() -> Console:
    """Return standard output; a file or a pipe has room for the whole table."""
    return Patient(highlight=False, width=None if sys.stdout.isatty() else WIDE)


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


def print_load(console: Console, page: LoadPage) -> None:
    """Print all that is said of load alone."""
    console.print()
    console.print(Text(plain(page.url), style="bold"))
    _print(console, page.load)
    for departure in page.departures:
        _print(console, f"  {departure}", style="dim")
    console.print()
    print_verdict(console, page)
    console.print()
    _print_lines(console, page.lines)
    if page.rows:
        console.print(_times(page))
    if page.histogram is not None:
        _print(console, "response time, ms")
        blocks = bars.EIGHTHS if console.encoding.startswith("utf") else bars.WHOLE
        for row in bars.rows(page.histogram, blocks=blocks):
            _print(console, f"  {row}")
    for sample in page.samples:
        _print(console, f"  e.g. {sample}", style="dim")
    for warning in page.warnings:
        _print(console, f"! {warning}", style="yellow")


def print_capacity(console: Console, page: CapacityPage, *, whole: bool) -> None:
    """Print the answer of a search; where all is asked for, its trials and the curve, too."""
    console.print()
    _print(console, page.verdict, style="bold" if page.is_confirmed else "red")
    if whole and page.rows:
        console.print(_probes(page))
    if whole and page.curve:
        _print(console, f"{page.quantile} over the rate; | is the target of {page.objective}")
        blocks = bars.EIGHTHS if console.encoding.startswith("utf") else bars.WHOLE
        for row in capacity_view.curve_rows(page, blocks=blocks):
            _print(console, f"  {row}")
    for note in page.notes:
        _print(console, note)


def _probes(page: CapacityPage) -> RichTable:
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in page.columns:
        is_text = heading in {"step", "verdict"}
        grid.add_column(heading, justify="left" if is_text else "right", overflow="fold")
    for row in page.rows:
        grid.add_row(*(Text(plain(cell)) for cell in row))
    return grid


def print_verdict(console: Console, page: LoadPage) -> None:
    """Print only how a load ended."""
    _print(console, page.verdict, style="bold" if page.is_good else "red")


def _times(page: LoadPage) -> RichTable:
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("ms")
    for heading in page.columns:
        grid.add_column(heading, justify="right")
    for row in page.rows:
        grid.add_row(*row)
    return grid


def _print_lines(console: Console, lines: tuple[Line, ...]) -> None:
    for line in lines:
        width = _LABEL_WIDTH if line.label.endswith(":") else 5
        _print(console, f"{line.label:<{width}} {line.value}")


def print_table(console: Console, table: Table) -> None:
    """Print the verdict in words, then the table, then what to know about it.

    A narrow terminal gets the essential columns, and each deployment's settings on a second line.
    """
    is_wide = not console.is_terminal or console.width >= WIDE
    shown = [n for n, column in enumerate(table.columns) if is_wide or column.is_essential]
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("deployment", no_wrap=True)
    for number in shown:
        column = table.columns[number]
        grid.add_column(
            column.heading,
            justify="left" if column.is_text else "right",
            no_wrap=not column.is_text,
            min_width=len(column.heading),
            overflow="fold",
        )
    for row in table.rows:
        cells = [Text(plain(row.cells[number])) for number in shown]
        grid.add_row(
            _title(row, is_wide=is_wide and not table.is_tall),
            *cells,
            style=None if row.is_ranked else "dim",
        )
    console.print()
    _print(console, table.verdict, style="bold")
    console.print(grid)
    for note in table.notes:
        _print(console, note)


def _title(row: Row, *, is_wide: bool) -> Text:
    mark, gap = ("" if row.is_ranked else "* "), (" " if is_wide else "\n  ")
    return Text(plain(f"{mark}{row.stack}{gap if row.heading else ''}{row.heading}"))


def _print(console: Console, text: str, *, style: str = "") -> None:
    console.print(Text(plain(text), style=style), soft_wrap=True)
