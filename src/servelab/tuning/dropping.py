"""Who leaves a race after a round, and why."""

from collections.abc import Iterator, Sequence
from math import exp, log, log1p, sqrt
from statistics import median

from msgspec import structs

from servelab.model.tuning import Candidate, Loss, LossCause, Outcome, Tuning
from servelab.stats.pairs import evidence_of, ratio_interval
from servelab.tuning.book import Book
from servelab.tuning.joining import PROBE
from servelab.tuning.state import LEAD_ROUNDS, State, mean_share, remaining_trials, shares

CLEARLY = 2.4
"""Standard errors by which one must lie below what does not matter, to be dropped for it."""
START_ROUNDS = 2
"""Before which no start is dropped for being slow: its first round decides who joins."""
ROOM = {3: 4, 5: 2}
"""Rounds -> how many of those with at least so many may stay beside the leader."""
LEAST_ROOM = 1
BENCHMARK_ROUNDS = 5
"""Before which no benchmark is dropped for being slow."""
SLO_ROUNDS = 3
"""Before which nobody is dropped for missing the objective."""
MOST_INVALID = 3
ERROR = 0.05
"""Of the interval that is told of a loser: one pair, alone."""
_LEAST_PAIRS = 2


def unfit(state: State, *, tuning: Tuning) -> Iterator[Loss]:
    """Yield those which their own trials rule out, whatever others do."""
    for candidate in state.running:
        found = _unfit(candidate, book=state.book, tuning=tuning)
        if found is not None:
            cause, reason = found
            loss = structs.replace(_loss(candidate, book=state.book, cause=cause), reason=reason)
            yield loss


def _unfit(
    candidate: Candidate, *, book: Book, tuning: Tuning
) -> tuple[LossCause, str | None] | None:
    trials = book.trials_of(candidate)
    failed = [each for each in trials if each.outcome is Outcome.FAILED]
    if failed:
        return LossCause.FAILED, failed[0].reason
    invalid = [each for each in trials if each.outcome is Outcome.INVALID]
    if len(invalid) >= MOST_INVALID and 2 * len(invalid) > len(trials):
        return LossCause.UNMEASURABLE, invalid[-1].reason
    limit = tuning.memory_limit_bytes
    # Once over is over: a real limit would have ended it there.
    if limit is not None and any((each.peak_memory_bytes or 0) > limit for each in trials):
        return LossCause.OVER_MEMORY, None
    return None


def worse(state: State, *, leader: Candidate, tuning: Tuning) -> Iterator[Loss]:
    """Yield those which are clearly below the leader, or miss an objective that it meets."""
    starts = {state.start(way) for way in tuning.space}
    for candidate in state.running:
        if candidate == leader:
            continue
        if _misses_slo(candidate, book=state.book, leader=leader):
            yield _loss(candidate, book=state.book, beside=leader, cause=LossCause.MISSES_SLO)
        elif not _is_spared(candidate, state, leader=leader, starts=starts, tuning=tuning):
            found = shares(state.book, candidate, beside=leader)
            margin = log1p(tuning.judging.delta)
            if _is_clearly_below(found, margin=margin, spread=state.spread):
                yield _loss(candidate, book=state.book, beside=leader, cause=LossCause.WORSE)


def _misses_slo(candidate: Candidate, *, book: Book, leader: Candidate) -> bool:
    is_known = book.count(candidate) >= SLO_ROUNDS
    return is_known and book.meets_slo(leader) and not book.meets_slo(candidate)


def _is_spared(
    candidate: Candidate,
    state: State,
    *,
    leader: Candidate,
    starts: set[Candidate],
    tuning: Tuning,
) -> bool:
    """Tell whether one stays although it is slow.

    A benchmark, so that there is something to tell of it; and the start of a stack that is new, or
    whose neighbours have not run yet, because the stack may be better than where its search begins.
    """
    if candidate in starts and len(shares(state.book, candidate, beside=leader)) < START_ROUNDS:
        return True
    if candidate in tuning.benchmarks:
        return state.book.count(candidate) < BENCHMARK_ROUNDS
    is_unexplored = candidate in starts and state.centre(candidate.way) is None
    return is_unexplored and mean_share(state.book, candidate, beside=leader) > log(PROBE)


def _is_clearly_below(found: Sequence[float], *, margin: float, spread: float) -> bool:
    """Tell whether no chance of this spread explains such shares of the leader's rate."""
    if not found:
        return False
    return median(found) + CLEARLY * spread / sqrt(len(found)) < -margin


def outplaced(state: State, *, leader: Candidate, tuning: Tuning) -> Iterator[Loss]:
    """Yield those for whom there is no room: the fewer may stay, the more rounds they have run.

    A budget that is nearly spent leaves room for those only who can still be judged.
    """
    book = state.book
    rivals = [each for each in state.running if each != leader]
    rivals.sort(key=lambda each: -mean_share(book, each, beside=leader))
    for place, candidate in enumerate(rivals, start=1):
        rounds = len(shares(book, candidate, beside=leader))
        rooms = [room for least, room in ROOM.items() if rounds >= least]
        if rounds >= LEAD_ROUNDS:
            rooms.append(_affordable(state, rounds=rounds, tuning=tuning))
        if rooms and place > min(rooms) and not _is_kept(candidate, rounds, tuning=tuning):
            yield _loss(candidate, book=book, beside=leader, cause=LossCause.OUTPLACED)


def _affordable(state: State, *, rounds: int, tuning: Tuning) -> int:
    """Return how many rivals the budget can bring to a verdict, beside leader and control."""
    missing = max(1, tuning.judging.least_rounds - rounds)
    left = min(remaining_trials(state, tuning=tuning), float(missing * len(state.running) * 2))
    return max(LEAST_ROOM, int(left // missing) - 2)


def _is_kept(candidate: Candidate, rounds: int, *, tuning: Tuning) -> bool:
    return candidate in tuning.benchmarks and rounds < BENCHMARK_ROUNDS


def loss_beside(loss: Loss, *, book: Book, beside: Candidate) -> Loss:
    """Return the same loss, told beside another one."""
    found = _loss(loss.candidate, book=book, beside=beside, cause=loss.cause)
    return structs.replace(found, round=loss.round, reason=loss.reason)


def lost_at_the_end(
    candidate: Candidate, *, book: Book, beside: Candidate | None, cause: LossCause
) -> Loss:
    """Return why one lost that ran until the end."""
    return _loss(candidate, book=book, beside=beside, cause=cause)


def _loss(
    candidate: Candidate, *, book: Book, cause: LossCause, beside: Candidate | None = None
) -> Loss:
    found = [] if beside is None else shares(book, candidate, beside=beside)
    ratio = None
    if len(found) >= _LEAST_PAIRS:
        evidence = evidence_of(found, strictest_error=ERROR)
        ratio = ratio_interval(evidence, error=ERROR, confidence=1 - ERROR)
    return Loss(
        candidate=candidate,
        cause=cause,
        round=book.rounds,
        beside=beside,
        ratio=ratio,
        share=exp(median(found)) if found else None,
        rounds=len(found) if beside is not None else book.count(candidate),
        peak_memory_bytes=book.highest_memory_bytes(candidate),
        slo_value_s=book.slo_value_s(candidate),
    )
