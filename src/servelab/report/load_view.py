"""What is said of load alone, before any rendering."""

from collections.abc import Iterable

from msgspec import Struct

from servelab.model.load import Pacing, Scheduling
from servelab.model.times import Times
from servelab.model.trial import (
    CLIENT_BOUND,
    GeneratorUsage,
    Histogram,
    Trial,
    TrialStatus,
)
from servelab.report import quantities, view
from servelab.report.view import Line

_TIMES = (
    ("mean", "mean"),
    ("p50", "50%"),
    ("p60", "60%"),
    ("p70", "70%"),
    ("p75", "75%"),
    ("p80", "80%"),
    ("p90", "90%"),
    ("p95", "95%"),
    ("p99", "99%"),
    ("p99_9", "99.9%"),
    ("max", "max"),
)
_PACING = {Pacing.TIMER: "a timer", Pacing.SPIN: "spinning"}
_LIMITED = frozenset({CLIENT_BOUND})


class LoadPage(Struct, frozen=True, kw_only=True):
    """All that is said of one load."""

    url: str
    load: str
    departures: tuple[str, ...]
    is_good: bool
    verdict: str
    lines: tuple[Line, ...]
    columns: tuple[str, ...]
    """Headings of the times."""
    rows: tuple[tuple[str, ...], ...]
    """A label and a time in milliseconds for each column."""
    histogram: Histogram | None
    samples: tuple[str, ...]
    warnings: tuple[str, ...]


def page(trial: Trial) -> LoadPage:
    """Return what is said of the trial of load alone."""
    kinds = {
        "response": trial.response_time_s,
        "round trip": trial.round_trip_time_s,
        "connection wait": trial.connection_wait_s,
        "generator delay": trial.generator_delay_s,
    }
    return LoadPage(
        url=trial.command,
        load=f"{trial.workload}; {view.load_in_words(trial)}",
        departures=tuple(trial.departures),
        is_good=trial.status is TrialStatus.OK,
        verdict=_verdict(trial),
        lines=tuple(_lines(trial)),
        columns=tuple(kinds),
        rows=tuple(
            (label, *(_time(times, name) for times in kinds.values())) for name, label in _TIMES
        )
        if trial.response_time_s is not None
        else (),
        histogram=trial.response_time_histogram,
        samples=tuple(dict.fromkeys(trial.samples)),
        warnings=tuple(warning.text for warning in trial.warnings),
    )


def _time(times: Times | None, name: str) -> str:
    return quantities.fine_milliseconds(getattr(times, name, None))


def _verdict(trial: Trial) -> str:
    if trial.status is not TrialStatus.OK:
        by_class = f" ({view.failures_by_class(trial)})" if trial.failures else ""
        return f"{trial.status.value.upper()}: {trial.reason}{by_class}"
    scheduled, ok = trial.ledger["scheduled"], trial.ledger["ok"]
    rate = f"{quantities.rate(trial.throughput_per_s)} requests/s"
    if _LIMITED & {warning.kind for warning in trial.warnings}:
        rate += ", a lower limit: the generator could not ask faster"
    right = f"all {ok} answers" if ok == scheduled else f"{ok} of {scheduled} answers"
    return f"OK: {right} were right, {rate}"


def _lines(trial: Trial) -> Iterable[Line]:
    yield Line("Requests per second:", quantities.rate(trial.throughput_per_s))
    if trial.window_s is not None:
        yield Line("Time taken:", quantities.duration(trial.window_s))
    counts = trial.ledger
    yield Line("Requests:", f"{counts['scheduled']} scheduled, {counts['sent']} sent")
    yield Line("Right answers:", str(counts["ok"]))
    yield Line("Failures:", view.failures_by_class(trial))
    if trial.generator is not None:
        yield Line("Connections opened:", str(trial.generator.connections_opened))
        yield Line("Generator:", _generator(trial.generator))


def _generator(usage: GeneratorUsage) -> str:
    text = f"{quantities.percent(usage.cpu_share)} of a core"
    if usage.processes > 1:
        text = f"{usage.processes} processes, each {text}"
    text += f", paced by {_PACING[usage.pacing]}"
    if usage.busy_share is not None:
        text += f" ({quantities.percent(usage.busy_share)} of the time with work)"
    if usage.scheduling is Scheduling.FIFO:
        text += ", in real time"
    if usage.cpu_us_per_request is not None:
        text += f", {usage.cpu_us_per_request:.1f} µs of CPU for each right answer"
    return text
