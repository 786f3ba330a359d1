"""The view model on a terminal."""

import os
import sys
from collections.abc import Sequence
from typing import IO

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from servelab.model.trial import TrialStatus
from servelab.report import bars, capacity_view, layout
from servelab.report.capacity_view import CapacityPage
from servelab.report.commands_view import Commands
from servelab.report.layout import Layout
from servelab.report.load_view import LoadPage
from servelab.report.plain_text import name, plain
from servelab.report.view import Block, Line, Table

_LABEL_WIDTH = 21
WIDE = 176
"""Columns of a terminal from which on the table is shown whole."""
_LEAST_VERDICT = 20
"""Columns that the reason of a failed probe needs to be read."""
_PAPER = 400
"""A file or a pipe has room for whatever stands side by side."""
NARROW = 60
"""Columns below which labels and values do not stand side by side."""


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
    return Patient(highlight=False, width=None if sys.stdout.isatty() else _PAPER)


def print_block(console: Console, block: Block) -> None:
    """Print all that is said of one trial."""
    heading = f": {name(block.heading)}" if block.heading else ""
    console.print()
    console.print(Text(f"{name(block.stack)}{heading}", style="bold"))
    if block.summary:
        _say(console, block.summary, style="dim")
    _print(console, f"$ {block.command}")
    for departure in block.departures:
        _say(console, f"  {departure}", style="dim", indent=4)
    console.print()
    if block.status is not TrialStatus.OK:
        _say(console, f"{block.status.value.upper()}: {block.reason}", style="red")
    _print_lines(console, block.seed_lines)
    if block.seed_lines:
        console.print()
    _print_lines(console, block.lines)
    _print_remarks(console, samples=block.samples, warnings=block.warnings)


def print_load(console: Console, page: LoadPage) -> None:
    """Print all that is said of load alone."""
    console.print()
    console.print(Text(plain(page.url), style="bold"))
    _say(console, page.load)
    for departure in page.departures:
        _say(console, f"  {departure}", style="dim", indent=4)
    console.print()
    print_verdict(console, page)
    console.print()
    _print_lines(console, page.lines)
    if page.rows:
        _print_times(console, page)
    if page.histogram is not None:
        _print(console, "response time, ms")
        blocks = bars.EIGHTHS if console.encoding.startswith("utf") else bars.WHOLE
        for row in bars.rows(page.histogram, blocks=blocks, width=console.width - 2):
            _print(console, f"  {row}")
    _print_remarks(console, samples=page.samples, warnings=page.warnings)


def _print_remarks(console: Console, *, samples: Sequence[str], warnings: Sequence[str]) -> None:
    for sample in samples:
        _say(console, f"  e.g. {sample}", style="dim", indent=4)
    for warning in warnings:
        _say(console, f"! {warning}", style="yellow", indent=2)


def print_capacity(console: Console, page: CapacityPage, *, whole: bool) -> None:
    """Print the answer of a search; where all is asked for, its trials and the curve, too."""
    console.print()
    _say(console, page.verdict, style="bold" if page.is_confirmed else "red")
    if whole and page.rows:
        _print_probes(console, page)
    if whole and page.curve:
        _say(console, f"{page.quantile} over the rate; | is the target of {page.objective}")
        blocks = bars.EIGHTHS if console.encoding.startswith("utf") else bars.WHOLE
        for row in capacity_view.curve_rows(page, blocks=blocks, width=console.width - 2):
            _print(console, f"  {row}")
    for note in page.notes:
        _say(console, note)


def _print_probes(console: Console, page: CapacityPage) -> None:
    """Print the trials of a search in a table; where that is too wide, on two lines each."""
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in page.columns:
        is_verdict = heading == "verdict"
        grid.add_column(
            heading,
            justify="left" if is_verdict or heading == "step" else "right",
            no_wrap=not is_verdict,
            min_width=_LEAST_VERDICT if is_verdict else None,
            overflow="fold",
        )
    for row in page.rows:
        grid.add_row(*(Text(plain(cell)) for cell in row))
    wished = Measurement.get(console, console.options.update(max_width=WIDE), grid)
    if wished.minimum <= console.width:
        console.print(grid)
        return
    console.print()
    for measured, said in capacity_view.short_rows(page):
        _say(console, measured, indent=5)
        _say(console, f"     {said}", indent=5)
    console.print()


def print_verdict(console: Console, page: LoadPage) -> None:
    """Print only how a load ended."""
    _say(console, page.verdict, style="bold" if page.is_good else "red")


def _print_times(console: Console, page: LoadPage) -> None:
    """Print the times: a kind a row, where that is too wide a kind a column, or a line each."""
    headings, rows = ("ms", *page.columns), page.rows
    for columns, cells in ((headings, rows), _turned(headings, rows)):
        grid = _figures(columns, cells)
        wished = Measurement.get(console, console.options.update(max_width=WIDE), grid)
        if wished.maximum <= console.width:
            console.print(grid)
            return
    for kind, *times in rows:
        pairs = zip(page.columns, times, strict=True)
        figures = ", ".join(f"{heading} {time}" for heading, time in pairs)
        _say(console, f"{kind}, ms: {figures}", indent=2)


def _turned(
    headings: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    first, *others = zip(headings, *rows, strict=True)
    return first, others


def _figures(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> RichTable:
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(headings):
        grid.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        grid.add_row(*row)
    return grid


def _print_lines(console: Console, lines: tuple[Line, ...]) -> None:
    for line in lines:
        width = _LABEL_WIDTH if line.label.endswith(":") else 5
        if console.is_terminal and console.width < NARROW:
            _say(console, f"{line.label} {line.value}", indent=2)
        else:
            _say(console, f"{line.label:<{width}} {line.value}", indent=width + 1)


def print_table(console: Console, table: Table) -> None:
    """Print the verdict in words, then the table, then what to know about it.

    A narrow terminal gets the essential columns, a very narrow one a paragraph for each row.
    """
    is_wide = not console.is_terminal or (
        console.width >= WIDE and layout.fits_whole(table, width=console.width)
    )
    how = Layout.WHOLE if is_wide else layout.choose(table, width=console.width)
    console.print()
    _say(console, table.verdict, style="bold")
    if how is Layout.PARAGRAPHS:
        for line in layout.paragraphs(table, width=console.width):
            _print(console, line)
        console.print()
    else:
        console.print(layout.grid(table, layout=how, is_tall=not is_wide or table.is_tall))
    for note in table.notes:
        _say(console, note)


def print_commands(console: Console, found: Commands) -> None:
    """Print commands to copy, each on a line of its own however narrow the terminal is."""
    console.print()
    _say(console, found.heading, style="bold")
    for line in found.first:
        _print(console, f"  {line}")
    for each in found.commands:
        console.print()
        _say(console, name(each.title))
        for line in each.lines:
            _print(console, f"  {line}")
    if found.module:
        console.print()
        _say(console, found.module_heading)
        for line in found.module.splitlines():
            _print(console, f"  {line}")


def _say(console: Console, text: str, *, style: str = "", indent: int = 0) -> None:
    """Print sentences: a terminal gets them broken between words, anything else as they are."""
    if not console.is_terminal:
        _print(console, text, style=style)
        return
    for line in layout.wrapped(plain(text), indent=indent, width=console.width):
        _print(console, line, style=style)


def _print(console: Console, text: str, *, style: str = "") -> None:
    """Print text that may be copied from the terminal, such as a command: it is not broken."""
    console.print(Text(plain(text), style=style), soft_wrap=True)
