"""Simulated applications on simulated hosts, on which `tune` is tried; the truth is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import product
from math import exp, log, log2, sqrt

import numpy as np
from msgspec import Struct

from servelab.model.tuning import (
    Candidate,
    LossCause,
    Measured,
    RaceEnding,
    StackVariant,
    Tuned,
    Tuning,
)
from servelab.model.variant import Axis, Variant
from servelab.model.verdict import Better
from servelab.tuning.answer import answer_of
from servelab.tuning.race import after, begin, whole_round
from simulated_hosts.hosts import ROUND_EFFECT, Weather, disturbances

GRID_ROUNDS = 8
DELTA = 0.03
CALLERS = 100
MOST_SLOTS = 600
GATE = 0.1
"""What neighbours may take of a trial, as a logarithm, before the noise gates void its round."""
_MB = 2**20
_SETTINGS = ("processes", "threads")
Generator = np.random.Generator


class Gates(Enum):
    """Whether neighbours are seen, as they are by servelab, or not."""

    WATCH = "watch"
    SLEEP = "sleep"


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What every candidate really does."""

    tuning: Tuning
    grid: tuple[Candidate, ...]
    rates: Mapping[Candidate, float]
    """Of the grid and the benchmarks."""
    memory_bytes: Mapping[Candidate, int]

    @property
    def best(self) -> float:
        """Return the highest rate of the grid."""
        return max(self.rates[each] for each in self.grid)


Surface = Callable[[Generator, int], Callable[[int, int], float]]
"""Random numbers and cores -> the rate of so many processes and threads."""


def cpu(random: Generator, cores: int) -> Callable[[int, int], float]:
    """Return work that computes: best with a process per core, and threads get in the way."""
    crowd, contention = random.uniform(0, 0.08), random.uniform(0.02, 0.15)
    service_s = random.uniform(0.003, 0.1)

    def rate(processes: int, threads: int) -> float:
        # Every process beyond the cores costs a little; each doubling of threads costs a share.
        crowding = 1 + crowd * max(0, processes - cores) / cores
        return min(processes, cores) / service_s / crowding / (1 + contention * log2(threads))

    return rate


def waiting(random: Generator, cores: int) -> Callable[[int, int], float]:
    """Return work that waits: more at once is better, until the cores are busy."""
    wait_s, service_s = random.uniform(0.005, 0.1), random.uniform(0.0003, 0.003)
    switching = random.uniform(0.0, 0.06)

    def rate(processes: int, threads: int) -> float:
        at_once = min(processes * threads, CALLERS) / (wait_s + service_s)
        busy = min(processes, cores) / service_s / (1 + switching * log2(threads))
        crowding = 1 + switching * max(0, processes - cores) / cores
        return _lesser(at_once, busy / crowding, sharpness=4)

    return rate


def mixed(random: Generator, cores: int) -> Callable[[int, int], float]:
    """Return work that computes and waits, so that a few threads for each process are best."""
    wait_s, service_s = random.uniform(0.005, 0.05), random.uniform(0.002, 0.02)
    contention, crowd = random.uniform(0.02, 0.12), random.uniform(0, 0.1)

    sharpness = random.uniform(2, 6)

    def rate(processes: int, threads: int) -> float:
        at_once = min(processes * threads, CALLERS) / (wait_s + service_s)
        busy = min(processes, cores) / service_s / (1 + contention * log2(threads))
        crowding = 1 + crowd * max(0, processes - cores) / cores
        return _lesser(at_once, busy / crowding, sharpness=sharpness)

    return rate


def _lesser(one: float, other: float, *, sharpness: float) -> float:
    """Return a rounded minimum of two limits."""
    rate: float = (one**-sharpness + other**-sharpness) ** (-1 / sharpness)
    return rate


SURFACES: Mapping[str, Surface] = {"cpu": cpu, "waiting": waiting, "mixed": mixed}
SHAPES: Mapping[str, tuple[int, int, int]] = {
    "1 stack * 6 * 4": (1, 6, 4),
    "2 stacks * 4 * 3": (2, 4, 3),
    "4 stacks * 3 * 2": (4, 3, 2),
    "8 stacks * 3": (8, 3, 1),
}
"""Stacks, values of processes, and of threads: 24 settings each."""


def truth(
    random: Generator, *, surface: str, shape: str, seed: int, most_trials: int | None = None
) -> Truth:
    """Return an application on a machine, each stack with ways of its own."""
    cores = int(random.choice([2, 4, 8]))
    stacks, processes, threads = SHAPES[shape]
    space = tuple(
        StackVariant(stack=f"stack-{number}", variant=_variant(processes, threads, cores=cores))
        for number in range(stacks)
    )
    folklore = Candidate(stack="stack-0", settings=(("processes", 2 * cores + 1), ("threads", 1)))
    grid = tuple(
        Candidate(stack=way.stack, settings=tuple(zip(_SETTINGS, each, strict=True)))
        for way in space
        for each in product(*(axis.values for axis in way.variant.axes))
    )
    rates: dict[Candidate, float] = {}
    memory: dict[Candidate, int] = {}
    for number, way in enumerate(space):
        own = SURFACES[surface](random, cores)
        factor = 1.0 if not number else random.uniform(0.7, 1.15)
        base, more = random.uniform(20, 80) * _MB, random.uniform(0.1, 1) * _MB
        for each in (*grid, folklore):
            if each.stack == way.stack:
                (_, with_processes), (_, with_threads) = each.settings
                assert isinstance(with_processes, int)  # noqa: S101
                assert isinstance(with_threads, int)  # noqa: S101
                rates[each] = factor * own(with_processes, with_threads)
                memory[each] = round(with_processes * (base + more * with_threads))
    return Truth(
        tuning=Tuning(space=space, benchmarks=(folklore,), seed=seed, most_trials=most_trials),
        grid=grid,
        rates=rates,
        memory_bytes=memory,
    )


_PROCESSES: Mapping[int, Mapping[int, tuple[int, ...]]] = {
    6: {2: (1, 2, 3, 4, 6, 8), 4: (1, 2, 4, 6, 8, 16), 8: (1, 4, 8, 12, 16, 32)},
    4: {2: (1, 2, 4, 8), 4: (1, 4, 8, 16), 8: (1, 8, 16, 32)},
    3: {2: (1, 2, 4), 4: (2, 4, 8), 8: (4, 8, 16)},
}
"""How many values -> cores -> the values."""
_THREADS: Mapping[int, tuple[tuple[int, ...], int]] = {
    4: ((1, 4, 16, 64), 4),
    3: ((1, 8, 64), 8),
    2: ((1, 16), 16),
    1: ((16,), 16),
}
"""How many values -> the values, and where a search begins."""


def _variant(processes: int, threads: int, *, cores: int) -> Variant:
    pools, start = _THREADS[threads]
    counts = _PROCESSES[processes][cores]
    return Variant(
        axes=(
            Axis(setting="processes", values=counts, start=cores),
            Axis(setting="threads", values=pools, start=start),
        )
    )


class Host:
    """A machine that never stands still: what its trials measure, one slot of time each."""

    def __init__(self, random: Generator, *, spread: float, weather: Weather) -> None:
        drift, taken = disturbances(random, hosts=1, slots=MOST_SLOTS, weather=weather)
        self._drift, self._taken = drift[0], taken[0]
        self._rounds = random.normal(0, ROUND_EFFECT, size=MOST_SLOTS)
        self._random = random
        self._spread = spread

    def measured(self, rate_per_s: float, *, slot: int, number: int) -> float:
        """Return what the trial in a slot measures of a rate, in a round."""
        noise = self._random.normal() * self._spread / sqrt(2) + self._rounds[number]
        return rate_per_s * exp(noise + self._drift[slot] - self._taken[slot])

    def is_disturbed(self, slot: int) -> bool:
        """Tell whether neighbours take more than the noise gates allow."""
        return bool(self._taken[slot] > GATE)


class Raced(Struct, frozen=True, array_like=True):
    """What came of one race, and of the whole grid on the same host; stored as a list."""

    ending: RaceEnding
    trials: int
    rounds: int
    share: float | None
    """What the winner truly does / what the best of the grid does; None without a winner."""
    grid_share: float
    """The same of whom eight rounds of the whole grid would choose."""
    folklore_share: float
    verdicts: int
    """Those that said better."""
    false_verdicts: int
    """Those of them on a candidate that is not worse by delta."""
    left: int
    """Those that were dropped as worse."""
    left_wrongly: int
    """Those of them that truly exceed the winner by more than delta."""


def race(truth: Truth, *, host: Host, seed: int, gates: Gates) -> Raced:
    """Return what the controller finds, and what eight rounds of the whole grid would."""
    state, slot = begin(truth.tuning), 0
    while state.ending is None:
        asked = whole_round(state, tuning=truth.tuning)
        made = tuple(
            Measured(
                candidate=entrant.candidate,
                round=asked.number,
                role=entrant.role,
                rate_per_s=host.measured(
                    truth.rates[entrant.candidate], slot=place, number=asked.number
                ),
                peak_memory_bytes=truth.memory_bytes[entrant.candidate],
                is_void=gates is Gates.WATCH and host.is_disturbed(place),
            )
            for place, entrant in enumerate(asked.entrants, start=slot)
        )
        state, slot = after(state, made, tuning=truth.tuning), slot + len(made)
    found = answer_of(state, trials=slot, tuning=truth.tuning)
    better = _better(found)
    rates = {each.name: rate for each, rate in truth.rates.items()}
    false = [names for names in better if rates[names[0]] / rates[names[1]] <= 1 + DELTA]
    left = [truth.rates[each.candidate] for each in found.losses if each.cause is LossCause.WORSE]
    return Raced(
        ending=state.ending,
        trials=slot,
        rounds=found.rounds,
        share=round(truth.rates[found.winner] / truth.best, 4) if found.winner else None,
        grid_share=round(truth.rates[_best_of_grid(truth, host=host, seed=seed)] / truth.best, 4),
        folklore_share=round(truth.rates[truth.tuning.benchmarks[0]] / truth.best, 4),
        verdicts=len(better),
        false_verdicts=len(false),
        left=len(left),
        left_wrongly=sum(
            found.winner is not None and rate > (1 + DELTA) * truth.rates[found.winner]
            for rate in left
        ),
    )


def _best_of_grid(truth: Truth, *, host: Host, seed: int) -> Candidate:
    """Return the highest geometric mean of eight rounds, each in an order of its own."""
    order = np.random.default_rng([seed, 1])
    sums = dict.fromkeys(truth.grid, 0.0)
    slots = iter(range(GRID_ROUNDS * len(truth.grid)))
    for number in range(1, GRID_ROUNDS + 1):
        for place in order.permutation(len(truth.grid)):
            each = truth.grid[place]
            rate = host.measured(truth.rates[each], slot=next(slots), number=number)
            sums[each] += log(rate)
    return max(sums, key=sums.__getitem__)


def _better(found: Tuned) -> list[tuple[str, str]]:
    """Return leader and other of each verdict that says better."""
    comparisons = found.verdicts.comparisons if found.verdicts else ()
    return [(e.leader, e.other) for e in comparisons if isinstance(e.verdict, Better)]
