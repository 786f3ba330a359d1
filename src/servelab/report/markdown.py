"""The view model as Markdown."""

import re
import shlex
from collections.abc import Iterable, Sequence

from servelab.model.host import HostFacts
from servelab.model.trial import Trial
from servelab.report import (
    bars,
    capacity_view,
    commands_view,
    load_view,
    rounds_view,
    stopping_table,
    tables,
    view,
)
from servelab.report.capacity_view import CapacityPage
from servelab.report.commands_view import Commands
from servelab.report.load_view import LoadPage
from servelab.report.plain_text import LONGEST_NAME, LONGEST_TEXT, STEERING, cut
from servelab.report.published import Comparison, comparisons
from servelab.store.folder import RunFacts, StoredRun

_LABEL_WIDTH = 21
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|&~$])")
_UNPRINTABLE = re.compile(rf"[{STEERING}\t\n]")
_BEGINS_BLOCK = re.compile(r"^\s*([-+=:]|\d+[.)])?\s*")
"""What makes a list, a heading, a definition or, by its spaces, code of a line that begins so."""


def render(run: StoredRun) -> str:
    """Return a page on a stored run: for each workload the table first, then each deployment."""
    lines: list[str] = []
    for trial in run.trials:
        if trial.is_load_alone:
            lines += _load_alone(load_view.page(trial), facts=run.facts)
    found = capacity_view.result(run)
    if found is not None:
        lines += _capacity(capacity_view.page(run, found), facts=run.facts)
    if run.tuning is not None:
        lines += _race(run, label=run.tuning.options.workload)
    else:
        for table in tables.tables(run):
            lines += _workload(table, run=run)
    lines += [_paragraph(str(broken)) for broken in run.broken]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return text that Markdown shows as it is; control codes and line breaks become spaces."""
    return _SPECIAL.sub(r"\\\1", _printable(text))


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", cut(text, most=LONGEST_TEXT))


def _name(text: str) -> str:
    return escape(cut(text, most=LONGEST_NAME))


def _paragraph(text: str) -> str:
    """Return text that begins a line and is nothing but text there, too."""
    shown = _printable(text)
    begins = _BEGINS_BLOCK.match(shown)
    mark = begins[1] if begins else None
    rest = shown[begins.end() :] if begins else shown
    if not mark:
        return escape(rest)
    return f"{mark[:-1]}\\{mark[-1]} {escape(rest)}"


def _code(text: str) -> str:
    """Return text as code within a line."""
    shown = _printable(text)
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    space = " " if "`" in shown else ""
    return f"{ticks}{space}{shown}{space}{ticks}"


def _load_alone(page: LoadPage, *, facts: RunFacts) -> Iterable[str]:
    yield f"# Load: {escape(page.url)}"
    yield ""
    yield _origin(facts)
    yield ""
    yield _paragraph(page.load)
    for note in (*map(_paragraph, page.departures), f"**{escape(page.verdict)}**"):
        yield ""
        yield note
    yield ""
    yield from _fenced(f"{line.label:<{_LABEL_WIDTH}} {line.value}" for line in page.lines)
    yield ""
    if page.rows:
        yield "| ms | " + " | ".join(page.columns) + " |"
        yield "|---|" + "--:|" * len(page.columns)
        yield from ("| " + " | ".join(row) + " |" for row in page.rows)
        yield ""
    if page.histogram is not None:
        yield "Response time in ms:"
        yield ""
        yield from _fenced(bars.rows(page.histogram))
    for text in (*page.samples, *page.warnings):
        yield ""
        yield f"Note: {escape(text)}"
    yield ""


def _capacity(page: CapacityPage, *, facts: RunFacts) -> Iterable[str]:
    yield f"# Capacity: {escape(page.heading)}"
    yield ""
    yield _origin(facts)
    yield ""
    yield f"**{escape(page.verdict)}**"
    yield ""
    yield "| " + " | ".join(page.columns) + " |"
    yield "|--:|---|" + "--:|" * (len(page.columns) - 3) + "---|"
    yield from ("| " + " | ".join(map(escape, row)) + " |" for row in page.rows)
    yield ""
    yield f"{page.quantile} over the rate; the line is the target of {escape(page.objective)}:"
    yield ""
    yield from _fenced(capacity_view.curve_rows(page))
    for note in page.notes:
        yield ""
        yield f"Note: {escape(note)}"
    yield ""


def _race(run: StoredRun, *, label: str) -> Iterable[str]:
    yield f"# Race: {_name(label)}"
    yield ""
    yield from _conditions(run.trials, run.facts) if run.trials else (_origin(run.facts),)
    yield ""
    for table in tables.tables(run):
        yield from _table(table)
    for found in commands_view.commands(run):
        yield from _commands(found)


def _workload(table: view.Table, *, run: StoredRun) -> Iterable[str]:
    trials = tables.deployed(run, workload=table.workload)
    yield f"# Results: {_name(table.workload)}"
    yield ""
    yield from _conditions(trials, run.facts)
    yield ""
    yield from _table(table)
    stopping = stopping_table.table(trials, workload=table.workload)
    if stopping is not None:
        yield from _table(stopping)
    for found in commands_view.commands(run):
        if found.workload == table.workload:
            yield from _commands(found)
    if rounds_view.are_rounds(run):
        return
    compared = comparisons(trials, workload=table.workload)
    if compared:
        yield from _published(compared, cpus=run.facts.host.cpus_allowed)
    for trial in trials:
        yield from _block(view.block(trial))


def _conditions(trials: Sequence[Trial], facts: RunFacts) -> Iterable[str]:
    first = trials[0]
    known = dict.fromkeys(_name(trial.interpreter) for trial in trials if trial.interpreter)
    pythons = f", CPython {', '.join(known)}" if known else ""
    yield f"{_origin(facts).removesuffix('.')}{pythons}. Load of each deployment:"
    yield ""
    for load in dict.fromkeys(view.load_in_words(trial) for trial in trials):
        stacks = dict.fromkeys(t.stack for t in trials if view.load_in_words(t) == load)
        names = ", ".join(map(_name, stacks))
        share = "" if len(stacks) == len({t.stack for t in trials}) else f" ({names})"
        yield f"- {escape(load)}{share}"
    yield ""
    yield f"{_amount(trials)}, time-out {first.timeout_s:g} s."


def _amount(trials: Sequence[Trial]) -> str:
    last = trials[-1]
    if last.warm_up is None or last.window_s is None:
        return f"{last.scheduled} requests each"
    return f"{last.window_s:.3g} s each after {last.warm_up.seconds:g} s of warm-up"


def _origin(facts: RunFacts) -> str:
    return (
        f"Measured by servelab {_name(facts.servelab)} with "
        f"{_code(shlex.join(['servelab', *facts.arguments]))}, started {_name(facts.started_at)}, "
        f"on {escape(_host(facts.host))}."
    )


def _host(host: HostFacts) -> str:
    text = f"{host.cpu_model}, {host.cpus_allowed:g} of {host.cpus} CPUs allowed, "
    text += f"{host.memory_bytes / 2**30:.0f} GiB, Linux {host.kernel} ({host.architecture})"
    return text + (f", {host.virtualisation}" if host.virtualisation else "")


def _table(table: view.Table) -> Iterable[str]:
    yield f"**{escape(table.verdict)}**"
    yield ""
    yield "| deployment | " + " | ".join(each.heading for each in table.columns) + " |"
    yield "|---|" + "".join("---|" if each.is_text else "--:|" for each in table.columns)
    for row in table.rows:
        mark = "" if row.is_ranked else "\\* "
        yield f"| {mark}{_name(row.title)} | " + " | ".join(map(escape, row.cells)) + " |"
    for note in table.notes:
        yield ""
        yield _paragraph(note)
    yield ""


def _commands(found: Commands) -> Iterable[str]:
    yield _paragraph(found.heading)
    if found.first:
        yield ""
        yield from _fenced(found.first)
    for each in found.commands:
        yield ""
        yield f"- {_name(each.title)}"
        yield ""
        for line in _fenced(each.lines):
            yield f"  {line}"
    yield ""
    if found.module:
        yield _paragraph(found.module_heading)
        yield ""
        yield from _fenced(found.module.splitlines())
        yield ""


def _published(compared: Sequence[Comparison], *, cpus: float) -> Iterable[str]:
    yield "## Beside the published figures"
    yield ""
    yield (
        "The published figures come from another machine and older versions; what can be compared "
        "are ratios. Each rate is divided by that of `sync-devserver` in the same series. Here "
        f"{cpus:g} CPUs were there to be used, so that {cpus:g} is about the most that a ratio of "
        "work which computes can reach; the published ones go beyond 3."
    )
    yield ""
    yield "| deployment | published | measured | published failures | measured failures |"
    yield "|---|--:|--:|--:|--:|"
    for row in compared:
        yield (
            f"| {_name(row.title)} | {row.published_ratio:.2f} | {row.measured_ratio:.2f} "
            f"| {row.published_failures} | {row.measured_failures} |"
        )
    yield ""


def _block(block: view.Block) -> Iterable[str]:
    yield f"## {_name(block.stack)}" + (f": {_name(block.heading)}" if block.heading else "")
    yield ""
    if block.summary:
        yield _paragraph(block.summary)
        yield ""
    yield from _fenced([block.command])
    for departure in block.departures:
        yield f"- {escape(departure)}"
    yield ""
    if block.reason:
        yield f"**{block.status.value}**: {escape(block.reason)}"
        yield ""
    width = max((len(line.label) for line in block.seed_lines), default=0)
    yield from _fenced(
        [
            f"{line.label:<{width if line.label.endswith(':') else 5}} {line.value}"
            for line in [*block.seed_lines, *block.lines]
        ]
    )
    for warning in block.warnings:
        yield ""
        yield f"Note: {escape(warning)}"
    yield ""


def _fenced(lines: Iterable[str]) -> Iterable[str]:
    texts = [_printable(line) for line in lines]
    longest = max((len(run) for text in texts for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield fence
    yield from texts
    yield fence
