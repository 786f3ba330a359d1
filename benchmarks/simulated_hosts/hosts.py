"""Hosts that never stand still: what a round measures of deployments whose truth is known."""

from enum import Enum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SPREADS = (0.01, 0.3)
"""Standard deviation of the log ratio of two deployments, evenly spread on a log scale."""
ROUND_EFFECT = 0.1
_DRIFT = 0.3
_WAVE = 0.2
_BURST_CHANCE = (0.02, 0.15)
_BURST_SLOTS = (1.0, 6.0)
_BURST_DEPTH = (0.1, 0.7)


class Weather(Enum):
    """What disturbs a host beyond log-normal noise of trials and rounds."""

    CALM = "neither"
    DRIFT = "drift"
    BURSTS = "bursts"
    BOTH = "drift and bursts"


def spreads(generator: np.random.Generator, *, hosts: int) -> Array:
    """Return the spread of each host."""
    low, high = np.log(SPREADS)
    logs: Array = generator.uniform(low, high, size=hosts)
    return np.exp(logs)


def log_rates(
    generator: np.random.Generator,
    *,
    truth: Array,
    spread: Array,
    rounds: int,
    weather: Weather,
) -> Array:
    """Return the logarithm of what each trial measures: hosts x rounds x deployments.

    `truth` (hosts x deployments) are the true logarithms, `spread` one number a host. The trials of
    a round take one slot of time each, in random order; drift and bursts go by slots.
    """
    hosts, deployments = truth.shape
    shape = (hosts, rounds, deployments)
    noise = generator.normal(size=shape) * spread[:, None, None] / np.sqrt(2)
    noise += generator.normal(0, ROUND_EFFECT, size=(hosts, rounds, 1))
    drift, taken = disturbances(generator, hosts=hosts, slots=rounds * deployments, weather=weather)
    by_slot = drift - taken
    order = np.argsort(generator.random(shape), axis=2)
    seen = np.take_along_axis(by_slot.reshape(shape), order, axis=2)
    measured: Array = truth[:, None, :] + noise + seen
    return measured


def disturbances(
    generator: np.random.Generator, *, hosts: int, slots: int, weather: Weather
) -> tuple[Array, Array]:
    """Return drift, and what neighbours take, of each slot as logarithms: hosts x slots."""
    drift, taken = np.zeros((hosts, slots)), np.zeros((hosts, slots))
    if weather in {Weather.DRIFT, Weather.BOTH}:
        drift = _drift(generator, hosts=hosts, slots=slots)
    if weather in {Weather.BURSTS, Weather.BOTH}:
        taken = _bursts(generator, hosts=hosts, slots=slots)
    return drift, taken


def _drift(generator: np.random.Generator, *, hosts: int, slots: int) -> Array:
    """Return a line, up to 30 % from end to end, and a wave, up to 20 % up and down."""
    time = np.arange(slots)
    line = generator.uniform(-_DRIFT, _DRIFT, size=(hosts, 1)) * time / slots
    period = generator.uniform(5, 50, size=(hosts, 1))
    phase = generator.uniform(0, 2 * np.pi, size=(hosts, 1))
    height = generator.uniform(0, _WAVE, size=(hosts, 1))
    return line + height * np.sin(2 * np.pi * time / period + phase)


def _bursts(generator: np.random.Generator, *, hosts: int, slots: int) -> Array:
    """Return how much a neighbour who comes and goes takes of each slot, as a logarithm."""
    starts = generator.uniform(*_BURST_CHANCE, size=hosts)
    ends = 1 / generator.uniform(*_BURST_SLOTS, size=hosts)
    is_on = generator.random(hosts) < starts / (starts + ends)
    depth = generator.uniform(*_BURST_DEPTH, size=hosts)
    taken = np.zeros((hosts, slots))
    for slot in range(slots):
        changes = generator.random(hosts) < np.where(is_on, ends, starts)
        is_on ^= changes
        depth = np.where(changes & is_on, generator.uniform(*_BURST_DEPTH, size=hosts), depth)
        # The neighbour comes or goes in the middle of a trial.
        part = np.where(changes, generator.random(hosts), 1.0)
        taken[:, slot] = np.where(is_on | changes, depth * part, 0.0)
    return taken


def queue_times(
    generator: np.random.Generator, *, load: float, shape: tuple[int, ...], requests: int
) -> Array:
    """Return the response times of M/M/1 queues in equilibrium, in mean service times.

    One more axis than `shape`. Waiting follows D. V. Lindley (Mathematical Proceedings of the
    Cambridge Philosophical Society 48(2), 1952).
    """
    service = generator.exponential(size=(*shape, requests))
    gaps = generator.exponential(1 / load, size=(*shape, requests))
    first = np.where(
        generator.random(shape) < load, generator.exponential(1 / (1 - load), size=shape), 0.0
    )
    steps = np.concatenate((first[..., None], service[..., :-1] - gaps[..., 1:]), axis=-1)
    walk = np.cumsum(steps, axis=-1)
    waiting = walk - np.minimum(np.minimum.accumulate(walk, axis=-1), 0.0)
    return waiting + service


def true_queue_time(*, load: float, probability: float) -> float:
    """Return the quantile of the response time, which is exponential with mean 1 / (1 - load)."""
    return float(-np.log(1 - probability) / (1 - load))
