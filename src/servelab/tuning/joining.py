"""Who joins a race after a round: the neighbours of those that have shown something."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import log, log1p

from servelab.model.tuning import Candidate, StackVariant, Tuning
from servelab.tuning import memory, space
from servelab.tuning.state import LEAD_ROUNDS, State, mean_share, remaining_trials, shares

PROBE = 0.5
"""Share of the leader from which on the start of a stack has its neighbours tried."""
SCOUT = 0.12
"""From which on at least those with more of something are tried: the start may have too little."""
NEAR = 0.8
"""Share of the leader from which on any other best of a stack, or a benchmark, has."""
LEAP = 1.25
"""One that exceeds the best of its stack by this factor leads further, wherever the leader is."""
FEW = 3
"""Below so many runners neighbours join before the first round: a race needs a field."""
NEWCOMERS_ROUNDS = 3
"""That the budget must have room for before anyone joins."""
BENCHMARK_DRAWS = 2
"""Rounds after which a benchmark that does well has its neighbours tried."""


def field_of(running: Sequence[Candidate], *, tuning: Tuning) -> State:
    """Return the race before its first round."""
    state = State(running=tuple(running), tried=frozenset(running))
    if 0 < len(running) < FEW:
        starts = [space.start(way) for way in tuning.space]
        return _joined(state, centres=[each for each in starts if each in running], tuning=tuning)
    return state


def with_lighter_ones(state: State, *, tuning: Tuning) -> State:
    """Return the race with a lighter one of each way that the memory limit has cost its start."""
    found = memory.lighter_ones(state, tuning=tuning)
    # Where nobody is left there is nothing to spare the budget for.
    room = _room(len(found), state, tuning=tuning) if state.running else len(found)
    return memory.with_lighter(state, found, room=room) if found else state


def with_newcomers(state: State, *, leader: Candidate, tuning: Tuning) -> State:
    """Return the race with those that join it now."""
    centres: list[Candidate] = []
    further: list[Candidate] = []
    for way in tuning.space:
        best = state.best_of_way(way.name)
        if best is not None:
            centres += _centre(way, state, best=best, leader=leader, tuning=tuning)
            further += _straight_on(state, best=best, tuning=tuning)
    further += _scouts(state, leader=leader, tuning=tuning)
    further += _beside_benchmarks(state, leader=leader, tuning=tuning)
    return _joined(state, centres=centres, further=further, tuning=tuning)


def _centre(
    way: StackVariant, state: State, *, best: Candidate, leader: Candidate, tuning: Tuning
) -> Iterator[Candidate]:
    """Yield whose neighbours join of a stack, if any: first the start's, then the best one's."""
    centre, start = state.centre(way.name), state.start(way)
    if centre is None and start in state.running:
        if mean_share(state.book, start, beside=leader) > log(PROBE):
            yield start
    elif _has_climbed(state, best=best, centre=centre, leader=leader, tuning=tuning):
        yield best


def _has_climbed(
    state: State,
    *,
    best: Candidate,
    centre: Candidate | None,
    leader: Candidate,
    tuning: Tuning,
) -> bool:
    """Tell whether the best of a stack is another one, by what matters, and good enough."""
    if best == centre or state.book.count(best) < LEAD_ROUNDS:
        return False
    gain = mean_share(state.book, best, beside=centre) if centre else 0.0
    is_near = mean_share(state.book, best, beside=leader) > log(NEAR)
    if not is_near and gain < log(LEAP):
        return False
    return centre not in state.running or gain > log1p(tuning.judging.delta)


def _straight_on(state: State, *, best: Candidate, tuning: Tuning) -> Iterator[Candidate]:
    """Yield what lies behind a newcomer that did far better than its stack's best."""
    for candidate in state.running:
        if candidate.way != best.way or candidate == best:
            continue
        found = shares(state.book, candidate, beside=best)
        if state.book.count(candidate) == 1 and found and found[0] > log(LEAP):
            yield from space.beyond(candidate, origin=best, space=tuning.space)


def _scouts(state: State, *, leader: Candidate, tuning: Tuning) -> Iterator[Candidate]:
    """Yield those with more of something than a weak start, after its first round."""
    for start in map(state.start, tuning.space):
        is_new = start in state.running and state.book.count(start) == 1
        if is_new and log(SCOUT) < mean_share(state.book, start, beside=leader) <= log(PROBE):
            yield from space.more(start, space=tuning.space)


def _beside_benchmarks(state: State, *, leader: Candidate, tuning: Tuning) -> Iterator[Candidate]:
    for benchmark in tuning.benchmarks:
        is_due = benchmark in state.running and state.book.count(benchmark) == BENCHMARK_DRAWS
        if is_due and mean_share(state.book, benchmark, beside=leader) > log(NEAR):
            yield from space.neighbours(benchmark, space=tuning.space)


def _room(count: int, state: State, *, tuning: Tuning) -> int:
    """Return how many of so many newcomers the budget has room for."""
    left = remaining_trials(state, tuning=tuning) / NEWCOMERS_ROUNDS - len(state.running) - 1
    return max(0, int(min(left, float(count))))


def _joined(
    state: State,
    *,
    centres: Sequence[Candidate],
    further: Sequence[Candidate] = (),
    tuning: Tuning,
) -> State:
    """Return the race with whom of them has not been tried, as far as the budget has room."""
    found = [near for each in centres for near in space.neighbours(each, space=tuning.space)]
    new = [
        each
        for each in dict.fromkeys((*found, *further))
        if each not in state.tried and not memory.is_hopeless(each, state)
    ]
    new = new[: _room(len(new), state, tuning=tuning)]
    known = dict(state.centres) | {each.way: each for each in centres}
    return replace(
        state,
        running=(*state.running, *new),
        tried=state.tried | frozenset(new),
        centres=tuple(known.items()),
    )
