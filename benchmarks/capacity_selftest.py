"""Show how often a search for capacity confirms too much or too little, on simulated servers.

python benchmarks/capacity_selftest.py [--searches N]: runs the searches, and renews the tables in
docs/capacity.md: the procedure on each server, and other procedures beside it.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from statistics import mean
from unittest.mock import patch

import numpy as np

from capacity_simulation import Search, Server, further_servers, search, servers
from servelab import capacity

PAGE = Path(__file__).resolve().parents[1] / "docs" / "capacity.md"
ABOVE, BELOW, FAR_BELOW = 0.03, -0.10, -0.15
AS_IT_IS = "as it is"
WAYS: Mapping[str, Mapping[str, object]] = {
    AS_IT_IS: {},
    "confirmation begins at the solution": {"CAUTION": 1.0},
    "the same, and four of five must pass": {"CAUTION": 1.0, "CONFIRMING": 4},
    "three of three must pass": {"TRIALS_AT_MOST": 3},
    "each rung once": {"ROUNDS": 1},
}
"""Names of procedures -> the controller's constants, where they differ."""
_COLUMNS = (
    "| capacity | confirmed, against it: 5 %, median, 95 % of the searches | more than 3 % above "
    "| more than 10 % below | more than 15 % below | trials | minutes |\n"
)
_RULE = "|--:|--:|--:|--:|--:|--:|--:|\n"


def errors(found: Sequence[Search], *, server: Server) -> list[float]:
    """Return by what share each search confirmed more than is true; nothing confirmed is -1."""
    return [(each.answer.confirmed_per_s or 0.0) / server.truth_per_s - 1 for each in found]


def row(server: Server, found: Sequence[Search]) -> str:
    """Return the cells of one server's searches."""
    off = np.array(errors(found, server=server))
    low, middle, high = np.quantile(off, [0.05, 0.5, 0.95])
    shares = [np.mean(off > ABOVE), np.mean(off < BELOW), np.mean(off < FAR_BELOW)]
    cells = (
        f"{server.truth_per_s:.1f}/s",
        f"{low:+.1%}, {middle:+.1%}, {high:+.1%}",
        *(f"{share:.1%}" for share in shares),
        f"{mean(each.trials for each in found):.0f}",
        f"{mean(each.seconds for each in found) / 60:.0f}",
    )
    return " | ".join(cells)


def renewed(page: str, *, name: str, table: str) -> str:
    """Return a page with the table of that name replaced."""
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    return place.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", page)


def _searches(place: int, *, way: str, count: int, processes: ProcessPoolExecutor) -> list[Search]:
    return list(processes.map(partial(_search, place, way), range(count), chunksize=10))


def _search(place: int, way: str, seed: int) -> Search:
    with ExitStack() as changes:
        for name, value in WAYS[way].items():
            changes.enter_context(patch.object(capacity, name, value))
        return search(_every_server()[place], seed=seed)


@cache
def _every_server() -> tuple[Server, ...]:
    """Return all servers, whose truths take a while to find, once in each process."""
    return (*servers(), *further_servers())


def _tell(line: str) -> str:
    print(line, end="", flush=True)
    return line


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the searches and renew the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=200, help="of each server")
    count = parser.parse_args(arguments).searches
    known = _every_server()
    with ProcessPoolExecutor() as processes:
        run = partial(_searches, count=count, processes=processes)
        table = f"| server {_COLUMNS}|---{_RULE}" + "".join(
            _tell(f"| {server.name} | {row(server, run(place, way=AS_IT_IS))} |\n")
            for place, server in enumerate(known)
        )
        others = f"| procedure | server {_COLUMNS}|---|---{_RULE}" + "".join(
            _tell(f"| {way} | {server.name} | {row(server, run(place, way=way))} |\n")
            for way in WAYS
            for place, server in enumerate(known[: len(servers())])
        )
    page = PAGE.read_text(encoding="utf-8")
    page = renewed(page, name="self-test", table=f"{count} searches of each server:\n\n{table}")
    page = renewed(page, name="other ways", table=others)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
