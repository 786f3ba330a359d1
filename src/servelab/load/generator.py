"""What the rest of servelab calls: run a load in processes of its own, and read its records."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from servelab.errors import AuditFailed, StoreError, UsageError
from servelab.load.conversion import Counts, WarmUpFile, convert
from servelab.load.crew import engines, follow
from servelab.load.ledger import SAMPLES
from servelab.load.record import COLUMNS, NEVER
from servelab.load.shares import split
from servelab.model.load import LoadPlan, LoadProgress, LoadResult, Scheduling, Tls
from servelab.model.outcome import Outcome

MOST_RECORDS = 200_000_000
"""Of one load; more would not fit into memory, and a small file can say that it holds them."""
_COLUMN_TYPES = {name: kind for name, kind in COLUMNS if name != "reserved"}

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Narrow = NDArray[np.integer[Any]]
    Seconds = NDArray[np.float64]


class ProbeAnswer(Struct, frozen=True, kw_only=True):
    """What came of one request."""

    outcome: Outcome
    worker_pid: int
    """0 where the answer named none."""
    reason: str
    """Why it is not ok; empty where it is."""

    @property
    def is_ok(self) -> bool:
        """Tell whether a correct answer came back."""
        return self.outcome is Outcome.OK


def probe(plan: LoadPlan, *, timeout_s: float) -> ProbeAnswer:
    """Send one request of the plan over a fresh connection; servers do not count it."""
    from servelab.load.probe import probe_once

    outcome, worker_pid, reason = probe_once(msgspec.to_builtins(plan), timeout_s=timeout_s)
    return ProbeAnswer(outcome=outcome, worker_pid=worker_pid, reason=reason)


def _ignore(_progress: LoadProgress) -> None:
    """Tell nobody."""


def _never() -> str | None:
    """Have no reason to stop."""
    return None


def generate(
    plan: LoadPlan,
    *,
    records: Path,
    cpus: Sequence[tuple[int, ...]] = (),
    on_progress: Callable[[LoadProgress], None] = _ignore,
    should_stop: Callable[[], str | None] = _never,
) -> LoadResult:
    """Run a load to its end; write one record a request to ``records``, as Parquet.

    Those of a warm-up go to a file beside it, ``NAME.warm-up.parquet``.

    ``should_stop`` is asked a few times a second; a reason ends the load at once: requests in
    flight become ``abandoned``, those never started ``unsent`` (without a record). The n-th process
    that generates runs on the n-th of ``cpus``, from the start again where there are fewer; of none
    it runs anywhere. Whatever is raised meanwhile, KeyboardInterrupt too, is raised after those
    processes are gone. AuditFailed where the books do not balance, StoreError where records cannot
    be written, UsageError where the authorities of TLS cannot be read.
    """
    if plan.tls is not None:
        _check_authorities(plan.tls)
    shares = split(plan)
    raws = [records.with_name(f"{records.name}.raw{index}") for index in range(len(shares))]
    try:
        with engines(len(shares)) as crew:
            for index, share in enumerate(shares):
                where = cpus[index % len(cpus)] if cpus else ()
                crew[index].order(share, raw=raws[index], cpus=where)
            results = follow(crew, plan=plan, on_progress=on_progress, should_stop=should_stop)
        cpu_before_s = time.process_time()
        counts = convert(
            raws,
            records,
            expected=[result["records"] for result in results],
            warm_up=_warm_up(plan, records=records, begun_ns=results[0]["begun_ns"]),
        )
        conversion_cpu_s = time.process_time() - cpu_before_s
    finally:
        for unwanted in raws:
            unwanted.unlink(missing_ok=True)
    result = _balance(_add_up(results), counts, records=records)
    return msgspec.structs.replace(
        result,
        pacing=plan.pacing,
        conversion_cpu_s=conversion_cpu_s,
        warm_up_records=warm_up_file(records) if plan.warm_up_s else None,
    )


def warm_up_file(records: Path) -> Path:
    """Return where the records of a warm-up go."""
    return records.with_suffix(".warm-up.parquet")


def _warm_up(plan: LoadPlan, *, records: Path, begun_ns: int) -> WarmUpFile | None:
    if not plan.warm_up_s:
        return None
    return WarmUpFile(
        records=warm_up_file(records), until_ns=begun_ns + round(plan.warm_up_s * 1e9)
    )


def _check_authorities(tls: Tls) -> None:
    import ssl

    try:
        ssl.create_default_context(cafile=tls.authorities)
    except OSError as error:
        raise UsageError(
            f"{tls.authorities} is no file of certificates ({error.strerror or error}); name one "
            "in PEM format"
        ) from None


# ---- the books


class _Books(Struct, frozen=True, kw_only=True):
    """What the engines say of themselves, added up."""

    records: int
    unstarted: int
    failures: dict[Outcome, int]
    begun_ns: int
    started_ns: int
    ended_ns: int
    connections_opened: int
    idle_closes: int
    cpu_s: tuple[float, ...]
    busy_share: float | None
    scheduling: Scheduling
    area_ns: int
    samples: tuple[str, ...]
    was_interrupted: bool


def _add_up(results: Sequence[dict[str, Any]]) -> _Books:
    failures: dict[Outcome, int] = {}
    for result in results:
        for kind, number in result["failures"].items():
            if number:
                failures[Outcome(int(kind))] = failures.get(Outcome(int(kind)), 0) + number
    granted = {result["scheduling"] for result in results}
    shares = [result["busy_share"] for result in results if result["busy_share"] is not None]
    return _Books(
        records=sum(result["records"] for result in results),
        unstarted=sum(result["unstarted"] for result in results),
        failures=failures,
        begun_ns=results[0]["begun_ns"],
        started_ns=min(result["started_ns"] for result in results),
        ended_ns=max(result["ended_ns"] for result in results),
        connections_opened=sum(result["connections_opened"] for result in results),
        idle_closes=sum(result["idle_closes"] for result in results),
        cpu_s=tuple(result["cpu_s"] for result in results),
        busy_share=max(shares, default=None),
        scheduling=Scheduling.FIFO if granted == {Scheduling.FIFO.value} else Scheduling.NORMAL,
        area_ns=sum(result["area_ns"] for result in results),
        samples=tuple(sample for result in results for sample in result["samples"])[:SAMPLES],
        was_interrupted=any(result["was_interrupted"] for result in results),
    )


def _balance(books: _Books, counts: Counts, *, records: Path) -> LoadResult:
    """Hold the engines' books against their records; AuditFailed where they differ."""
    started = books.records
    if not started == counts.rows == counts.distinct:
        raise AuditFailed(
            f"{started} requests were started but {counts.rows} recorded, "
            f"{counts.distinct} of them distinct; please report this bug with {records}"
        )
    recorded = {kind: number for kind, number in counts.outcomes.items() if kind is not Outcome.OK}
    if books.failures != recorded:
        raise AuditFailed(
            f"the generator counted the failures {books.failures} but recorded {recorded}; "
            f"please report this bug with {records}"
        )
    outcomes = {kind.label: number for kind, number in sorted(counts.outcomes.items())}
    if books.unstarted:
        label = Outcome.UNSENT.label
        outcomes[label] = outcomes.get(label, 0) + books.unstarted
    return LoadResult(
        records=records,
        scheduled=started + books.unstarted,
        outcomes=outcomes,
        begun_s=books.begun_ns / 1e9,
        started_s=books.started_ns / 1e9,
        ended_s=books.ended_ns / 1e9,
        connections_opened=books.connections_opened,
        idle_closes=books.idle_closes,
        cpu_s=sum(books.cpu_s),
        cpu_s_by_process=books.cpu_s,
        generator_processes=len(books.cpu_s),
        in_flight_area_s=books.area_ns / 1e9,
        response_time_sum_s=counts.response_time_sum_ns / 1e9,
        samples=books.samples,
        was_interrupted=books.was_interrupted,
        busy_share=books.busy_share,
        scheduling=books.scheduling,
    )


# ---- the records


class Records(Struct, frozen=True, kw_only=True):
    """The records of a load, one array element a request, in the order in which they ended.

    Moments are nanoseconds of the monotonic clock; -1: it never came.
    """

    planned_ns: "Integers"
    taken_up_ns: "Integers"
    connection_ready_ns: "Integers"
    sent_ns: "Integers"
    first_byte_ns: "Integers"
    finished_ns: "Integers"
    sequence: "Narrow"
    connection: "Narrow"
    body_bytes: "Narrow"
    worker_pid: "Narrow"
    status: "Narrow"
    outcome: "Narrow"

    def __len__(self) -> int:
        return len(self.planned_ns)

    @property
    def sent(self) -> int:
        """Return how many of the requests were sent; the others met a limit of the load."""
        return int((self.outcome != Outcome.UNSENT).sum())

    @property
    def response_time_s(self) -> "Seconds":
        """Return the time from planned start to end, of every request, failed ones too."""
        return (self.finished_ns - self.planned_ns) / 1e9

    @property
    def generator_delay_s(self) -> "Seconds":
        """Return the generator's own lateness: taking up late, and sending late."""
        import numpy as np

        sending_ns = np.where(
            (self.sent_ns != NEVER) & (self.connection_ready_ns != NEVER),
            self.sent_ns - self.connection_ready_ns,
            0,
        )
        return (self.taken_up_ns - self.planned_ns + sending_ns) / 1e9

    @property
    def connection_wait_s(self) -> "Seconds":
        """Return the wait for a usable connection; until the end where none came."""
        import numpy as np

        until_ns = np.where(
            self.connection_ready_ns == NEVER, self.finished_ns, self.connection_ready_ns
        )
        return (until_ns - self.taken_up_ns) / 1e9

    @property
    def round_trip_time_s(self) -> "Seconds":
        """Return the time from the end of sending to the end; NaN where nothing was sent."""
        import numpy as np

        trip_s = (self.finished_ns - self.sent_ns) / 1e9
        return np.where(self.sent_ns == NEVER, np.nan, trip_s)


def read_records(path: Path) -> Records:
    """Read the records that ``generate`` wrote; StoreError for what cannot be theirs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # One column after another: of millions of records, twice the table would not fit
        # everywhere.
        with pq.ParquetFile(path) as file:
            _check_form(file, path=path)
            return Records(**{name: _column(file, name) for name in _COLUMN_TYPES})
    except (OSError, ValueError, OverflowError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise StoreError(f"{path} holds no records of a load that can be read: {reason}") from error


def _check_form(file: Any, *, path: Path) -> None:
    """Raise StoreError where the columns are others, or more rows than a load can have."""
    import numpy as np

    found = {field.name: field.type for field in file.schema_arrow}
    if any(found.get(name) != np.dtype(kind).name for name, kind in _COLUMN_TYPES.items()):
        raise StoreError(f"{path} holds no records of a load: its columns are others")
    meta = file.metadata
    rows = [meta.num_rows, sum(meta.row_group(n).num_rows for n in range(meta.num_row_groups))]
    if max(rows) > MOST_RECORDS or rows[0] != rows[1] or min(rows) < 0:
        raise StoreError(f"{path} cannot be believed: it says that it holds {max(rows)} records")


def _column(file: Any, name: str) -> "Integers":
    values: Integers = file.read(columns=[name]).column(0).to_numpy()
    return values
