"""Races of the tests: spaces, exact rates, and who runs them to their end."""

from collections.abc import Callable

from servelab.model.trial import Role
from servelab.model.tuning import (
    Candidate,
    End,
    Entrant,
    Measured,
    Outcome,
    RaceEnding,
    StackVariant,
    Tuning,
)
from servelab.model.variant import Axis, Variant
from servelab.tuning import next_round

MB = 2**20
PROCESSES = Axis(setting="processes", values=(1, 2, 4, 8), start=2)
THREADS = Axis(setting="threads", values=(1, 4, 16), start=4)

Rate = Callable[[Candidate, int], float]


def way(stack: str, *axes: Axis) -> StackVariant:
    return StackVariant(stack=stack, variant=Variant(axes=axes))


def of(stack: str, processes: int, threads: int | None = None) -> Candidate:
    more = () if threads is None else (("threads", threads),)
    return Candidate(stack=stack, settings=(("processes", processes), *more))


def measured(entrant: Entrant, number: int, *, rate: Rate, memory_bytes: int = 50 * MB) -> Measured:
    rate_per_s = rate(entrant.candidate, number)
    return Measured(
        candidate=entrant.candidate,
        round=number,
        role=entrant.role,
        rate_per_s=rate_per_s,
        peak_memory_bytes=memory_bytes,
        seconds=10.0,
    )


def race(
    tuning: Tuning,
    *,
    rate: Rate,
    changed: Callable[[Measured], Measured] = lambda each: each,
) -> tuple[list[Measured], RaceEnding]:
    past: list[Measured] = []
    while not isinstance(asked := next_round(past, tuning=tuning), End):
        assert asked.number <= 500, "the race never ends"
        past += [changed(measured(each, asked.number, rate=rate)) for each in asked.entrants]
    return past, asked.ending


def rounds_of(past: list[Measured], candidate: Candidate) -> list[int]:
    return [e.round for e in past if e.candidate == candidate and e.role is Role.CANDIDATE]


def failed(each: Measured, reason: str) -> Measured:
    return Measured(
        candidate=each.candidate,
        round=each.round,
        role=each.role,
        outcome=Outcome.FAILED,
        reason=reason,
    )
