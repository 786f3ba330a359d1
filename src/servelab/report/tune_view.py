"""What a race found: the answer, a row for each candidate, rate against memory; no rendering."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from statistics import geometric_mean, median

from msgspec import Struct

from servelab.explain.cause import of_beside
from servelab.explain.disturbance import reasons_to_void
from servelab.explain.losers import losers
from servelab.explain.rounds import advice_on
from servelab.model.slo import Slo
from servelab.model.trial import Role, Trial
from servelab.model.tuning import (
    Candidate,
    Placed,
    RunnerUp,
    Tuned,
    TuningOrder,
)
from servelab.model.verdict import Equivalent, Undecided
from servelab.report import quantities, race_result, race_words
from servelab.report.view import Column, Row, Table
from servelab.store.folder import StoredRun

_USUAL_QUANTILE = "p99"
"""Where no objective names another."""
_LEAST_TO_CHOOSE = 2


class RacePage(Struct, frozen=True, kw_only=True):
    """All that is said of a race."""

    table: Table
    """The answer in words, then a row for each candidate: the winner, the finalists, the losers."""
    front: Table | None
    """Those that nobody beats in both rate and memory, the lightest first; None of a single one."""
    is_told: bool


def page(run: StoredRun, found: Tuned) -> RacePage:
    """Return what is said of a race."""
    order = run.tuning
    assert order is not None  # noqa: S101 - there is a result of it
    trials = race_result.trials_by_candidate(run, found)
    void = _reasons_by_round(run.trials)
    titles = {each: made[0].title for each, made in trials.items() if made}

    def title(candidate: Candidate) -> str:
        return titles.get(candidate, candidate.name)

    return RacePage(
        table=Table(
            workload=order.options.workload,
            verdict="\n".join(race_words.answer(found, order=order, title=title)),
            columns=_columns(order.tuning.slo),
            rows=tuple(_rows(found, order=order, trials=trials, void=frozenset(void))),
            notes=(
                *race_words.notes(found, order=order, title=title),
                *_void_rounds(void, found=found, trials=run.trials),
                *_beside_winner(found, trials=trials, title=title),
            ),
        ),
        front=_front(found, trials=trials, workload=order.options.workload),
        is_told=race_result.is_told(found),
    )


def _columns(slo: Slo | None) -> tuple[Column, ...]:
    return (
        Column("answers/s", is_essential=True),
        Column(f"{slo.quantile if slo else _USUAL_QUANTILE} ms"),
        Column("memory", is_essential=True),
        Column("rounds", is_essential=True),
        Column("beside the winner", is_essential=True, is_text=True),
        Column("why", is_essential=True, is_text=True),
    )


def _reasons_by_round(trials: Sequence[Trial]) -> dict[int, str]:
    """Return the rounds that count for nothing, each with what disturbed it."""
    return {
        trial.round: reason
        for trial in trials
        if trial.noise is not None
        for reason in reasons_to_void(trial.noise)
    }


def _beside_winner(
    found: Tuned,
    *,
    trials: Mapping[Candidate, Sequence[Trial]],
    title: Callable[[Candidate], str],
) -> Iterable[str]:
    """Yield what programs beside the server took under the winner, in a trial of the middle."""
    if found.winner is None:
        return
    seen = [each for each in trials.get(found.winner, ()) if each.beside is not None]
    by_cores = sorted(seen, key=lambda trial: trial.beside.cores if trial.beside else 0.0)
    for cause in of_beside(by_cores[len(by_cores) // 2]) if by_cores else ():
        yield f"Under {title(found.winner)}, {cause.sentence}."


def _void_rounds(
    void: Mapping[int, str], *, found: Tuned, trials: Sequence[Trial]
) -> Iterable[str]:
    if void:
        rounds = quantities.counted(found.rounds, "round", "rounds")
        verb = "counts" if len(void) == 1 else "count"
        yield (
            f"{len(void)} of {rounds} {verb} for nothing: something disturbed a trial, such as: "
            f"{next(iter(void.values()))}."
        )
    if (advice := advice_on(trials)) is not None:
        yield f"{advice[0].upper()}{advice[1:]}."


def _rows(
    found: Tuned,
    *,
    order: TuningOrder,
    trials: Mapping[Candidate, Sequence[Trial]],
    void: AbstractSet[int],
) -> Iterable[Row]:
    if found.winner is not None:
        yield _row(found.winner, trials, void=void, beside="the winner", why="")
    for each in found.runners_up:
        why = _memory_beside(each)
        yield _row(each.candidate, trials, void=void, beside=_verdict(each), why=why)
    lost = losers(
        found,
        trials=trials,
        slo=order.tuning.slo,
        memory_limit_bytes=order.tuning.memory_limit_bytes,
    )
    for loser in reversed(lost):
        yield _row(
            loser.candidate, trials, void=void, beside="lost", why=loser.line, is_ranked=False
        )


def _row(
    candidate: Candidate,
    trials: Mapping[Candidate, Sequence[Trial]],
    *,
    void: AbstractSet[int],
    beside: str,
    why: str,
    is_ranked: bool = True,
) -> Row:
    of_all = [each for each in trials.get(candidate, ()) if each.role is Role.CANDIDATE]
    made = [each for each in of_all if each.round not in void]
    rates = [rate for trial in made if (rate := _rate(trial)) is not None]
    peaks = [peak for trial in made if (peak := trial.whole_peak_memory_bytes)]
    times_s = [_quantile_s(trial) for trial in made]
    known = [value for value in times_s if value is not None]
    first = of_all[0] if of_all else None
    return Row(
        stack=first.stack if first else candidate.name,
        heading=first.heading if first else "",
        is_ranked=is_ranked,
        cells=(
            quantities.rate(_typical(rates)),
            quantities.milliseconds(median(known) if known else None),
            quantities.megabytes(round(median(peaks)) if peaks else None),
            str(len(made)),
            beside,
            why,
        ),
    )


def _typical(rates: Sequence[float]) -> float | None:
    """Return the geometric mean, or the median where one is nothing, which has no logarithm."""
    if not rates:
        return None
    return geometric_mean(rates) if min(rates) > 0 else median(rates)


def _rate(trial: Trial) -> float | None:
    return trial.throughput_per_s if trial.slo is None else trial.goodput_per_s


def _quantile_s(trial: Trial) -> float | None:
    times = trial.response_time_s
    if times is None:
        return None
    return times.p99 if trial.slo is None else trial.slo.of(times)


def _front(
    found: Tuned, *, trials: Mapping[Candidate, Sequence[Trial]], workload: str
) -> Table | None:
    if len(found.front) < _LEAST_TO_CHOOSE:
        return None
    return Table(
        workload=workload,
        verdict="Rate against memory: nobody beats these in both.",
        columns=(Column("answers/s", is_essential=True), Column("memory", is_essential=True)),
        rows=tuple(_placed_row(each, trials=trials) for each in found.front),
        notes=(),
    )


def _placed_row(each: Placed, *, trials: Mapping[Candidate, Sequence[Trial]]) -> Row:
    made = trials.get(each.candidate, ())
    return Row(
        stack=made[0].stack if made else each.candidate.name,
        heading=made[0].heading if made else "",
        is_ranked=True,
        cells=(quantities.rate(each.rate_per_s), quantities.megabytes(each.peak_memory_bytes)),
    )


def _verdict(each: RunnerUp) -> str:
    """Return how a finalist stands to the winner, with its interval."""
    ratio = each.comparison.ratio
    match each.comparison.verdict:
        case Equivalent():
            word = "equivalent"
        case Undecided():
            word = "undecided"
        case _:
            word = "cannot tell"
    if ratio is None:
        return word
    change = quantities.span(
        quantities.difference(1 / ratio.high - 1, sign="+"),
        quantities.difference(1 / ratio.low - 1, sign="+"),
    )
    return f"{word}, {change}"


def _memory_beside(each: RunnerUp) -> str:
    if each.memory_ratio is None:
        return ""
    change = quantities.difference(each.memory_ratio.estimate - 1, sign="+")
    return f"memory {change}{', clearly lighter' if each.is_lighter else ''}"
