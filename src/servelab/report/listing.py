"""Lists: what the catalogue holds, and what the cache does."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from servelab import catalogue
from servelab.environment.cache import CachedEnvironment
from servelab.model.environment import Interpreter
from servelab.report import quantities, terminal


def print_catalogue(interpreter: Interpreter, *, compiler: Path | None) -> None:
    """Print stacks with their deployments, then servers and workloads; mark what cannot run."""
    console = terminal.console()
    console.print(_stacks(interpreter, compiler=compiler))
    console.print(_named("server", [(each.name, each.summary) for each in catalogue.servers()]))
    console.print(
        _named(
            "workload",
            [(name, catalogue.workload_summary(name)) for name in catalogue.workload_names()],
        )
    )
    console.print("Measure with: servelab run STACK[:key=value,...] WORKLOAD", markup=False)


def _stacks(interpreter: Interpreter, *, compiler: Path | None) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("stack", no_wrap=True)
    for column in ("what it is", "deployments", "here"):
        grid.add_column(column, overflow="fold")
    for stack in catalogue.stacks():
        obstacle = catalogue.why_not_here(
            stack.deployments[0], interpreter=interpreter, compiler=compiler
        )
        headings = [deployment.heading or "one" for deployment in stack.deployments]
        grid.add_row(
            Text(stack.name), Text(stack.summary), Text("\n".join(headings)), obstacle or "yes"
        )
    return grid


def _named(kind: str, entries: Sequence[tuple[str, str]]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column(kind)
    grid.add_column("what it is", overflow="fold")
    for name, summary in entries:
        grid.add_row(Text(name), Text(summary))
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
        grid.add_row(Text(entry.directory.name + note), quantities.megabytes(entry.size_bytes))
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
