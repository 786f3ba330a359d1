"""Show how well `tune` finds the best of 24 settings, and how many trials it takes, in simulation.

python benchmarks/tune_selftest.py run [--hosts N] [--seed S]: races on simulated hosts, stores what
came of them as lines of JSON, and renews the tables of docs/tuning.md. ``report`` only renews them.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from capacity_selftest import renewed
from servelab.model.tuning import RaceEnding
from simulated_hosts.hosts import Weather
from tune_simulation import GRID_ROUNDS, SHAPES, SURFACES, Gates, Host, Raced, race, truth

_BENCHMARKS = Path(__file__).resolve().parent
_STORED = _BENCHMARKS / "measured" / "tune_selftest.jsonl"
_PAGE = _BENCHMARKS.parent / "docs" / "tuning.md"
GOOD_ENOUGH = 0.97
SPREADS = (0.01, 0.12)
"""Standard deviation of the log ratio of two deployments, evenly spread on a log scale."""
QUARTER = 48
GRID_TRIALS = 24 * GRID_ROUNDS


class Sky(NamedTuple):
    """A weather, and whether servelab sees the neighbours in it."""

    name: str
    weather: Weather
    gates: Gates


SKIES = (
    Sky("calm", Weather.CALM, Gates.WATCH),
    Sky("drift", Weather.DRIFT, Gates.WATCH),
    Sky("neighbours, seen by the noise gates", Weather.BURSTS, Gates.WATCH),
    Sky("neighbours, unseen", Weather.BURSTS, Gates.SLEEP),
    Sky("drift and neighbours, unseen", Weather.BOTH, Gates.SLEEP),
)
BUDGETS = (None, QUARTER)
_COLUMNS = (
    "hosts | trials: median, 95 %, most | winner below .97 of the best "
    "| the same of the whole grid | winner's share of the best: 5 %, median "
    "| dropped as worse: all, truly 3 % better than the winner |"
)


class Line(Struct, frozen=True, kw_only=True):
    """One simulated host."""

    sky: str
    surface: str
    shape: str
    most_trials: int | None
    spread: float
    raced: Raced


class _Case(NamedTuple):
    sky: Sky
    surface: str
    shape: str
    most_trials: int | None
    host: int


def line(case: _Case, *, seed: int) -> Line:
    """Race on one host; the same host has the same truth and weather, whatever the budget."""
    key = (
        SKIES.index(case.sky),
        list(SURFACES).index(case.surface),
        list(SHAPES).index(case.shape),
    )
    random = np.random.default_rng([seed, *key, case.host])
    spread = float(np.exp(random.uniform(*np.log(SPREADS))))
    asked = truth(
        random,
        surface=case.surface,
        shape=case.shape,
        seed=case.host,
        most_trials=case.most_trials,
    )
    host = Host(random, spread=spread, weather=case.sky.weather)
    return Line(
        sky=case.sky.name,
        surface=case.surface,
        shape=case.shape,
        most_trials=case.most_trials,
        spread=round(spread, 4),
        raced=race(asked, host=host, seed=seed, gates=case.sky.gates),
    )


def run(*, seed: int, hosts: int) -> Iterator[Line]:
    """Race on all hosts, each kind of application, shape of the space and weather."""
    cases = [_Case(*each) for each in product(SKIES, SURFACES, SHAPES, BUDGETS, range(hosts))]
    with ProcessPoolExecutor() as processes:
        yield from processes.map(partial(line, seed=seed), cases, chunksize=20)


def row(name: str, lines: Sequence[Line]) -> str:
    """Return the cells of one group."""
    raced = [each.raced for each in lines]
    trials = [each.trials for each in raced]
    shares = np.array([each.share for each in raced if each.share is not None])
    grids = np.array([each.grid_share for each in raced])
    cells = (
        name,
        str(len(raced)),
        f"{np.median(trials):.0f}, {np.quantile(trials, 0.95):.0f}, {max(trials)}",
        f"{np.mean(shares < GOOD_ENOUGH):.1%}",
        f"{np.mean(grids < GOOD_ENOUGH):.1%}",
        f"{np.quantile(shares, 0.05):.3f}, {np.median(shares):.3f}",
        f"{sum(each.left for each in raced)}, {sum(each.left_wrongly for each in raced)}",
    )
    return f"| {' | '.join(cells)} |\n"


def table(lines: Sequence[Line], *, by: Callable[[Line], str], title: str) -> str:
    """Return a table with a line for each group."""
    names = dict.fromkeys(map(by, lines))
    head = f"| {title} | {_COLUMNS}\n|---|{'--:|' * 6}\n"
    return head + "".join(row(name, [e for e in lines if by(e) == name]) for name in names)


def endings(lines: Iterable[Line]) -> str:
    """Return how races ended, in words."""
    counts = Counter(each.raced.ending.value for each in lines)
    whole = counts.total()
    return ", ".join(f"{name} {count / whole:.0%}" for name, count in counts.most_common())


def spread_group(each: Line) -> str:
    """Return the spread's group."""
    limits = (0.03, 0.06, SPREADS[1])
    low, high = next(
        (low, high)
        for low, high in zip((SPREADS[0], *limits), limits, strict=False)
        if each.spread <= high
    )
    return f"{low:.0%} to {high:.0%}"


def report(lines: Sequence[Line], *, page: str) -> str:
    """Return the page with its tables renewed."""
    free = [each for each in lines if each.most_trials is None]
    quarter = [each for each in lines if each.most_trials is not None]
    undisturbed = [each for each in free if each.sky in {"calm", "drift"}]
    told = [each for each in free if each.raced.ending is not RaceEnding.NOISE]
    tables = {
        "weather": table(told, by=lambda each: each.sky, title="host")
        + "\nHow the races end: "
        + "; ".join(
            f"{sky.name}: {endings([e for e in free if e.sky == sky.name])}" for sky in SKIES
        )
        + ".\n",
        "kinds": table(undisturbed, by=lambda each: each.surface, title="work"),
        "shapes": table(undisturbed, by=lambda each: each.shape, title="24 settings"),
        "spreads": table(
            sorted(undisturbed, key=lambda each: each.spread),
            by=spread_group,
            title="noise of a ratio",
        ),
        "quarter": table(
            [e for e in quarter if e.raced.ending is not RaceEnding.NOISE],
            by=lambda each: each.sky,
            title="host",
        ),
    }
    for name, text in tables.items():
        page = renewed(page, name=name, table=text)
    return page


def main(arguments: Sequence[str]) -> int:
    """Do what was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--hosts", type=int, default=40, help="of each kind")
    parser.add_argument("--seed", type=int, default=2026, help="of all randomness")
    parser.add_argument("--stored", type=Path, default=_STORED)
    parser.add_argument("--page", type=Path, default=_PAGE)
    options = parser.parse_args(arguments)
    if options.what == "run":
        text = b"".join(
            msgspec.json.encode(each) + b"\n"
            for each in run(seed=options.seed, hosts=options.hosts)
        )
        options.stored.write_bytes(text)
    stored = options.stored.read_bytes().splitlines()
    lines = [msgspec.json.decode(each, type=Line) for each in stored]
    page = options.page.read_text(encoding="utf-8")
    options.page.write_text(report(lines, page=page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
