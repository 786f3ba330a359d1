"""The race, round by round: past trials -> who runs next, or the end; pure."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from math import ceil

from servelab.model.trial import Role
from servelab.model.tuning import Candidate, End, Entrant, Loss, Measured, RaceEnding, Round, Tuning
from servelab.tuning import dropping, joining, space
from servelab.tuning.state import LEAD_ROUNDS, State, remaining_trials, shares

MOST_ROUNDS = 16
"""That the last ones share with the leader, however much the machine's rates move."""
WORTH = 0.5
"""Of the trials of the whole space, each setting in as many rounds as a verdict needs: what a race
may take when its last ones run on. In a small space they may all the same."""
LEAST_ROUNDS_OF_NOISE = 6
"""Before which no race ends because of voided rounds."""
_TWO_SIDES = 2.0
"""Standard errors to either side of an estimate, about 95 %: as wide as what does not matter."""


def next_round(past: Sequence[Measured], *, tuning: Tuning) -> Round | End:
    """Return what to measure next, in its order; of an interrupted round, what is missing.

    The same plan and the same past give the same answer. ValueError where a round of the past is
    none of this plan.
    """
    state, begun = run(past, tuning=tuning)
    if state.ending is not None:
        return End(ending=state.ending)
    asked = whole_round(state, tuning=tuning)
    return Round(number=asked.number, entrants=_missing(asked, begun))


def run(past: Sequence[Measured], *, tuning: Tuning) -> tuple[State, tuple[Measured, ...]]:
    """Return the race after its complete rounds, and the trials of one that was interrupted."""
    state = begin(tuning)
    in_order = sorted(past, key=lambda each: each.round)
    for number, group in groupby(in_order, lambda each: each.round):
        made = tuple(group)
        asked = whole_round(state, tuning=tuning)
        is_other = number != asked.number or not _places(made) <= _places(asked.entrants)
        if state.ending is not None or is_other:
            raise ValueError(f"round {number} is not the one that follows from the race before it")
        if _missing(asked, made):
            return state, made
        state = after(state, made, tuning=tuning)
    return state, ()


def begin(tuning: Tuning) -> State:
    """Return the race before its first round."""
    starts = dict.fromkeys((*map(space.start, tuning.space), *tuning.benchmarks))
    return _judged(
        joining.field_of(tuple(starts)[: tuning.most_trials], tuning=tuning), tuning=tuning
    )


def after(state: State, made: tuple[Measured, ...], *, tuning: Tuning) -> State:
    """Return the race after one more round, which must be complete."""
    state = replace(state, rounds=(*state.rounds, made))
    state = _without(state, tuple(dropping.unfit(state, tuning=tuning)))
    leader = state.leader
    if leader is not None:
        state = _without(state, tuple(dropping.worse(state, leader=leader, tuning=tuning)))
        state = _without(state, tuple(dropping.outplaced(state, leader=leader, tuning=tuning)))
    state = joining.with_lighter_ones(state, tuning=tuning)
    if leader is not None:
        state = joining.with_newcomers(state, leader=leader, tuning=tuning)
    return _judged(state, tuning=tuning)


def _without(state: State, losses: Sequence[Loss]) -> State:
    gone = {each.candidate for each in losses}
    running = tuple(each for each in state.running if each not in gone)
    return replace(state, running=running, losses=(*state.losses, *losses))


def whole_round(state: State, *, tuning: Tuning) -> Round:
    """Return the whole next round, in its seeded order.

    Whoever leads runs twice, as the control: its two rates differ by chance alone, whoever it is.
    Where there are pairs enough of that for a verdict, it runs once.
    """
    number = len(state.rounds) + 1
    entrants = [Entrant(candidate=each) for each in _due(state, tuning=tuning)]
    is_affordable = len(entrants) < remaining_trials(state, tuning=tuning)
    if entrants and is_affordable and not _is_controlled(state, tuning=tuning):
        twin = state.leader or state.running[0]
        entrants.append(Entrant(candidate=twin, role=Role.CONTROL))
    random.Random(f"{tuning.seed}/{number}").shuffle(entrants)  # noqa: S311 - no secret
    return Round(number=number, entrants=tuple(entrants))


def _due(state: State, *, tuning: Tuning) -> tuple[Candidate, ...]:
    """Return who runs next: the leader, and those that cannot be judged beside it yet.

    Where all can, and the machine's rates move so much that little would be told, they run on.
    """
    least = tuning.judging.least_rounds
    due = _short_of(least, state)
    if state.leader is None or len(due) > 1:
        return due
    # Of the spread, not of the ratios, so that what they say does not decide when it is told.
    needed = ceil((_TWO_SIDES * state.spread / tuning.judging.delta) ** 2)
    further = _short_of(min(needed, max(least, MOST_ROUNDS)), state)
    worth = max(WORTH * least * space.size(tuning.space), MOST_ROUNDS * len(state.running))
    left = min(worth - sum(map(len, state.rounds)), remaining_trials(state, tuning=tuning))
    return further if len(further) <= left else due


def _short_of(rounds: int, state: State) -> tuple[Candidate, ...]:
    """Return the leader, and who has not shared so many rounds with it; all without a leader."""
    leader = state.leader
    return tuple(
        each
        for each in state.running
        if leader is None or each == leader or len(shares(state.book, each, beside=leader)) < rounds
    )


def _is_controlled(state: State, *, tuning: Tuning) -> bool:
    pairs = zip(*state.book.control(), strict=True)
    return sum(None not in pair for pair in pairs) >= tuning.judging.least_rounds


def _missing(asked: Round, made: Sequence[Measured]) -> tuple[Entrant, ...]:
    done = _places(made)
    return tuple(each for each in asked.entrants if (each.candidate, each.role) not in done)


def _places(of_round: Sequence[Measured | Entrant]) -> set[tuple[Candidate, Role]]:
    return {(each.candidate, each.role) for each in of_round}


def _judged(state: State, *, tuning: Tuning) -> State:
    return replace(state, ending=_ending(state, tuning=tuning))


def _ending(state: State, *, tuning: Tuning) -> RaceEnding | None:
    """Return why no further round is made; None where one is."""
    book, judging = state.book, tuning.judging
    if not state.running:
        return RaceEnding.NOTHING_RUNS
    due = _due(state, tuning=tuning)
    if state.leader is not None and due == (state.leader,):
        if len(state.running) > 1:
            return RaceEnding.JUDGED
        # One that is alone after a single round has not had its own neighbours tried.
        if book.count(state.leader) >= LEAD_ROUNDS:
            return RaceEnding.ALONE
    if book.voided >= LEAST_ROUNDS_OF_NOISE and book.voided > judging.most_voided * book.rounds:
        return RaceEnding.NOISE
    return RaceEnding.SPENT if remaining_trials(state, tuning=tuning) < len(due) else None
