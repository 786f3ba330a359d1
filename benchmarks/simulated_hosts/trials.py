"""Run servelab's statistics on simulated hosts, and count how often they are right."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct

from servelab.model.verdict import Better, Budget, Comparison, Equivalent, NextStep, Verdicts
from servelab.stats.comparison import judge
from servelab.stats.intervals import over_rounds
from servelab.stats.quantiles import nearest_rank
from servelab.stats.stopping import next_step
from simulated_hosts.cases import Candidate, Comparisons, Power, Quantiles
from simulated_hosts.hosts import Array, Weather, log_rates, queue_times, true_queue_time
from simulated_hosts.procedures import CANDIDATES, beside_the_best, count_pairs

DELTA = 0.03
_LEAST_ROUNDS = 8
_QUEUES_AT_ONCE = 250
_ROUNDING = 1e-9


class Stopped(Struct, frozen=True, kw_only=True):
    """One experiment: where it stopped, and what it said."""

    rounds: int
    step: NextStep
    verdicts: Verdicts


def experiment(logs: Array) -> Stopped:
    """Make rounds until servelab says that it is enough; `logs` is rounds x deployments."""
    most, deployments = logs.shape
    columns = [np.exp(logs[:, index]).tolist() for index in range(deployments)]
    budget = Budget(rounds=most)
    rounds = _LEAST_ROUNDS
    while True:
        values = {str(index): column[:rounds] for index, column in enumerate(columns)}
        step = next_step(values, budget=budget)
        if step is not NextStep.CONTINUE:
            return Stopped(rounds=rounds, step=step, verdicts=judge(values))
        rounds += 1


def true_log(comparison: Comparison, *, truth: Array) -> float:
    """Return the true logarithm of a ratio."""
    return float(truth[int(comparison.leader)] - truth[int(comparison.other)])


def holds(comparison: Comparison, *, truth: Array) -> bool:
    """Tell whether the printed interval holds the true ratio."""
    assert comparison.ratio is not None  # noqa: S101 - every simulated round has its figures
    true = np.exp(true_log(comparison, truth=truth))
    return bool(comparison.ratio.low <= true <= comparison.ratio.high)


def is_false_winner(comparison: Comparison, *, truth: Array) -> bool:
    """Tell whether better was said of one that is not better by delta."""
    true = true_log(comparison, truth=truth)
    return isinstance(comparison.verdict, Better) and true <= np.log1p(DELTA) + _ROUNDING


def is_wrong(comparison: Comparison, *, truth: Array) -> bool:
    """Tell whether the verdict is not so."""
    true = abs(true_log(comparison, truth=truth))
    is_apart = isinstance(comparison.verdict, Equivalent) and true >= np.log1p(DELTA) - _ROUNDING
    return is_apart or is_false_winner(comparison, truth=truth)


def count_comparisons(
    logs: Array, *, truths: Array, truth_name: str, weather: Weather, spread: float | None
) -> Comparisons:
    """Run an experiment on each host and count; `truths` is hosts x deployments."""
    ended = [experiment(each) for each in logs]
    pairs = [
        [(each, truth) for each in stopped.verdicts.comparisons]
        for stopped, truth in zip(ended, truths, strict=True)
    ]
    held = [[holds(each, truth=truth) for each, truth in host] for host in pairs]
    return Comparisons(
        truth=truth_name,
        weather=weather.value,
        spread=spread,
        deployments=logs.shape[2],
        hosts=len(logs),
        most_rounds=logs.shape[1],
        mean_rounds=float(np.mean([each.rounds for each in ended])),
        stops=dict(Counter(each.step.value for each in ended)),
        intervals=sum(map(len, held)),
        held=sum(map(sum, held)),
        all_held=sum(map(all, held)),
        false_winners=sum(
            any(is_false_winner(each, truth=truth) for each, truth in host) for host in pairs
        ),
        wrong=sum(any(is_wrong(each, truth=truth) for each, truth in host) for host in pairs),
        decided=sum(
            isinstance(each.verdict, Better | Equivalent) for host in pairs for each, _ in host
        ),
        candidates=(_own(ended, held), *_rivals(logs, ended, truths)),
    )


def _own(ended: Sequence[Stopped], held: Sequence[Sequence[bool]]) -> Candidate:
    widths = [
        np.log(each.ratio.high / each.ratio.low)
        for stopped in ended
        for each in stopped.verdicts.comparisons
        if each.ratio
    ]
    return Candidate(
        name="servelab",
        hosts=len(held),
        held=sum(map(all, held)),
        mean_width=float(np.mean(widths)),
    )


def _rivals(logs: Array, ended: Sequence[Stopped], truths: Array) -> list[Candidate]:
    """Make the other intervals of the rounds that servelab had, hosts with equally many at once."""
    deployments = logs.shape[2]
    stops = np.array([each.rounds for each in ended])
    groups = [(np.flatnonzero(stops == rounds), rounds) for rounds in np.unique(stops)]
    found = []
    for name in _rival_names(deployments):
        held, width = 0, 0.0
        for hosts, rounds in groups:
            part = logs[hosts, :rounds]
            low, high, true = _limits(name, part, truths[hosts])
            held += int(np.all((low <= true) & (true <= high), axis=1).sum())
            width += float((high - low).mean(axis=1).sum())
        mean_width = width / len(logs)
        found.append(Candidate(name=name, hosts=len(logs), held=held, mean_width=mean_width))
    return found


_ALL_PAIRS, _PRINTED_PAIRS, _EACH_ALONE = "t, all pairs", "t, printed pairs", "t, each alone"


def _rival_names(deployments: int) -> Sequence[str]:
    only_two = 2
    if deployments == only_two:
        return tuple(CANDIDATES)
    return (_ALL_PAIRS, _PRINTED_PAIRS, _EACH_ALONE)


def _limits(name: str, logs: Array, truths: Array) -> tuple[Array, Array, Array]:
    """Return limits and truth, each hosts x intervals."""
    if name in CANDIDATES:
        low, high = CANDIDATES[name](logs, error=0.05)
        return low[:, None], high[:, None], truths[:, :1] - truths[:, 1:]
    deployments = logs.shape[2]
    shares = {_ALL_PAIRS: count_pairs(deployments), _PRINTED_PAIRS: deployments - 1, _EACH_ALONE: 1}
    low, high = beside_the_best(logs, pairs_that_share=shares[name])
    leader = logs.mean(axis=1).argmax(axis=1)
    true = [
        truth[best] - np.delete(truth, best) for truth, best in zip(truths, leader, strict=True)
    ]
    return low, high, np.array(true)


def count_quantiles(
    generator: np.random.Generator,
    *,
    load: float,
    probabilities: Sequence[float],
    rounds: int,
    requests: int,
    hosts: int,
) -> list[Quantiles]:
    """Simulate queues, and count the intervals that hold the true quantile."""
    by_round = np.empty((2, len(probabilities), hosts, rounds))
    of_all = np.empty((len(probabilities), hosts, 2))
    edges = [0, *range(_QUEUES_AT_ONCE, hosts, _QUEUES_AT_ONCE), hosts]
    for first, last in pairwise(edges):
        times = queue_times(generator, load=load, shape=(last - first, rounds), requests=requests)
        merged = np.sort(times.reshape(last - first, -1), axis=-1)
        by_round[:, :, first:last] = quantiles_by_round(times, probabilities=probabilities)
        for index, probability in enumerate(probabilities):
            ranks = _order_ranks(merged.shape[1], probability=probability)
            of_all[index, first:last] = merged[:, ranks]
    return [
        _count_held(by_round[:, index], of_all[index], load, probability, requests)
        for index, probability in enumerate(probabilities)
    ]


def quantiles_by_round(times: Array, *, probabilities: Sequence[float]) -> Array:
    """Return corrected and nearest-rank quantiles: 2 x probabilities x the times' other axes.

    The same figures as `corrected_quantile` gives, of all rounds at once.
    """
    middle = times.shape[-1] // 2
    parts = [np.sort(part) for part in (times, times[..., :middle], times[..., middle:])]
    found = []
    for probability in probabilities:
        whole, first, second = (
            part[..., nearest_rank(part.shape[-1], probability=probability) - 1] for part in parts
        )
        found.append((whole**2 / np.sqrt(first * second), whole))
    return np.stack([np.stack(each) for each in found], axis=1)


def _order_ranks(count: int, *, probability: float) -> list[int]:
    """Return the places of the limits that hold a quantile of independent samples with 95 %.

    Normal approximation of the binomial (H. A. David & H. N. Nagaraja, Order Statistics, par. 7.1).
    """
    half = 1.96 * np.sqrt(count * probability * (1 - probability))
    middle = count * probability
    return [int(np.floor(middle - half)) - 1, int(np.ceil(middle + half))]


def _count_held(
    by_round: Array, of_all: Array, load: float, probability: float, requests: int
) -> Quantiles:
    true = true_queue_time(load=load, probability=probability)
    corrected, plain = (_limits_over_rounds(each) for each in by_round)
    _, hosts, rounds = by_round.shape
    return Quantiles(
        load=load,
        probability=probability,
        rounds=rounds,
        requests=requests,
        hosts=hosts,
        held=_count_inside(corrected, true),
        held_without_correction=_count_inside(plain, true),
        held_by_order_statistics=_count_inside(of_all, true),
        mean_width=float(np.log(corrected[:, 1] / corrected[:, 0]).mean()),
        mean_width_without_correction=float(np.log(plain[:, 1] / plain[:, 0]).mean()),
        bias=float(np.log(by_round[0]).mean() - np.log(true)),
        bias_without_correction=float(np.log(by_round[1]).mean() - np.log(true)),
    )


def _limits_over_rounds(values: Array) -> Array:
    found = [over_rounds(row) for row in values.tolist()]
    return np.array([(each.low, each.high) for each in found if each], dtype=np.float64)


def _count_inside(limits: Array, true: float) -> int:
    return int(((limits[:, 0] <= true) & (true <= limits[:, 1])).sum())


def count_power(
    generator: np.random.Generator, *, ratio: float, spread: float, rounds: int, hosts: int
) -> Power:
    """Count how often the better of two is called so after a fixed number of rounds."""
    logs = log_rates(
        generator,
        truth=np.tile(np.log([1.0, ratio]), (hosts, 1)),
        spread=np.full(hosts, spread),
        rounds=rounds,
        weather=Weather.CALM,
    )
    found = [
        judge({"0": np.exp(each[:, 0]).tolist(), "1": np.exp(each[:, 1]).tolist()}).comparisons[0]
        for each in logs
    ]
    return Power(
        ratio=ratio,
        spread=spread,
        rounds=rounds,
        hosts=hosts,
        found=sum(each.leader == "1" and isinstance(each.verdict, Better) for each in found),
        excludes_equality=sum(
            each.leader == "1" and each.ratio is not None and each.ratio.low > 1 for each in found
        ),
    )
