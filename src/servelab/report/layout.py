"""How a table is laid out in the room that there is; no printing.

From the widest: all columns; the essential ones; figures in columns and words below the name; and,
where not even that fits, a paragraph for each row.
"""

import textwrap
from collections.abc import Iterable, Sequence
from enum import Enum

from rich import box
from rich.cells import cell_len
from rich.table import Table as RichTable
from rich.text import Text

from servelab.report.plain_text import name, plain
from servelab.report.view import Column, Row, Table

_LEAST_WORDS, _MOST_WORDS = 14, 48
"""Columns of a text beside figures."""
_GAP = 3
"""Between two columns."""
_INDENT = "  "


class Layout(Enum):
    """How much stands side by side."""

    WHOLE = "all columns"
    ESSENTIAL = "the essential columns"
    TALL = "figures in columns, words below the name"
    PARAGRAPHS = "nothing"


def choose(table: Table, *, width: int) -> Layout:
    """Return the widest layout that fits into so many columns of a terminal."""
    title_width = max((_title_width(row) for row in table.rows), default=0) + _GAP
    essential = essential_columns(table)
    figures = [number for number in essential if not table.columns[number].is_text]
    words = [number for number in essential if table.columns[number].is_text]
    figures_width = sum(_width(table, number) for number in figures)
    words_width = sum(
        min(_width(table, number), max(_LEAST_WORDS, _heading_width(table, number)) + _GAP)
        for number in words
    )
    if title_width + figures_width + words_width <= width:
        return Layout.ESSENTIAL
    if title_width + figures_width <= width:
        return Layout.TALL
    return Layout.PARAGRAPHS


def fits_whole(table: Table, *, width: int) -> bool:
    """Tell whether all columns stand side by side in so many columns of a terminal."""
    title_width = max((_title_width(row) for row in table.rows), default=0) + _GAP
    widths = (
        min(_width(table, number), _LEAST_WORDS + _GAP) if column.is_text else _width(table, number)
        for number, column in enumerate(table.columns)
    )
    return title_width + sum(widths) <= width


def essential_columns(table: Table) -> list[int]:
    """Return the numbers of the columns that are shown where there is little room."""
    return [number for number, column in enumerate(table.columns) if column.is_essential]


def _title_width(row: Row) -> int:
    return max(cell_len(line) for line in title(row, is_tall=True).plain.split("\n"))


def _heading_width(table: Table, number: int) -> int:
    return cell_len(table.columns[number].heading)


def _width(table: Table, number: int) -> int:
    lines = [line for row in table.rows for line in row.cells[number].split("\n")]
    return max([_heading_width(table, number), *map(cell_len, lines)]) + _GAP


def title(row: Row, *, is_tall: bool) -> Text:
    """Return a row's name, with its settings on a line of their own where it is tall."""
    mark, gap = ("" if row.is_ranked else "* "), ("\n  " if is_tall else " ")
    return Text(f"{mark}{name(row.stack)}{gap if row.heading else ''}{name(row.heading)}")


def grid(table: Table, *, layout: Layout, is_tall: bool) -> RichTable:
    """Return a table of the layout; not of paragraphs."""
    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    shown = list(range(len(table.columns))) if layout is Layout.WHOLE else essential_columns(table)
    below: list[int] = []
    if layout is Layout.TALL:
        below = [number for number in shown if table.columns[number].is_text]
        shown = [number for number in shown if number not in below]
    made.add_column("deployment", no_wrap=not below, overflow="fold")
    for number in shown:
        _add_column(made, table.columns[number])
    for row in table.rows:
        first = title(row, is_tall=is_tall)
        for line in _words(row, columns=table.columns, numbers=below):
            first.append(f"\n{_INDENT}{line}")
        cells = [Text(plain(row.cells[number])) for number in shown]
        made.add_row(first, *cells, style=None if row.is_ranked else "dim")
    return made


def _add_column(made: RichTable, column: Column) -> None:
    made.add_column(
        column.heading,
        justify="left" if column.is_text else "right",
        no_wrap=not column.is_text,
        min_width=max(len(column.heading), _LEAST_WORDS) if column.is_text else len(column.heading),
        max_width=_MOST_WORDS if column.is_text else None,
        overflow="fold",
    )


def _words(row: Row, *, columns: Sequence[Column], numbers: Sequence[int]) -> Iterable[str]:
    return (f"{columns[number].heading}: {_on_one_line(row.cells[number])}" for number in numbers)


def paragraphs(table: Table, *, width: int) -> Iterable[str]:
    """Yield the lines of a paragraph for each row, none wider than so many columns."""
    essential = essential_columns(table)
    label_width = max((_heading_width(table, number) for number in essential), default=0)
    for row in table.rows:
        yield ""
        for line in title(row, is_tall=True).plain.split("\n"):
            yield from textwrap.wrap(line, width, subsequent_indent=_INDENT * 2)
        for number in essential:
            label = f"{_INDENT}{table.columns[number].heading:<{label_width}}  "
            yield from wrapped(
                f"{label}{_on_one_line(row.cells[number])}", indent=len(label), width=width
            )


def _on_one_line(cell: str) -> str:
    """Return a cell of two lines, a figure above its interval, on one."""
    first, *rest = plain(cell).split("\n")
    return f"{first} ({', '.join(rest)})" if rest else first


def wrapped(text: str, *, indent: int, width: int) -> list[str]:
    """Return text in lines of so many columns; all but the first are indented."""
    return [
        line
        for part in text.split("\n")
        for line in textwrap.wrap(
            part,
            max(width, indent + 8),
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )
        or [""]
    ]
