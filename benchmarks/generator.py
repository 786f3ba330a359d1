"""Show what the load generator costs and whether it tells the truth.

python benchmarks/generator.py CLAIM [--pairs N] [--seconds S]: measures one claim, or all;
what the journal already holds is not measured again. ``report`` renews docs/generator.md.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from load_generator import costs, delay, memory, report, truth
from load_generator.bench import (
    Bench,
    CannotMeasure,
    busy_share,
    describe_machine,
    raise_file_limit,
    two_cores,
)
from load_generator.costs import CostClaim
from load_generator.journal import Journal
from servelab.errors import ServelabError

_BENCHMARKS = Path(__file__).resolve().parent
_JOURNAL = _BENCHMARKS / "measured" / "generator.jsonl"
_MOST_BUSY = 0.02
_PAGE = _BENCHMARKS.parent / "docs" / "generator.md"


def _measure_costs(claims: Sequence[CostClaim]) -> Callable[[Bench], None]:
    def measure(bench: Bench) -> None:
        for claim in claims:
            costs.measure(claim, bench=bench)

    return measure


CLAIMS: dict[str, tuple[Callable[[Bench], None], tuple[str, ...]]] = {
    "kept": (_measure_costs((costs.KEPT,)), ("kept",)),
    "fresh": (_measure_costs((costs.FRESH,)), ("fresh",)),
    "grpc": (_measure_costs(costs.GRPC), ("grpc",)),
    "truth": (truth.measure, ("truth", "paired")),
    "delay": (delay.measure, ("delay",)),
    "memory": (memory.measure, ("memory",)),
}
"""What each claim measures, and the tables that show it."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("claim", choices=(*CLAIMS, "all", "report"))
    parser.add_argument("--pairs", type=int, default=15, help="rounds of each claim")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run")
    parser.add_argument("--journal", type=Path, default=_JOURNAL, help="where the raw rounds go")
    parser.add_argument("--page", type=Path, default=_PAGE, help="the page to renew")
    return parser.parse_args(arguments)


def measure(names: Sequence[str], *, options: argparse.Namespace) -> None:
    """Measure claims, and print the tables of each."""
    journal = Journal(options.journal)
    target_core, generator_core = two_cores()
    raise_file_limit()
    # The engine imports checks of ours, and finds them here.
    os.environ["PYTHONPATH"] = str(_BENCHMARKS)
    os.sched_setaffinity(0, {target_core})
    with tempfile.TemporaryDirectory(prefix="servelab-benchmark-") as folder:
        bench = Bench(
            target_core=target_core,
            generator_core=generator_core,
            pairs=options.pairs,
            seconds=options.seconds,
            journal=journal,
            folder=Path(folder),
            machine=describe_machine(),
        )
        if (share := busy_share()) > _MOST_BUSY:
            bench.say(f"others use {share:.0%} of this machine's CPU time: no figure will hold")
        for name in names:
            measure_claim, tables = CLAIMS[name]
            measure_claim(bench)
            for each in tables:
                print(report.TABLES[each](journal.lines(), seconds=options.seconds), end="\n\n")


def renew_page(options: argparse.Namespace) -> None:
    """Put the tables into the page."""
    lines = Journal(options.journal).lines()
    page = options.page.read_text(encoding="utf-8")
    renewed = report.renewed(page, lines=lines, seconds=options.seconds)
    options.page.write_text(renewed, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Do what was asked; 2 where it cannot be done here."""
    options = parse(arguments)
    try:
        if options.claim == "report":
            renew_page(options)
        else:
            measure(list(CLAIMS) if options.claim == "all" else [options.claim], options=options)
    except (CannotMeasure, ServelabError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
