"""Simulated servers on which the search for capacity is tried; each trial has a noise of its own.

A server takes planned starts in seconds and the factor on its speed, and gives the ends. Truth is
the capacity of the same server without noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, exp, log

import numpy as np
from numpy.typing import NDArray

from servelab import capacity
from servelab.measure import backlog
from servelab.model.capacity import Answer, CapacityGoal, Observation, Probe, Verdict
from servelab.model.slo import Slo

Times = NDArray[np.float64]
Serve = Callable[[Times, float, np.random.Generator], Times]

SPREAD = 0.05
"""Standard deviation of the logarithm of a trial's speed."""
SLO = Slo(quantile="p99", target_s=0.2)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A simulated server, and the highest rate at which it meets the objective."""

    name: str
    serve: Serve
    truth_per_s: float


@dataclass(frozen=True, kw_only=True)
class Search:
    """One simulated search."""

    answer: Answer
    trials: int
    seconds: float
    """Of load; starting and stopping servers comes on top."""


def one_queue(arrivals_s: Times, services_s: Times) -> Times:
    """Return the ends of a queue that is served in order by one.

    D. V. Lindley, Mathematical Proceedings of the Cambridge Philosophical Society 48(2), 1952, with
    the recursion unrolled: end n = S_n + max over k <= n of (arrival k - S_(k-1)), S the running
    sum of services.
    """
    worked_s = np.cumsum(services_s)
    ends: Times = worked_s + np.maximum.accumulate(arrivals_s - (worked_s - services_s))
    return ends


def exponential(rate_per_s: float) -> Serve:
    """Return one server whose services are exponential (M/M/1)."""

    def serve(arrivals_s: Times, speed: float, random: np.random.Generator) -> Times:
        services_s = random.exponential(1 / (rate_per_s * speed), len(arrivals_s))
        return one_queue(arrivals_s, services_s)

    return serve


def constant(rate_per_s: float, *, servers: int) -> Serve:
    """Return several servers whose services all take the same time (M/D/c).

    Served in order, they take turns: each gets every c-th request, a queue of its own.
    """

    def serve(arrivals_s: Times, speed: float, random: np.random.Generator) -> Times:
        del random
        ends_s = np.empty_like(arrivals_s)
        for first in range(servers):
            mine = arrivals_s[first::servers]
            service_s = servers / (rate_per_s * speed)
            ends_s[first::servers] = one_queue(mine, np.full(len(mine), service_s))
        return ends_s

    return serve


def collapsing(cliff_per_s: float) -> Serve:
    """Return a server that is quick up to a rate, and does half of that beyond it."""

    def serve(arrivals_s: Times, speed: float, random: np.random.Generator) -> Times:
        asked_per_s = len(arrivals_s) / arrivals_s[-1] if len(arrivals_s) else 0.0
        cliff = cliff_per_s * speed
        able_per_s = 3 * cliff if asked_per_s <= cliff else cliff / 2
        services_s = random.exponential(1 / able_per_s, len(arrivals_s))
        return one_queue(arrivals_s, services_s)

    return serve


def exponential_truth_per_s(rate_per_s: float, *, slo: Slo) -> float:
    """Return the capacity of M/M/1: response times are exponential with rate - load."""
    return rate_per_s - log(1 / slo.beyond_share) / slo.target_s


def found_truth_per_s(serve: Serve, *, slo: Slo, low: float, high: float) -> float:
    """Return the capacity of a server without noise, from long runs, to a part in a thousand."""
    while high / low > 1.001:  # noqa: PLR2004
        middle = (low + high) / 2
        random = np.random.default_rng(7)
        arrivals_s = _poisson(middle, 2e6 / middle, random)
        times_s = serve(arrivals_s, 1.0, random) - arrivals_s
        meets = float(np.quantile(times_s, 1 - slo.beyond_share)) < slo.target_s
        low, high = (middle, high) if meets else (low, middle)
    return low


def servers() -> tuple[Server, ...]:
    """Return the three servers of the self-test."""
    several = constant(400.0, servers=8)
    return (
        Server(
            name="M/M/1, 100/s",
            serve=exponential(100.0),
            truth_per_s=exponential_truth_per_s(100.0, slo=SLO),
        ),
        Server(
            name="M/D/8, 400/s",
            serve=several,
            truth_per_s=found_truth_per_s(several, slo=SLO, low=300.0, high=400.0),
        ),
        Server(name="cliff at 300/s", serve=collapsing(300.0), truth_per_s=300.0),
    )


def further_servers() -> tuple[Server, ...]:
    """Return servers on which the objective bites elsewhere: far below saturation, and close."""
    return tuple(
        Server(
            name=f"M/M/1, {rate:g}/s",
            serve=exponential(rate),
            truth_per_s=exponential_truth_per_s(rate, slo=SLO),
        )
        for rate in (50.0, 200.0, 1000.0)
    )


def search(server: Server, *, seed: int, slo: Slo = SLO, spread: float = SPREAD) -> Search:
    """Return what the controller finds on a server."""
    goal = CapacityGoal(
        slo=slo,
        first_rate_per_s=capacity.default_first_rate_per_s(slo),
        lowest_rate_per_s=capacity.lowest_rate_per_s(slo),
        seed=seed,
    )
    random = np.random.default_rng(seed)
    past: list[Observation] = []
    seconds = 0.0
    while (probe := capacity.next_probe(past, goal=goal)) is not None:
        speed = exp(spread * random.standard_normal())
        past.append(_observed(probe, server=server, speed=speed, slo=slo, random=random))
        seconds += probe.duration_s
    return Search(answer=capacity.answer(past, goal=goal), trials=len(past), seconds=seconds)


def _poisson(rate_per_s: float, duration_s: float, random: np.random.Generator) -> Times:
    count = random.poisson(rate_per_s * duration_s)
    return np.sort(random.uniform(0.0, duration_s, count))


def _observed(
    probe: Probe, *, server: Server, speed: float, slo: Slo, random: np.random.Generator
) -> Observation:
    arrivals_s = _poisson(probe.rate_per_s, probe.duration_s, random)
    ends_s = server.serve(arrivals_s, speed, random)
    rank = ceil(len(arrivals_s) * (1 - slo.beyond_share)) - 1
    quantile_s = float(np.partition(ends_s - arrivals_s, rank)[rank])
    found = backlog.backlog(arrivals_s, ends_s)
    verdict, reason = capacity.judged(
        quantile_s, backlog=found, rate_per_s=probe.rate_per_s, slo=slo
    )
    return Observation(
        step=probe.step,
        rate_per_s=probe.rate_per_s,
        verdict=verdict if len(arrivals_s) >= slo.least_requests else Verdict.NOTHING,
        quantile_s=quantile_s,
        reason=reason,
    )
