#!/usr/bin/env python3
"""One deployment under two names, measured live: no verdict may call either of them better.

    .venv/bin/python benchmarks/live_control.py [--rounds N] DEPLOYMENT OTHER WORKLOAD [OPTIONS]

Runs `servelab compare`, whose first deployment runs twice in each round, judges the two names as
if they were two deployments, and writes the outcome into docs/method.md. OPTIONS go to `compare`.
Status 1 where one of the names was found to be better.
"""

import argparse
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from servelab.explain.rounds import arrange
from servelab.model.figure import Figure
from servelab.model.verdict import Better, Comparison, Judging
from servelab.report import runs
from servelab.stats.comparison import judge

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "method.md"
BEGIN, END = "<!-- table: live control -->\n", "<!-- end of table: live control -->"


def main() -> int:
    """Measure, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    asked, rest = parser.parse_known_args()
    folder = ROOT / "servelab-results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-live-control"
    words = ["compare", *rest, "--rounds", str(asked.rounds), "--out", str(folder)]
    subprocess.run([sys.executable, "-m", "servelab", *words], check=False)
    rows = list(_rows(folder))
    text = PAGE.read_text(encoding="utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(
        "".join([head, BEGIN, *(line for line, _ in rows), END, tail]), encoding="utf-8"
    )
    return int(any(isinstance(each.verdict, Better) for _, each in rows))


def _rows(folder: Path) -> list[tuple[str, Comparison]]:
    rounds = arrange(runs.read(folder).trials)
    if rounds.control is None:
        sys.exit(f"{folder} has no control that could be judged; see: servelab show {folder}")
    found = []
    for figure in (Figure.THROUGHPUT, Figure.P50, Figure.CPU):
        values = rounds.values(figure)
        both = {name: values[name] for name in rounds.control}
        (comparison,) = judge(
            both,
            voided_rounds=len(rounds.voided),
            judging=Judging(direction=figure.direction),
        ).comparisons
        found.append((_row(figure, comparison, rounds=len(rounds.numbers)), comparison))
    return found


def _row(figure: Figure, comparison: Comparison, *, rounds: int) -> str:
    ratio = comparison.ratio
    change = "-" if ratio is None else f"{ratio.low - 1:+.1%} to {ratio.high - 1:+.1%}"
    verdict = comparison.verdict.__struct_config__.tag
    return f"| {figure.value} | {rounds} | {change} | {verdict} |\n"


if __name__ == "__main__":
    sys.exit(main())
