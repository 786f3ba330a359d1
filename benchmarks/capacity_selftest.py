"""Show how often a search for capacity confirms too much or too little, on simulated servers.

python benchmarks/capacity_selftest.py [--searches N]: runs the searches, and renews the table in
docs/capacity.md.
"""

import argparse
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from statistics import mean

import numpy as np

from capacity_simulation import Search, Server, further_servers, search, servers

PAGE = Path(__file__).resolve().parents[1] / "docs" / "capacity.md"
_TABLE = re.compile(r"(<!-- self-test -->\n).*?(<!-- end of self-test -->)", re.DOTALL)
_HEAD = (
    "| server | capacity | confirmed, against it: 5 %, median, 95 % of searches "
    "| more than 3 % above | more than 10 % below | more than 15 % below | trials | minutes |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|\n"
)
ABOVE, BELOW, FAR_BELOW = 0.03, -0.10, -0.15


def errors(found: Sequence[Search], *, server: Server) -> list[float]:
    """Return by what share each search confirmed more than is true; nothing confirmed is -1."""
    return [(each.answer.confirmed_per_s or 0.0) / server.truth_per_s - 1 for each in found]


def row(server: Server, found: Sequence[Search]) -> str:
    """Return the row of one server."""
    off = np.array(errors(found, server=server))
    low, middle, high = np.quantile(off, [0.05, 0.5, 0.95])
    shares = [np.mean(off > ABOVE), np.mean(off < BELOW), np.mean(off < FAR_BELOW)]
    return (
        f"| {server.name} | {server.truth_per_s:.1f}/s | {low:+.1%}, {middle:+.1%}, {high:+.1%} | "
        + " | ".join(f"{share:.1%}" for share in shares)
        + f" | {mean(each.trials for each in found):.0f} "
        f"| {mean(each.seconds for each in found) / 60:.0f} |\n"
    )


def _searches(server: Server, *, count: int, processes: ProcessPoolExecutor) -> list[Search]:
    place = [each.name for each in _every_server()].index(server.name)
    return list(processes.map(partial(_search, place), range(count), chunksize=10))


def _search(place: int, seed: int) -> Search:
    return search(_every_server()[place], seed=seed)


@cache
def _every_server() -> tuple[Server, ...]:
    """Return all servers, whose truths take a while to find, once in each process."""
    return (*servers(), *further_servers())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the searches and renew the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=200, help="of each server")
    count = parser.parse_args(arguments).searches
    rows = []
    with ProcessPoolExecutor() as processes:
        for server in _every_server():
            rows.append(row(server, _searches(server, count=count, processes=processes)))
            print(rows[-1], end="", flush=True)
    table = f"\n{count} searches of each server:\n\n{_HEAD}{''.join(rows)}\n"
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda found: found[1] + table + found[2], page), encoding="utf-8")


if __name__ == "__main__":
    main()
