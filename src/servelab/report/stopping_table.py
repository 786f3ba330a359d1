"""The table of a workload's stops under load; of several rounds, their sums."""

from collections.abc import Iterable, Sequence
from statistics import median

from servelab.model.launch import GracefulStop
from servelab.model.trial import Trial
from servelab.report import quantities, stopping_words
from servelab.report.view import Column, Row, Table

COLUMNS = (
    Column("in flight", is_essential=True),
    Column("in work"),
    Column("answered", is_essential=True),
    Column("lost", is_essential=True, is_text=True),
    Column("last answer s"),
    Column("gone after s", is_essential=True),
    Column("how", is_text=True),
)
_NOTE = (
    "In flight is what had no answer when SIGTERM was sent, waiting in line included; in work is "
    "what the application had begun."
)


def table(trials: Sequence[Trial], *, workload: str) -> Table | None:
    """Return how each deployment took SIGTERM under load; None where none was asked to."""
    stops: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.graceful_stop is not None:
            stops.setdefault(trial.deployment, []).append(trial)
    if not stops:
        return None
    return Table(
        workload=workload,
        verdict=f"SIGTERM under load on {workload}: what became of the requests in flight.",
        columns=COLUMNS,
        rows=tuple(_row(each) for each in stops.values()),
        notes=(_NOTE,),
    )


def _row(trials: Sequence[Trial]) -> Row:
    stops = [trial.graceful_stop for trial in trials if trial.graceful_stop is not None]
    return Row(
        stack=trials[0].stack,
        heading=trials[0].heading,
        is_ranked=True,
        cells=(
            str(sum(stop.in_flight for stop in stops)),
            _in_work(stops),
            str(sum(stop.answered for stop in stops)),
            stopping_words.classes(stopping_words.together([stop.lost for stop in stops]))
            or "none",
            _middle(stop.last_answer_s for stop in stops),
            _middle(stop.seconds for stop in stops),
            ", ".join(dict.fromkeys(map(_how, stops))),
        ),
    )


def _in_work(stops: Sequence[GracefulStop]) -> str:
    known = [stop.in_work for stop in stops if stop.in_work is not None]
    return str(sum(known)) if known else quantities.MISSING


def _middle(times_s: Iterable[float | None]) -> str:
    known = [each for each in times_s if each is not None]
    return f"{median(known):.2f}" if known else quantities.MISSING


def _how(stop: GracefulStop) -> str:
    if stop.was_killed:
        return f"killed, {stop.grace_s:g} s at most"
    return "by itself" if stop.exit_code == 0 else f"exit code {stop.exit_code}"
