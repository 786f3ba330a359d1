"""Lists: what the catalogue holds, and what the cache does."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from servelab import catalogue
from servelab.environment.cache import CachedEnvironment
from servelab.model.environment import Interpreter, python_in_words
from servelab.report import quantities, terminal
from servelab.report.plain_text import name, plain


def print_catalogue(interpreter: Interpreter) -> None:
    """Print stacks with their deployments, then servers and workloads; mark what cannot run."""
    console = terminal.console()
    rows = tuple(_stacks(interpreter))
    if console.is_terminal and console.width < terminal.NARROW:
        _print_paragraphs(console, rows)
    else:
        console.print(_table(rows))
    console.print(_named("server", [(each.name, each.summary) for each in catalogue.servers()]))
    console.print(
        _named(
            "workload",
            [(each, catalogue.workload_summary(each)) for each in catalogue.workload_names()],
        )
    )
    console.print("Measure with: servelab run STACK[:key=value,...] WORKLOAD", markup=False)


def print_interpreters(found: Sequence[Interpreter]) -> None:
    """Print the interpreters that servers can run on, and what to type for them."""
    console = terminal.console()
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("interpreter", no_wrap=True)
    grid.add_column("where", overflow="fold")
    for each in found:
        words = python_in_words(each.full_version)
        grid.add_row(Text(plain(words)), Text(plain(str(each.path))))
    console.print(grid)
    console.print(
        "Measure on several with: --python 3.13 --python 3.14t, or one deployment: STACK@3.13",
        markup=False,
    )


def _stacks(interpreter: Interpreter) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, summary, deployments and whether it can run here, of each stack."""
    for stack in catalogue.stacks():
        obstacle = catalogue.why_not_here(stack.deployments[0], interpreter=interpreter)
        headings = [name(deployment.heading) or "one" for deployment in stack.deployments]
        yield (
            name(stack.name),
            plain(stack.summary),
            "\n".join(headings),
            plain(obstacle or "yes"),
        )


def _table(rows: Sequence[tuple[str, str, str, str]]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("stack", no_wrap=True)
    for column in ("what it is", "deployments", "here"):
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    return grid


def _print_paragraphs(console: Console, rows: Sequence[tuple[str, str, str, str]]) -> None:
    for stack, summary, headings, here in rows:
        console.print()
        console.print(Text(stack))
        for text in (summary, *headings.split("\n"), f"here: {here}"):
            console.print(Padding(Text(text), (0, 0, 0, 2)))


def _named(kind: str, entries: Sequence[tuple[str, str]]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column(kind)
    grid.add_column("what it is", overflow="fold")
    for each, summary in entries:
        grid.add_row(Text(name(each)), Text(plain(summary)))
    return grid


def print_cache(entries: Sequence[CachedEnvironment], *, folder: Path) -> None:
    """Print each environment with its size."""
    console = terminal.console()
    if not entries:
        console.print(f"No environments in {folder}.", markup=False)
        return
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("environment", overflow="fold")
    grid.add_column("size", justify="right")
    for entry in entries:
        note = "" if entry.is_complete else " (incomplete)"
        grid.add_row(
            Text(name(entry.directory.name) + note), quantities.megabytes(entry.size_bytes)
        )
    total = sum(entry.size_bytes for entry in entries)
    console.print(grid)
    console.print(
        f"{quantities.megabytes(total)} in {folder}; remove with: servelab cache --clear",
        markup=False,
        soft_wrap=True,
    )


def print_cleared(freed_bytes: int) -> None:
    """Print how much was freed."""
    terminal.console().print(f"{quantities.megabytes(freed_bytes)} freed.", markup=False)
