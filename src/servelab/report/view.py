"""The one view model: what is said of a run, before any rendering."""

from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct, structs

from servelab.explain.causes import explain
from servelab.model.beside import BesideUse
from servelab.model.environment import FREE_THREADED, python_in_words
from servelab.model.front import FrontUse
from servelab.model.gil import Gil
from servelab.model.load import Connections, Load, OpenLoop, Scheduling
from servelab.model.times import Times
from servelab.model.trial import PILOT_ROUND, CallKind, Role, Trial, TrialStatus
from servelab.model.usage import ProcessUsage
from servelab.report import quantities, stopping_words

_SEED_QUANTILES = ("p50", "p60", "p70", "p80", "p90")
_NOT_FAILURES = frozenset({"scheduled", "sent", "ok"})


class Line(Struct, frozen=True):
    """A label and its value."""

    label: str
    value: str


class Block(Struct, frozen=True, kw_only=True):
    """All that is said of one trial."""

    stack: str
    summary: str
    heading: str
    command: str
    departures: tuple[str, ...]
    status: TrialStatus
    reason: str | None
    seed_lines: tuple[Line, ...]
    """The seed's block, with the seed's labels."""
    lines: tuple[Line, ...]
    samples: tuple[str, ...]
    warnings: tuple[str, ...]


class Column(Struct, frozen=True):
    """A column of the table."""

    heading: str
    is_essential: bool = False
    """Whether it is shown where there is little room."""
    is_text: bool = False
    may_vanish: bool = False
    """Whether it is left out where no row has anything in it."""


class Row(Struct, frozen=True, kw_only=True):
    """One deployment in the table."""

    stack: str
    heading: str
    is_ranked: bool
    cells: tuple[str, ...]

    @property
    def title(self) -> str:
        """Return stack and heading."""
        return f"{self.stack} {self.heading}" if self.heading else self.stack


class Table(Struct, frozen=True, kw_only=True):
    """The deployments of one workload, best first; those that are not ranked come last."""

    workload: str
    verdict: str
    columns: tuple[Column, ...]
    is_tall: bool = False
    """Whether its rows have two lines."""
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


COLUMNS = (
    Column("requests/s", is_essential=True),
    Column("of ceiling", is_essential=True, may_vanish=True),
    Column("p50 ms", is_essential=True),
    Column("p90 ms"),
    Column("max ms"),
    Column("CPU ms/call"),
    Column("memory"),
    Column("failures", is_essential=True, is_text=True),
    Column("why", is_essential=True, is_text=True),
)


def block(trial: Trial) -> Block:
    """Return what is said of one trial."""
    return Block(
        stack=trial.stack,
        summary=trial.summary,
        heading=trial.heading,
        command=trial.command,
        departures=_departures(trial),
        status=trial.status,
        reason=trial.reason,
        seed_lines=seed_lines(trial),
        lines=tuple(_figures(trial)),
        samples=tuple(trial.samples),
        warnings=tuple(warning.text for warning in trial.warnings),
    )


def _departures(trial: Trial) -> tuple[str, ...]:
    front = trial.front
    of_front = [f"{front.name}: {each}" for each in front.departures] if front else []
    return (*trial.departures, *of_front)


def seed_lines(trial: Trial) -> tuple[Line, ...]:
    """Return the block of the seed; empty where no request ended."""
    times = trial.response_time_s
    if times is None:
        return ()
    return (
        Line("Number of failure:", str(trial.failures)),
        Line("Request per second:", f"{quantities.rate(trial.throughput_per_s)} [#/sec] (mean)"),
        Line("Time per request:", f"{quantities.milliseconds(times.mean)} [ms] (mean)"),
        *(Line(f" {name[1:]}%", _quantile(times, name)) for name in _SEED_QUANTILES),
        Line("100%", f"{quantities.milliseconds(times.max)} (the maximum)"),
    )


def _quantile(times: Times, name: str) -> str:
    value: float | None = getattr(times, name)
    return "- (too few requests)" if value is None else quantities.milliseconds(value)


def _figures(trial: Trial) -> Iterable[Line]:
    if trial.ceiling is not None:
        yield Line(
            "Ceiling:", f"{quantities.rate(trial.ceiling_per_s)} [#/sec], {trial.ceiling.source}"
        )
    if trial.efficiency is not None:
        yield Line("Efficiency:", f"{quantities.percent(trial.efficiency)} of the ceiling")
    if trial.cpu_s_per_call is not None:
        yield Line("CPU per call:", _cpu(trial))
    for kind in trial.kinds:
        yield Line(f"{kind.name.capitalize()} calls:", _kind(kind))
    if trial.usage is not None:
        yield Line("Memory:", _memory(trial.usage))
    if trial.front is not None:
        yield Line(f"{trial.front.name}:", _front(trial.front, trial=trial))
    if trial.beside is not None:
        yield from _beside(trial.beside, calls=_answers_of_whole_load(trial))
    if trial.calls_per_worker:
        calls = " / ".join(str(calls) for calls in trial.calls_per_worker.values())
        yield Line("Calls per worker:", calls)
    yield Line("Failures:", failures_by_class(trial))
    yield from _circumstances(trial)
    yield from (Line("Why:", f"{cause.sentence}.") for cause in explain(trial))


def _circumstances(trial: Trial) -> Iterable[Line]:
    """Yield where it ran and on what, and how it stopped."""
    if trial.placement is not None:
        yield Line("Placement:", _placement(trial))
    if trial.gil is not None:
        yield Line("Interpreter:", _without_gil(trial, trial.gil))
    if trial.limits is not None:
        yield Line("Limits:", _limits(trial))
    if trial.graceful_stop is not None:
        yield Line("Stop under load:", stopping_words.sentence(trial.graceful_stop))


def _memory(usage: ProcessUsage) -> str:
    return (
        f"{quantities.megabytes(usage.peak_memory_bytes)} at most "
        f"({usage.memory_kind.value.upper()}, "
        f"{quantities.counted(usage.peak_processes, 'process', 'processes')}, "
        f"{quantities.counted(usage.peak_threads, 'thread', 'threads')})"
    )


def _front(front: FrontUse, *, trial: Trial) -> str:
    """Return what a front took beside the server, and how it reaches it."""
    way = "a unix socket" if front.is_on_unix_socket else front.upstream
    where = f"in front, on {way}, by {front.configuration}"
    calls = trial.ledger.get("ok", 0)
    if front.usage is None or not calls:
        return where
    cost = quantities.milliseconds(front.usage.cpu_s / calls)
    return f"{cost} ms CPU per call, {_memory(front.usage)}; {where}"


def _beside(use: BesideUse, *, calls: int) -> Iterable[Line]:
    """Yield what each program took beside the server, which is not in the server's figures."""
    for program in use.programs:
        cost = (
            f"{quantities.milliseconds(program.cpu_s / calls)} ms CPU per call, " if calls else ""
        )
        cores = program.shared_cpu_s / use.seconds if use.seconds else 0.0
        cpus = quantities.counted(use.cpus, "CPU", "CPUs")
        count = quantities.counted(program.processes, "process", "processes")
        yield Line(f"{program.name}:", f"{cost}{cores:.2f} of {cpus}, {count}; beside the server")


def _answers_of_whole_load(trial: Trial) -> int:
    ledgers = (trial.ledger, trial.warm_up.ledger if trial.warm_up else {})
    return sum(ledger.get("ok", 0) for ledger in ledgers)


def _kind(kind: CallKind) -> str:
    """Return the response times of one kind of call; quantiles of too few are left out."""
    times = kind.response_time_s
    known = [(name, getattr(times, name)) for name in ("p50", "p90", "p99")]
    words = [f"{name} {quantities.milliseconds(value)}" for name, value in known if value]
    return f"{kind.calls}; {', '.join([*words, f'max {quantities.milliseconds(times.max)}'])} ms"


def _cpu(trial: Trial) -> str:
    text = f"{quantities.milliseconds(trial.cpu_s_per_call)} ms"
    if trial.work_share is not None:
        text += f", {quantities.percent(trial.work_share)} of it the bare work"
    if trial.voluntary_switches_per_call is not None:
        text += f"; {quantities.count(trial.voluntary_switches_per_call)} context switches"
    return text


def _placement(trial: Trial) -> str:
    text = trial.placement.note if trial.placement else quantities.MISSING
    if trial.generator is not None and trial.generator.scheduling is Scheduling.FIFO:
        return f"{text}; generator in real time"
    return text


def _without_gil(trial: Trial, gil: Gil) -> str:
    python = python_in_words(trial.interpreter)
    if gil.is_on is None:
        return f"{python}; nothing said that the GIL came back on"
    if not gil.is_on:
        return f"{python}, without the GIL"
    return f"{python}, with the GIL" + (f" for {', '.join(gil.modules)}" if gil.modules else "")


def _limits(trial: Trial) -> str:
    throttling = trial.throttling
    if throttling is None or not throttling.periods:
        return str(trial.limits)
    counted = f"{throttling.throttled_periods} of {throttling.periods} periods"
    return f"{trial.limits}; throttled in {counted}, by the kernel's count"


def failures_by_class(trial: Trial) -> str:
    """Return the outcome classes of the failed requests with their counts, most frequent first."""
    found = [(n, name) for name, n in trial.ledger.items() if name not in _NOT_FAILURES and n]
    return ", ".join(f"{n} {name}" for n, name in sorted(found, reverse=True)) or "none"


def table(trials: Sequence[Trial], *, workload: str) -> Table:
    """Return the table of one workload's trials."""
    ranked, others = _split(trials)
    return without_empty_columns(
        Table(
            workload=workload,
            verdict=_verdict(ranked, workload=workload, count=len(trials)),
            columns=COLUMNS,
            rows=tuple(_row(trial) for trial in [*ranked, *others]),
            notes=tuple(_notes(ranked, others)),
        )
    )


def in_order(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Return one workload's trials as its table has them."""
    ranked, others = _split(trials)
    return (*ranked, *others)


def _split(trials: Sequence[Trial]) -> tuple[list[Trial], list[Trial]]:
    """Return those that are ranked, best first, and the others."""
    ranked = sorted(
        (trial for trial in trials if trial.is_rankable),
        key=lambda trial: trial.throughput_per_s or 0.0,
        reverse=True,
    )
    return ranked, [trial for trial in trials if not trial.is_rankable]


def without_empty_columns(table: Table) -> Table:
    """Return a table without the columns that may vanish and have nothing in any row."""
    kept = [
        number
        for number, column in enumerate(table.columns)
        if not column.may_vanish
        or any(row.cells[number] != quantities.MISSING for row in table.rows)
    ]
    return structs.replace(
        table,
        columns=tuple(table.columns[number] for number in kept),
        rows=tuple(
            structs.replace(row, cells=tuple(row.cells[number] for number in kept))
            for row in table.rows
        ),
    )


def _verdict(ranked: Sequence[Trial], *, workload: str, count: int) -> str:
    if not ranked:
        return f"None of the {count} deployments can be ranked on {workload}; each row says why."
    best = ranked[0]
    text = (
        f"Highest rate on {workload} in this one round: {best.title}, "
        f"{quantities.rate(best.throughput_per_s)} requests/s"
    )
    if best.efficiency is not None:
        text += (
            f", {quantities.percent(best.efficiency)} of the ceiling "
            f"of {quantities.rate(best.ceiling_per_s)}"
        )
    return text + "."


def _notes(ranked: Sequence[Trial], others: Sequence[Trial]) -> Iterable[str]:
    trials = [*ranked, *others]
    yield from ceilings_by_interpreter(trials)
    has_one = len({trial.interpreter for trial in trials}) == 1
    rates = sorted({trial.ceiling.per_s for trial in trials if trial.ceiling})
    if len(rates) > 1 and has_one:
        yield (
            f"The ceiling is the highest of {len(rates)} measurements in the servers' own "
            f"environments: {quantities.rate(rates[0])} to {quantities.rate(rates[-1])}."
        )
    if len(ranked) > 1:
        yield (
            "One round ranks nothing within the noise: neighbours in this table may change places "
            "when it is measured again."
        )
    if others:
        yield "Rows marked with * are not ranked: " + "; ".join(
            f"{trial.title}: {_why_unranked(trial)}" for trial in others
        )


def ceilings_by_interpreter(trials: Sequence[Trial]) -> Iterable[str]:
    """Yield what efficiency is of on several interpreters; of one, that it is free-threaded."""
    found: dict[str, list[float]] = {}
    for trial in trials:
        if trial.ceiling_per_s is not None:
            found.setdefault(trial.interpreter, []).append(trial.ceiling_per_s)
    python = trials[0].interpreter if trials else ""
    if len(found) == 1 and python.endswith(FREE_THREADED):
        yield f"All of it on {python_in_words(python)}."
    if len(found) > 1:
        each = "; ".join(
            f"{python_in_words(python)}: {quantities.rate(median(rates))}"
            for python, rates in sorted(found.items())
        )
        yield f"Efficiency is of the ceiling on the same interpreter, in requests/s: {each}."


def _why_unranked(trial: Trial) -> str:
    if trial.status is not TrialStatus.OK:
        return f"{trial.status.value}, {trial.reason}"
    return "; ".join(warning.text for warning in trial.warnings)


def _row(trial: Trial) -> Row:
    times = trial.response_time_s
    return Row(
        stack=trial.stack,
        heading=trial.heading,
        is_ranked=trial.is_rankable,
        cells=(
            quantities.rate(trial.throughput_per_s),
            quantities.percent(trial.efficiency),
            quantities.milliseconds(times.p50 if times else None),
            quantities.milliseconds(times.p90 if times else None),
            quantities.milliseconds(times.max if times else None),
            quantities.milliseconds(trial.cpu_s_per_call),
            quantities.megabytes(trial.peak_memory_bytes),
            failures_by_class(trial),
            why_in_short(trial),
        ),
    )


def why_in_short(trial: Trial) -> str:
    """Return why a trial came out as it did, for a table."""
    if trial.status is not TrialStatus.OK:
        return str(trial.status.value)
    causes = ", ".join(cause.short for cause in explain(trial))
    return causes or quantities.MISSING


def step(trial: Trial) -> str:
    """Return a line on a trial that is one of many."""
    name = trial.title if trial.role is Role.CANDIDATE else f"{trial.title} (again)"
    number = "pilot" if trial.round == PILOT_ROUND else f"round {trial.round}"
    if trial.status is not TrialStatus.OK:
        return f"{number}: {name}: {trial.status.value}, {trial.reason}"
    times = trial.response_time_s
    return (
        f"{number}: {name}: {quantities.rate(trial.throughput_per_s)}/s, "
        f"p50 {quantities.milliseconds(times.p50 if times else None)} ms"
    )


def load_in_words(trial: Trial) -> str:
    """Return the load of a trial, such as ``100 callers, a new connection for each request``."""
    arrivals = arrivals_in_words(trial.load)
    if trial.channels is not None:
        return f"{arrivals}, {trial.channels} channel" + ("s" if trial.channels > 1 else "")
    if trial.connections is Connections.FRESH:
        return f"{arrivals}, a new connection for each request"
    return f"{arrivals}, connections kept"


def arrivals_in_words(load: Load) -> str:
    """Return how requests arrive, such as ``100 callers, each waiting for its answer``."""
    if isinstance(load, OpenLoop):
        return f"{load.rate_per_s:g} requests/s, {load.arrivals} arrivals"
    thinking = f" and {load.think_time_s:g} s more" if load.think_time_s else ""
    return f"{load.callers} callers, each waiting for its answer{thinking}"
