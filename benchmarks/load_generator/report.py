"""The tables of docs/generator.md, made from the journal: pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from load_generator import costs, delay, memory, truth
from load_generator.costs import CostClaim, Rival, rounds_of
from load_generator.journal import CostRound, DelayRun, Line, MemoryRun, TruthRow
from load_generator.ratios import (
    MedianInterval,
    Verdict,
    median_interval,
    paired_ratios,
    verdict,
)

NOT_MEASURED = "Not measured yet."
TRUTH_SHARE = 0.02
TRUTH_LEAST_S = 0.4e-3
PAIRED_GOAL_S = 0.4e-3


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Return a Markdown table; the first columns hold words, the rest are set to the right."""
    marks = ["---"] * words + ["--:"] * (len(head) - words)
    lines = [head, marks, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def limits(interval: MedianInterval, *, digits: int) -> str:
    """Return the interval in words: ``1.02-1.09``, or that there are too few values."""
    if interval.low is None or interval.high is None:
        return f"{interval.count} are too few"
    return f"{interval.low:.{digits}f}-{interval.high:.{digits}f}"


# ---- costs


def cost_table(claims: Sequence[CostClaim], lines: Sequence[Line], *, seconds: float) -> str:
    """Return CPU time per answer and its ratio, a row for each rival."""
    rows = [
        _cost_row(claim, rival, rounds)
        for claim in claims
        if (rounds := rounds_of(lines, claim=claim.name, seconds=seconds))
        for rival in claim.rivals
    ]
    if not rows:
        return NOT_MEASURED
    head = (
        "load", "against", "pairs", "servelab, µs", "other, µs", "ratio", "95 % interval", "goal",
        "met", "ratio with Parquet",
    )  # fmt: skip
    return table(head, rows, words=2)


def _cost_row(claim: CostClaim, rival: Rival, rounds: Sequence[CostRound]) -> tuple[str, ...]:
    ours = [each.of("servelab") for each in rounds]
    theirs_us = [each.of(rival.name).cpu_us for each in rounds]
    ours_us = [each.cpu_us for each in ours]
    stored_us = [each.cpu_us + each.storing_cpu_s / each.ok * 1e6 for each in ours]
    ratio = median_interval(paired_ratios(ours_us, theirs=theirs_us))
    stored = median_interval(paired_ratios(stored_us, theirs=theirs_us))
    return (
        claim.summary,
        rival.name,
        str(ratio.count),
        f"{median(ours_us):.2f}",
        f"{median(theirs_us):.2f}",
        f"{ratio.median:.3f}",
        limits(ratio, digits=3),
        f"{rival.goal:g}",
        verdict(ratio, goal=rival.goal).value,
        f"{stored.median:.3f}",
    )


def parts_table(lines: Sequence[Line], *, seconds: float) -> str:
    """Return where the CPU time went, a row for each generator of each claim."""
    rows = [
        _parts_row(claim, name, rounds)
        for claim in costs.CLAIMS
        if (rounds := rounds_of(lines, claim=claim.name, seconds=seconds))
        for name in ("servelab", *(rival.name for rival in claim.rivals))
    ]
    if not rows:
        return NOT_MEASURED
    head = (
        "load", "generator", "answers/s", "user, µs", "kernel, µs", "start-up, s", "failed",
        "resets",
    )  # fmt: skip
    return table(head, rows, words=2)


def _parts_row(claim: CostClaim, name: str, rounds: Sequence[CostRound]) -> tuple[str, ...]:
    readings = [each.of(name) for each in rounds]
    start_up_s = median(each.start_up_cpu_s for each in readings)
    return (
        claim.summary,
        name,
        f"{median(each.ok / each.wall_s for each in readings):,.0f}",
        f"{median(each.user_s / each.ok for each in readings) * 1e6:.2f}",
        f"{median(each.system_s / each.ok for each in readings) * 1e6:.2f}",
        f"{start_up_s:.2f}" if start_up_s else "in the rest",
        str(sum(each.failed for each in readings)),
        str(sum(each.resets_sent for each in readings)),
    )


# ---- truth


def truth_table(lines: Sequence[Line], *, seconds: float) -> str:
    """Return what each generator reports of each service, below what was."""
    known = _latest_truth(lines, seconds=seconds)
    rows = [_truth_row(row, known) for row in known.values()]
    if not rows:
        return NOT_MEASURED
    head = ("service", "says", "requests", "per s", "p50, ms", "p90, ms", "p99, ms", "right")
    return table(head, rows, words=2)


def _latest_truth(lines: Sequence[Line], *, seconds: float) -> dict[tuple[str, str], TruthRow]:
    chosen = [line for line in lines if isinstance(line, TruthRow) and line.seconds == seconds]
    chosen.sort(key=lambda row: row.service, reverse=True)
    return {(row.service, row.generator): row for row in chosen}


def is_true(said_s: float, *, was_s: float) -> bool:
    """Tell whether a time is within 2 % of another, or .4 ms where that is more."""
    return abs(said_s - was_s) <= max(TRUTH_SHARE * was_s, TRUTH_LEAST_S)


def _truth_row(row: TruthRow, known: dict[tuple[str, str], TruthRow]) -> tuple[str, ...]:
    said = (row.p50_s, row.p90_s, row.p99_s)
    # servelab's own requests have their log; the others' have what is known of the service.
    source = truth.LOGGED if row.generator == "servelab" else truth.ANALYTIC
    was = known.get((row.service, source))
    right = "-"
    if was is not None and row.generator not in {truth.LOGGED, truth.ANALYTIC}:
        pairs = zip(said, (was.p50_s, was.p90_s, was.p99_s), strict=True)
        right = "/".join("yes" if is_true(said_s, was_s=was_s) else "no" for said_s, was_s in pairs)
    is_formula = row.generator == truth.ANALYTIC
    return (
        row.service,
        row.generator,
        "" if is_formula else f"{row.count:,}" + (f" + {row.failed} failed" if row.failed else ""),
        "" if is_formula else f"{row.rate_per_s:,.0f}",
        *(f"{time_s * 1e3:.2f}" for time_s in said),
        right,
    )


def paired_table(lines: Sequence[Line], *, seconds: float) -> str:
    """Return how much later the client saw the answers than the server sent them."""
    rows = [
        (
            row.service,
            f"{row.count:,}",
            f"{row.paired_p50_s * 1e3:.3f}",
            f"{row.paired_p99_s * 1e3:.3f}",
            f"{PAIRED_GOAL_S * 1e3:g}",
            (Verdict.MET if row.paired_p99_s <= PAIRED_GOAL_S else Verdict.MISSED).value,
        )
        for row in _latest_truth(lines, seconds=seconds).values()
        if row.paired_p50_s is not None and row.paired_p99_s is not None
    ]
    if not rows:
        return NOT_MEASURED
    return table(("service", "requests", "p50, ms", "p99, ms", "goal for p99, ms", "met"), rows)


# ---- delay and memory


def delay_table(lines: Sequence[Line], *, seconds: float) -> str:
    """Return the quantiles of the generator delay, as medians over the runs."""
    runs = delay.runs_of(lines, seconds=seconds)
    if not runs:
        return NOT_MEASURED
    rows = []
    for name, values_s, goal_s in (
        ("p50", [run.p50_s for run in runs], None),
        ("p99", [run.p99_s for run in runs], delay.GOAL_S),
    ):
        interval = median_interval([value_s * 1e6 for value_s in values_s])
        goal = f"{goal_s * 1e6:.0f}" if goal_s else "-"
        met = verdict(interval, goal=goal_s * 1e6).value if goal_s else "-"
        rows.append((name, f"{interval.median:.0f}", limits(interval, digits=0), goal, met))
    head = ("generator delay", "median of the runs, µs", "95 % interval", "goal", "met")
    return f"{table(head, rows)}\n\n{_delay_sum(runs)}"


def _delay_sum(runs: Sequence[DelayRun]) -> str:
    share = median(run.core_share for run in runs)
    failed = sum(run.failed for run in runs)
    return (
        f"{len(runs)} runs, {sum(run.count for run in runs):,} requests, {failed} failed; "
        f"the generator used {share:.0%} of its core."
    )


def memory_table(lines: Sequence[Line], *, seconds: float) -> str:
    """Return the memory at its peak beside what is allowed."""
    runs = {
        line.case: line for line in lines if isinstance(line, MemoryRun) and line.seconds == seconds
    }
    if not runs:
        return NOT_MEASURED
    head = (
        "connections", "records", "failed", "generator, MB", "growth of its parent, MB",
        "together, MB", "goal, MB", "met",
    )  # fmt: skip
    return table(head, [_memory_row(run) for run in runs.values()], words=0)


def _memory_row(run: MemoryRun) -> tuple[str, ...]:
    allowed = memory.BASE_BYTES + memory.BYTES_PER_RECORD * run.records
    met = Verdict.MET if run.together_bytes <= allowed else Verdict.MISSED
    sizes = (run.engine_bytes, run.parent_growth_bytes, run.together_bytes, allowed)
    return (
        f"{run.connections:,}",
        f"{run.records:,}",
        str(run.failed),
        *(f"{size / 1e6:.0f}" for size in sizes),
        met.value,
    )


def machine_list(lines: Sequence[Line], *, seconds: float) -> str:
    """Return where it was measured, and with which versions."""
    machines = {line.machine: None for line in lines if line.seconds == seconds}
    return "\n".join(f"- {machine}" for machine in machines) or NOT_MEASURED


# ---- the page

TABLES: dict[str, Callable[..., str]] = {
    "kept": lambda lines, *, seconds: cost_table((costs.KEPT,), lines, seconds=seconds),
    "fresh": lambda lines, *, seconds: cost_table((costs.FRESH,), lines, seconds=seconds),
    "grpc": lambda lines, *, seconds: cost_table(costs.GRPC, lines, seconds=seconds),
    "parts": parts_table,
    "truth": truth_table,
    "paired": paired_table,
    "delay": delay_table,
    "memory": memory_table,
    "machine": machine_list,
}


def renewed(page: str, *, lines: Sequence[Line], seconds: float) -> str:
    """Return a page with every table between its markers made anew; ValueError without marker."""
    for name, make in TABLES.items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- end of table: {name} -->"
        pieces = re.split(f"{re.escape(begin)}.*?{re.escape(end)}", page, flags=re.DOTALL)
        if len(pieces) != 2:  # noqa: PLR2004 - before and after the one place
            raise ValueError(f"the page has {len(pieces) - 1} places for the table {name!r}")
        page = f"{begin}{make(lines, seconds=seconds)}\n{end}".join(pieces)
    return page
