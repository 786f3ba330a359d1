"""What a race found; pure."""

from collections.abc import Mapping, Sequence
from math import exp

from msgspec import structs

from servelab.model.slo import Slo
from servelab.model.tuning import (
    Candidate,
    Closest,
    Loss,
    LossCause,
    Measured,
    Placed,
    RunnerUp,
    Tuned,
    Tuning,
)
from servelab.model.verdict import Better, Judging, RatioInterval, RoundsInterval, Verdicts
from servelab.stats.comparison import judge
from servelab.stats.intervals import over_rounds
from servelab.stats.pairs import evidence_of, log_ratios, ratio_interval
from servelab.tuning.book import Book
from servelab.tuning.closest import closest
from servelab.tuning.dropping import ERROR, loss_beside, lost_at_the_end
from servelab.tuning.front import front
from servelab.tuning.race import run
from servelab.tuning.state import State, mean_share, shares

LIGHTER = 0.05
"""Memory that differs by less does not matter."""
BESIDE_WINNER_ROUNDS = 3
"""In which a loser ran with the winner to be told beside it."""
_LEAST_PAIRS = 2
_OUT_OF_THE_QUESTION = frozenset(
    {LossCause.FAILED, LossCause.UNMEASURABLE, LossCause.MISSES_SLO, LossCause.OVER_MEMORY}
)


def answer(past: Sequence[Measured], *, tuning: Tuning) -> Tuned:
    """Return what the complete rounds say, also of a race that was interrupted."""
    state, begun = run(past, tuning=tuning)
    trials = sum(map(len, state.rounds)) + len(begun)
    return answer_of(state, trials=trials, tuning=tuning)


def answer_of(state: State, *, trials: int, tuning: Tuning) -> Tuned:
    """Return what a race says after its complete rounds; `trials` counts all that were made."""
    book = state.book
    finalists = [each for each in state.running if book.count(each)]
    fit = [each for each in finalists if book.meets_slo(each)] or finalists
    verdicts = _verdicts(fit, book=book, judging=tuning.judging) if fit else None
    winner = next((each for each in fit if verdicts and each.name == verdicts.leader), None)
    if verdicts is None or winner is None:
        return Tuned(
            ending=state.ending,
            winner=None,
            meets_slo=False,
            losses=state.losses,
            rounds=book.rounds,
            trials=trials,
        )
    losses = _losses(state, fit=fit, winner=winner, verdicts=verdicts)
    meets_slo = book.meets_slo(winner)
    rate = over_rounds(book.rates_of(winner))
    return Tuned(
        ending=state.ending,
        winner=winner,
        meets_slo=meets_slo,
        closest=None if meets_slo else _closest(fit, losses=losses, book=book, slo=tuning.slo),
        has_goodput=book.has_goodput,
        rate_per_s=_rate_per_s(rate, book=book),
        peak_memory_bytes=book.peak_memory_bytes(winner),
        verdicts=verdicts,
        runners_up=tuple(_runners_up(fit, book=book, winner=winner, verdicts=verdicts)),
        losses=losses,
        met=book.met(winner)[0],
        measured=book.met(winner)[1],
        held_back=tuple(sorted(filter(book.is_held_back, state.tried), key=lambda each: each.name)),
        front=front(_placed(state, losses=losses, fit=fit, winner=winner))
        if book.has_goodput
        else (),
        rounds=book.rounds,
        trials=trials,
    )


def _rate_per_s(rate: RoundsInterval | None, *, book: Book) -> float | None:
    """Return a winner's rate; where nobody has any, what ranked them instead is none."""
    if rate is None:
        return None
    return rate.estimate if book.has_goodput else 0.0


def _verdicts(fit: Sequence[Candidate], *, book: Book, judging: Judging) -> Verdicts:
    """Return verdicts on those left; all are in doubt where the control differs from itself."""
    verdicts = judge(book.rates(fit), voided_rounds=book.voided, judging=judging)
    name, twin = "whoever led", "whoever led (again)"
    one, other = book.control()
    control = judge({name: one, twin: other}, control=(name, twin), judging=judging)
    doubt = verdicts.doubt or control.doubt
    comparisons = verdicts.comparisons
    if doubt is not None:
        comparisons = tuple(structs.replace(each, verdict=doubt) for each in comparisons)
    return structs.replace(
        verdicts,
        comparisons=comparisons,
        control=control.control,
        doubt=doubt,
        resolution=control.resolution or verdicts.resolution,
    )


def _runners_up(
    fit: Sequence[Candidate], *, book: Book, winner: Candidate, verdicts: Verdicts
) -> list[RunnerUp]:
    by_name = {each.name: each for each in fit}
    found = []
    for comparison in verdicts.comparisons:
        if not isinstance(comparison.verdict, Better):
            candidate = by_name[comparison.other]
            ratio = _memory_ratio(candidate, beside=winner, book=book)
            found.append(
                RunnerUp(
                    candidate=candidate,
                    comparison=comparison,
                    memory_ratio=ratio,
                    is_lighter=ratio is not None and ratio.high < 1 / (1 + LIGHTER),
                )
            )
    return found


def _memory_ratio(candidate: Candidate, *, beside: Candidate, book: Book) -> RatioInterval | None:
    memory = book.memory((candidate, beside))
    found = log_ratios(memory[candidate.name], memory[beside.name])
    if len(found) < _LEAST_PAIRS:
        return None
    evidence = evidence_of(found, strictest_error=ERROR)
    return ratio_interval(evidence, error=ERROR, confidence=1 - ERROR)


def _losses(
    state: State, *, fit: Sequence[Candidate], winner: Candidate, verdicts: Verdicts
) -> tuple[Loss, ...]:
    """Return all losses, beside the winner where enough rounds have both."""
    book = state.book
    beaten = {e.other for e in verdicts.comparisons if isinstance(e.verdict, Better)}
    last = []
    for candidate in state.running:
        if candidate.name in beaten:
            cause = LossCause.WORSE
        elif candidate not in fit and book.count(candidate):
            cause = LossCause.MISSES_SLO
        else:
            continue
        last.append(lost_at_the_end(candidate, book=book, beside=winner, cause=cause))
    return (*(_beside_winner(each, book=book, winner=winner) for each in state.losses), *last)


def _beside_winner(loss: Loss, *, book: Book, winner: Candidate) -> Loss:
    common = len(shares(book, loss.candidate, beside=winner))
    if loss.beside is None or common < min(loss.rounds, BESIDE_WINNER_ROUNDS):
        return loss
    return loss_beside(loss, book=book, beside=winner)


def _closest(
    fit: Sequence[Candidate], *, losses: Sequence[Loss], book: Book, slo: Slo | None
) -> Closest | None:
    """Return who comes closest to the objective of those that only miss it, or are slow."""
    if slo is None:
        return None
    missing = _OUT_OF_THE_QUESTION - {LossCause.MISSES_SLO}
    slow = [each.candidate for each in losses if each.cause not in missing]
    return closest(tuple(dict.fromkeys((*fit, *slow))), book=book, slo=slo)


def _placed(
    state: State, *, losses: Sequence[Loss], fit: Sequence[Candidate], winner: Candidate
) -> list[Placed]:
    """Return rate and memory of all that are not out of the question."""
    book = state.book
    rate = over_rounds(book.rates_of(winner))
    beside = {each.candidate: each.beside for each in losses}
    allowed = [e.candidate for e in losses if e.cause not in _OUT_OF_THE_QUESTION]
    found = []
    for candidate in dict.fromkeys((*fit, *allowed)):
        memory = book.peak_memory_bytes(candidate)
        if rate is not None and memory is not None:
            share = _share_of_winner(candidate, winner=winner, book=book, beside=beside)
            found.append(
                Placed(
                    candidate=candidate,
                    rate_per_s=rate.estimate * exp(share),
                    peak_memory_bytes=memory,
                )
            )
    return found


def _share_of_winner(
    candidate: Candidate,
    *,
    winner: Candidate,
    book: Book,
    beside: Mapping[Candidate, Candidate | None],
) -> float:
    """Return ln(rate / winner's), by way of others where no round has both.

    Whoever stood beside a loser left later than it, so that this comes to an end.
    """
    if candidate == winner or shares(book, candidate, beside=winner):
        return mean_share(book, candidate, beside=winner)
    other = beside.get(candidate)
    if other is None:
        return 0.0
    share = mean_share(book, candidate, beside=other)
    return share + _share_of_winner(other, winner=winner, book=book, beside=beside)
