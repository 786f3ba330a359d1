"""Show how often servelab's statistics are right, on simulated hosts whose truth is known.

python benchmarks/statistics_selftest.py run [--hosts N]: simulates, stores what was counted, and
renews the tables of docs/method.md; takes some minutes. ``report`` only renews the tables.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from simulated_hosts import report
from simulated_hosts.cases import Comparisons, Power, Quantiles, SelfTest
from simulated_hosts.hosts import Array, Weather, log_rates, spreads
from simulated_hosts.trials import DELTA, count_comparisons, count_power, count_quantiles

_BENCHMARKS = Path(__file__).resolve().parent
_STORED = _BENCHMARKS / "measured" / "statistics.json"
_PAGE = _BENCHMARKS.parent / "docs" / "method.md"
_MOST_ROUNDS = {2: 30, 6: 20}
_REQUESTS = 2000
"""Of a round: ten seconds at 200 per second."""


def equal(_: np.random.Generator, *, hosts: int, deployments: int) -> Array:
    """Return deployments that are all the same, as logarithms."""
    return np.zeros((hosts, deployments))


def various(generator: np.random.Generator, *, hosts: int, deployments: int) -> Array:
    """Return deployments a quarter of which are equal; of the rest as many lag by exactly delta.

    A quarter lags by up to 10 %, and a quarter by up to a half.
    """
    shape = (hosts, deployments)
    kinds = (
        np.zeros(shape),
        np.full(shape, np.log1p(DELTA)),
        generator.uniform(0, np.log(1.1), size=shape),
        generator.uniform(0, np.log(1.5), size=shape),
    )
    return -np.choose(generator.integers(4, size=shape), kinds)


Case = TypeVar("Case", Comparisons, Quantiles, Power)

TRUTHS = {"equal": equal, "various": various}


def comparisons(seed: int, *, hosts: int) -> Iterator[Comparisons]:
    """Compare two deployments, then six, under each weather; six on a quarter of the hosts each.

    Then on hosts of one spread: 5 %, where most experiments end because the interval is narrow, and
    30 %, against which delta is nothing.
    """
    kinds = [(weather, None) for weather in Weather]
    fixed = [(Weather.CALM, 0.05), (Weather.CALM, 0.3)]
    for deployments in _MOST_ROUNDS:
        for truth in TRUTHS:
            for weather, spread in (*kinds, *(fixed if truth == "equal" else ())):
                count = hosts if deployments == min(_MOST_ROUNDS) else hosts // len(Weather)
                yield _comparison(
                    seed,
                    hosts=count,
                    deployments=deployments,
                    truth=truth,
                    weather=weather,
                    spread=spread,
                )


def _comparison(
    seed: int, *, hosts: int, deployments: int, truth: str, weather: Weather, spread: float | None
) -> Comparisons:
    place = list(Weather).index(weather)
    key = [seed, deployments, list(TRUTHS).index(truth), place, round(100 * (spread or 0))]
    generator = np.random.default_rng(key)
    truths = TRUTHS[truth](generator, hosts=hosts, deployments=deployments)
    of_hosts = spreads(generator, hosts=hosts) if spread is None else np.full(hosts, spread)
    logs = log_rates(
        generator,
        truth=truths,
        spread=of_hosts,
        rounds=_MOST_ROUNDS[deployments],
        weather=weather,
    )
    return count_comparisons(logs, truths=truths, truth_name=truth, weather=weather, spread=spread)


def quantiles(seed: int, *, hosts: int) -> Iterator[Quantiles]:
    """Make intervals of quantiles at three loads."""
    for load in (0.3, 0.5, 0.7):
        for rounds in (8, 20):
            yield from count_quantiles(
                np.random.default_rng([seed, round(load * 10), rounds]),
                load=load,
                probabilities=(0.5, 0.9, 0.99),
                rounds=rounds,
                requests=_REQUESTS,
                hosts=hosts,
            )


def power(seed: int, *, hosts: int) -> Iterator[Power]:
    """Look for a difference of 10 % in eight rounds.

    The spread is that of the ratio; of two deployments with 5 % each that have nothing in common,
    it is 7.1 %.
    """
    for place, spread in enumerate((0.03, 0.05, 0.05 * 2**0.5)):
        generator = np.random.default_rng([seed, place])
        yield count_power(generator, ratio=1.1, spread=spread, rounds=8, hosts=hosts)


def run(*, seed: int, hosts: int) -> SelfTest:
    """Simulate everything."""
    return SelfTest(
        seed=seed,
        hosts=hosts,
        comparisons=tuple(_told(comparisons(seed, hosts=hosts))),
        quantiles=tuple(_told(quantiles(seed, hosts=hosts))),
        power=tuple(_told(power(seed, hosts=hosts))),
    )


def _told(cases: Iterator[Case]) -> Iterator[Case]:
    for case in cases:
        print(msgspec.json.encode(case).decode(), flush=True)
        yield case


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--hosts", type=int, default=5000, help="simulated hosts of each kind")
    parser.add_argument("--seed", type=int, default=4, help="of all randomness")
    parser.add_argument("--stored", type=Path, default=_STORED, help="where the counts go")
    parser.add_argument("--page", type=Path, default=_PAGE, help="the page to renew")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Do what was asked."""
    options = parse(arguments)
    if options.what == "run":
        counted = run(seed=options.seed, hosts=options.hosts)
        text = msgspec.json.format(msgspec.json.encode(counted), indent=1)
        options.stored.write_bytes(text + b"\n")
    stored = msgspec.json.decode(options.stored.read_bytes(), type=SelfTest)
    page = options.page.read_text(encoding="utf-8")
    options.page.write_text(report.renewed(page, counted=stored), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
