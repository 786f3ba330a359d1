"""What a race found: the answer in words, and the tables below it; no rendering."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from statistics import geometric_mean, median

from msgspec import Struct

from servelab import catalogue, tuning
from servelab.explain.cause import of_beside
from servelab.explain.disturbance import reasons_to_void
from servelab.explain.losers import losers, slower
from servelab.explain.rounds import advice_on
from servelab.model.load import ClosedLoop
from servelab.model.slo import Slo
from servelab.model.trial import Role, Trial, TrialStatus
from servelab.model.tuning import (
    Candidate,
    Closest,
    Placed,
    RaceEnding,
    RunnerUp,
    Tuned,
    TuningOrder,
)
from servelab.model.verdict import Better, CannotTell, Doubt, Equivalent, Undecided
from servelab.report import quantities
from servelab.report.other_python import remarks
from servelab.report.view import Column, Row, Table
from servelab.store.folder import StoredRun

_COLUMNS = (
    Column("answers/s", is_essential=True),
    Column("p99 ms"),
    Column("memory", is_essential=True),
    Column("rounds", is_essential=True),
    Column("beside the winner", is_essential=True, is_text=True),
    Column("why", is_essential=True, is_text=True),
)
_LEAST_TO_CHOOSE = 2
_TWICE, _TENFOLD = 2, 10
"""Beyond twice a time its multiple is easier to read than a percentage."""
_ENDINGS = {
    RaceEnding.SPENT: "The budget is spent before all that are left could be judged; raise "
    "--budget, or go on with less: --only.",
    RaceEnding.NOISE: "Too many rounds were disturbed by what went on beside them: ask "
    "servelab doctor.",
    RaceEnding.ALONE: "All others have left the race; their rows say why.",
}


class RacePage(Struct, frozen=True, kw_only=True):
    """All that is said of a race."""

    table: Table
    """The answer in words, then a row for each candidate: the winner, the finalists, the losers."""
    front: Table | None
    """Those that nobody beats in both rate and memory, the lightest first; None of a single one."""
    is_told: bool


def result(run: StoredRun) -> Tuned | None:
    """Return what a race found; None of a run that is none."""
    if run.tuning is None:
        return None
    past = tuning.replay(
        run.trials,
        tuning=run.tuning.tuning,
        name_of=_namer(run.tuning),
        disturbed=reasons_to_void,
        skipped=run.end.skipped,
    )
    return tuning.answer(past, tuning=run.tuning.tuning)


def page(run: StoredRun, found: Tuned) -> RacePage:
    """Return what is said of a race."""
    order = run.tuning
    assert order is not None  # noqa: S101 - there is a result of it
    trials = trials_by_candidate(run, found)
    void = _reasons_by_round(run.trials)
    titles = {each: made[0].title for each, made in trials.items() if made}

    def title(candidate: Candidate) -> str:
        return titles.get(candidate, candidate.name)

    return RacePage(
        table=Table(
            workload=order.options.workload,
            verdict="\n".join(_answer(found, order=order, title=title)),
            columns=_COLUMNS,
            rows=tuple(_rows(found, order=order, trials=trials, void=frozenset(void))),
            notes=(
                *_notes(found, order=order, title=title),
                *_void_rounds(void, found=found, trials=run.trials),
                *_beside_winner(found, trials=trials, title=title),
            ),
        ),
        front=_front(found, trials=trials, workload=order.options.workload),
        is_told=is_told(found),
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
    p99s = [_p99_s(trial) for trial in made]
    known = [value for value in p99s if value is not None]
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


def _p99_s(trial: Trial) -> float | None:
    return None if trial.response_time_s is None else trial.response_time_s.p99


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


def lightest(found: Tuned) -> Candidate | None:
    """Return the lightest of those that are equivalent to the winner and clearly lighter."""
    lighter = [
        each
        for each in found.runners_up
        if each.is_lighter
        and each.memory_ratio is not None
        and isinstance(each.comparison.verdict, Equivalent)
    ]
    ratios = {each.candidate: each.memory_ratio.estimate for each in lighter if each.memory_ratio}
    return min(ratios, key=ratios.__getitem__, default=None)


def trial_to_copy(run: StoredRun, found: Tuned, candidate: Candidate) -> Trial:
    """Return the last trial of a candidate of the answer that went well; it has one."""
    made = trials_by_candidate(run, found)[candidate]
    return next(
        trial
        for trial in reversed(made)
        if trial.role is Role.CANDIDATE and trial.status is TrialStatus.OK
    )


def trials_by_candidate(run: StoredRun, found: Tuned) -> Mapping[Candidate, Sequence[Trial]]:
    """Return the trials of each candidate that is told of."""
    assert run.tuning is not None  # noqa: S101 - there is a result of it
    name_of = _namer(run.tuning)
    told = [
        *([] if found.winner is None else [found.winner]),
        *(each.candidate for each in found.runners_up),
        *(each.candidate for each in found.losses),
        *(each.candidate for each in found.front),
        *run.tuning.tuning.benchmarks,
    ]
    return {
        candidate: [trial for trial in run.trials if trial.deployment == name_of(candidate)]
        for candidate in told
    }


def _namer(order: TuningOrder) -> Callable[[Candidate], str]:
    service = order.options.service
    assert service is not None  # noqa: S101 - nothing else is raced
    known: dict[Candidate, str] = {}

    def name_of(candidate: Candidate) -> str:
        if candidate not in known:
            known[candidate] = catalogue.own_deployment(
                candidate, service=service, cpu_count=order.cpu_count
            ).name
        return known[candidate]

    return name_of


def is_told(found: Tuned) -> bool:
    """Tell whether a race has come to its end, and what it found can be relied on."""
    return (
        found.winner is not None
        and found.ending is not None
        and (found.verdicts is None or found.verdicts.doubt is None)
    )


def _answer(
    found: Tuned, *, order: TuningOrder, title: Callable[[Candidate], str]
) -> Iterable[str]:
    label = order.options.workload
    if found.winner is None:
        yield _nothing(found, label=label)
        return
    figure = "answers/s" if order.tuning.slo is None else f"answers/s within {order.tuning.slo}"
    rate = quantities.rate(found.rate_per_s)
    memory = (
        ""
        if found.peak_memory_bytes is None
        else f", {quantities.megabytes(found.peak_memory_bytes)}"
    )
    if not found.meets_slo and order.tuning.slo is not None:
        yield f"No deployment of {label} meets {order.tuning.slo} under this load."
        if found.closest is not None:
            yield _closest(found.closest, slo=order.tuning.slo, title=title)
    if found.ending is None:
        yield (
            f"The race for {label} is not over. Ahead so far: {title(found.winner)}, {rate} "
            f"{figure}{memory}."
        )
        return
    if found.verdicts is not None and found.verdicts.doubt is not None:
        yield _doubt(found.verdicts.doubt)
        yield f"Ahead when it ended: {title(found.winner)}, {rate} {figure}{memory}."
        return
    if _is_early(found, order=order):
        yield (
            f"Ahead for {label} when the budget was spent: {title(found.winner)}, {rate} "
            f"{figure}{memory}. A verdict takes {order.tuning.judging.least_rounds} rounds, and "
            f"there was time for {found.rounds}: raise --budget, or go on with less: --only."
        )
        return
    yield f"{_ahead(found, order=order)} {title(found.winner)}: {rate} {figure}{memory}."
    yield from _how_sure(found, order=order, title=title)


def _how_sure(
    found: Tuned, *, order: TuningOrder, title: Callable[[Candidate], str]
) -> Iterable[str]:
    if found.has_goodput:
        yield from _beaten(found, title=title)
    if found.ending is RaceEnding.ALONE and not found.losses:
        yield "There was nothing else to choose from."
    elif found.ending in _ENDINGS:
        yield _ENDINGS[found.ending]
    if found.meets_slo and found.met < found.measured:
        yield f"It met {order.tuning.slo} in {found.met} of {found.measured} trials."


def _ahead(found: Tuned, *, order: TuningOrder) -> str:
    """Return what the one is that is named first."""
    service = order.options.service
    if found.meets_slo:
        # Programs that listen by themselves are what serves, and are served with nothing.
        label = f" {order.options.workload}" if service and service.application else ""
        return f"Serve{label} with"
    return "Most answers in time:" if found.has_goodput else "No answer came in time; ahead:"


def _closest(found: Closest, *, slo: Slo, title: Callable[[Candidate], str]) -> str:
    """Return who comes closest to an objective, and by how much it misses it."""
    if found.value_s is None:
        # Anybody with a time would have been closer.
        return (
            f"No trial had the {slo.least_requests} requests that a {slo.quantile} takes: raise "
            "--duration."
        )
    rounds = quantities.counted(found.rounds, "round", "rounds")
    who = f"Closest: {title(found.candidate)},"
    target = quantities.milliseconds(slo.target_s)
    time = f"{who} {slo.quantile} {quantities.milliseconds(found.value_s)} ms"
    in_time = found.value_s < slo.target_s
    time += (
        f" of the {target} ms allowed"
        if in_time
        else f" beside {target} ms, {_above(found.value_s / slo.target_s)}"
    )
    if found.failure_share > slo.failure_limit:
        failed, may = (f"{100 * each:.3g} %" for each in (found.failure_share, slo.failure_limit))
        time += f", {'but' if in_time else 'and'} {failed} of its requests failed, where {may} may"
    elif in_time:
        time += ", but not in half of its trials"
    return f"{time} (median of {rounds})."


def _above(ratio: float) -> str:
    """Return how far a time exceeds its target."""
    if ratio < _TWICE:
        return f"{quantities.difference(ratio - 1)} too long"
    return f"{ratio:.{0 if ratio >= _TENFOLD else 1}f} times as long"


def _is_early(found: Tuned, *, order: TuningOrder) -> bool:
    """Tell whether the budget was spent before any verdict could be given."""
    is_spent = found.ending is RaceEnding.SPENT
    return is_spent and found.rounds < order.tuning.judging.least_rounds


def has_won(run: StoredRun, found: Tuned) -> bool:
    """Tell whether the one that is told was raced for as long as a verdict takes."""
    return is_told(found) and run.tuning is not None and not _is_early(found, order=run.tuning)


def _nothing(found: Tuned, *, label: str) -> str:
    if found.ending is RaceEnding.NOTHING_RUNS:
        return f"Nothing serves {label} as it should; the rows below say why."
    if not found.rounds:
        return f"Nothing can be said of {label} yet: no round is complete."
    return (
        f"Nothing can be said of {label}: in each of "
        f"{quantities.counted(found.rounds, 'round', 'rounds')} something else disturbed a "
        "trial. Quiet this machine, or ask: servelab doctor."
    )


def _doubt(doubt: CannotTell) -> str:
    if doubt.reason is Doubt.NOISE:
        return (
            "This machine cannot tell today: too many rounds were disturbed by what went on "
            "beside them. Quiet it, or ask: servelab doctor."
        )
    return (
        "This machine cannot tell today: the same deployment under two names differs from itself. "
        "Quiet it, or ask: servelab doctor."
    )


def _beaten(found: Tuned, *, title: Callable[[Candidate], str]) -> Iterable[str]:
    """Yield by how much the winner beats the next best of the finalists."""
    if found.verdicts is None:
        return
    names = {each.candidate.name: each.candidate for each in found.losses}
    for comparison in found.verdicts.comparisons:
        if isinstance(comparison.verdict, Better) and comparison.ratio is not None:
            other = names.get(comparison.other)
            change = quantities.span(
                quantities.difference(comparison.ratio.low - 1),
                quantities.difference(comparison.ratio.high - 1),
            )
            yield (
                f"It beats {title(other) if other else comparison.other} by {change} "
                f"({comparison.ratio.confidence:.0%}, {comparison.ratio.rounds} rounds)."
            )
            return


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


def _notes(found: Tuned, *, order: TuningOrder, title: Callable[[Candidate], str]) -> Iterable[str]:
    yield (
        f"{quantities.counted(found.trials, 'trial', 'trials')} in "
        f"{quantities.counted(found.rounds, 'round', 'rounds')}; each round had those that were "
        "still in the race, freshly started, in an order of its own."
    )
    yield (
        "Each row averages the rounds in which it ran; only what stands beside the winner compares "
        "the same rounds."
    )
    if order.tuning.slo is not None and isinstance(order.options.load, ClosedLoop):
        callers = quantities.counted(order.options.load.callers, "caller", "callers")
        yield (
            f"The response times are those of a closed loop ({callers}, each of whom waits for an "
            "answer before the next request); for those at a given rate: --rate."
        )
    if found.held_back:
        yield (
            f"The generator held back {', '.join(map(title, found.held_back))}: what they do is at "
            "least what is told. Give it a core of its own, or ask more work of each call."
        )
    if fronts := dict.fromkeys(way.front for way in order.tuning.space if way.front):
        yield f"The memory of what is behind {' or '.join(fronts)} is that of both together."
    yield from remarks(order.options)
    for benchmark in order.tuning.benchmarks:
        yield _folklore(benchmark, found=found, title=title)
    for name, reason in order.excluded.items():
        yield f"Left out before the race: {name}: {reason}"


def _folklore(benchmark: Candidate, *, found: Tuned, title: Callable[[Candidate], str]) -> str:
    what = f"The folklore setting, 2 x cores + 1 ({title(benchmark)}),"
    if benchmark == found.winner:
        return f"{what} is the winner here."
    for loss in found.losses:
        if loss.candidate == benchmark:
            if loss.ratio is not None:
                other = "the winner" if loss.beside in (None, found.winner) else title(loss.beside)
                return f"{what} is {slower(loss.ratio)} {other}."
            return f"{what} lost: {loss.cause.value}."
    if any(each.candidate == benchmark for each in found.runners_up):
        return f"{what} was not found to be worse."
    return f"{what} was not measured."
