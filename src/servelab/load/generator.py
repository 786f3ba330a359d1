"""What the rest of servelab calls: run a load in a process of its own, and read its records."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from servelab.errors import AuditFailed, StoreError
from servelab.load.record import COLUMNS, NEVER, ROW
from servelab.model.load import LoadPlan, LoadProgress, LoadResult
from servelab.model.outcome import Outcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Seconds = NDArray[np.float64]

_POLL_S = 0.2
_END_S = 30.0
_BATCH_ROWS = 1 << 20


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
    cpus: frozenset[int] | None = None,
    on_progress: Callable[[LoadProgress], None] = _ignore,
    should_stop: Callable[[], str | None] = _never,
) -> LoadResult:
    """Run a load to its end; write one record a request to ``records``, as Parquet.

    ``should_stop`` is asked a few times a second; a reason ends the load at once: requests in
    flight become ``abandoned``, those never started ``unsent`` (without a record). The process
    that generates is pinned to ``cpus``. Whatever is raised meanwhile, KeyboardInterrupt too, is
    raised after that process is gone. AuditFailed where the books do not balance, StoreError
    where records cannot be written.
    """
    raw = records.with_name(records.name + ".raw")
    try:
        with _engine() as (process, errors):
            _order(process, plan, raw=raw, cpus=cpus)
            told = _follow(process, on_progress=on_progress, should_stop=should_stop)
            process.wait(_END_S)
            if told is None:
                raise AuditFailed(_obituary(process, errors))
            if "error" in told:
                raise StoreError(f"the load's records cannot be written to {raw}: {told['error']}")
        result = told["result"]
        counts = _convert(raw, records, expected=result["records"])
    finally:
        raw.unlink(missing_ok=True)
    return _balance(result, counts, records=records)


# ---- the process


@contextlib.contextmanager
def _engine() -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start the engine; whatever happens, it is gone after the block."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "servelab.load.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        with process:
            try:
                yield process, errors
            finally:
                if process.poll() is None:
                    process.kill()


def _order(
    process: subprocess.Popen[bytes], plan: LoadPlan, *, raw: Path, cpus: frozenset[int] | None
) -> None:
    order = {
        "plan": msgspec.to_builtins(plan),
        "records": str(raw.absolute()),
        "cpus": sorted(cpus or ()),
    }
    _write(process, json.dumps(order).encode() + b"\n")


def _write(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Tell the engine; one that is gone is noticed where its output ends."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(words)
            process.stdin.flush()


def _follow(
    process: subprocess.Popen[bytes],
    *,
    on_progress: Callable[[LoadProgress], None],
    should_stop: Callable[[], str | None],
) -> dict[str, Any] | None:
    """Relay progress; return the engine's last word, None where it ended without one."""
    stop_by_s: float | None = None
    has_begun = False
    for line in _lines(process):
        if line:
            message: dict[str, Any] = json.loads(line)
            if "progress" not in message:
                return message
            has_begun = True
            on_progress(LoadProgress(**message["progress"]))
        if has_begun and stop_by_s is None and should_stop() is not None:
            stop_by_s = time.monotonic() + _END_S
            _write(process, b"stop\n")
        if stop_by_s is not None and time.monotonic() > stop_by_s:
            return None
    return None


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield the engine's lines as they come, and an empty one when none came for a while."""
    if process.stdout is None:
        return
    output = process.stdout.fileno()
    unread = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while True:
            if not selector.select(_POLL_S):
                yield b""
                continue
            received = os.read(output, 65536)
            if not received:
                return
            *lines, unread = (unread + received).split(b"\n")
            yield from lines


def _obituary(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    errors.seek(0)
    last_line = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
    return (
        f"the load generator ended with status {process.poll()} before its load did: "
        f"{last_line or 'it said nothing'}; please report this bug"
    )


# ---- the records


class _Counts(Struct, frozen=True, kw_only=True):
    """What the records say, counted apart from the engine's own books."""

    rows: int
    distinct: int
    outcomes: dict[Outcome, int]
    response_time_sum_ns: int


def _convert(raw: Path, records: Path, *, expected: int) -> _Counts:
    """Turn the engine's file into Parquet, a batch at a time; count on the way."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    row_type = np.dtype(list(COLUMNS))
    if row_type.itemsize != ROW.size:
        raise AuditFailed("the columns of a record do not fill it")
    names = [name for name, _ in COLUMNS if name != "reserved"]
    schema = pa.schema([(name, pa.from_numpy_dtype(row_type[name])) for name in names])
    seen = np.zeros(expected, dtype=bool)
    outcomes = np.zeros(256, dtype=np.int64)
    rows = response_time_sum_ns = 0
    part = records.with_name(records.name + ".part")
    with raw.open("rb") as source, pq.ParquetWriter(part, schema, compression="zstd") as sink:
        while len(batch := np.fromfile(source, dtype=row_type, count=_BATCH_ROWS)):
            columns = {name: np.ascontiguousarray(batch[name]) for name in names}
            sink.write_table(pa.table(columns, schema=schema))
            rows += len(batch)
            seen[columns["sequence"]] = True
            outcomes += np.bincount(columns["outcome"], minlength=len(outcomes))
            response_time_sum_ns += int((columns["finished_ns"] - columns["planned_ns"]).sum())
    part.replace(records)
    return _Counts(
        rows=rows,
        distinct=int(seen.sum()),
        outcomes={kind: int(outcomes[kind]) for kind in Outcome if outcomes[kind]},
        response_time_sum_ns=response_time_sum_ns,
    )


def _balance(result: dict[str, Any], counts: _Counts, *, records: Path) -> LoadResult:
    """Hold the engine's books against its records; AuditFailed where they differ."""
    started = result["records"]
    if not started == counts.rows == counts.distinct:
        raise AuditFailed(
            f"{started} requests were started but {counts.rows} recorded, "
            f"{counts.distinct} of them distinct; please report this bug with {records}"
        )
    failures = {Outcome(int(kind)): number for kind, number in result["failures"].items() if number}
    recorded = {kind: number for kind, number in counts.outcomes.items() if kind is not Outcome.OK}
    if failures != recorded:
        raise AuditFailed(
            f"the generator counted the failures {failures} but recorded {recorded}; "
            f"please report this bug with {records}"
        )
    outcomes = {kind.label: number for kind, number in sorted(counts.outcomes.items())}
    if result["unstarted"]:
        label = Outcome.UNSENT.label
        outcomes[label] = outcomes.get(label, 0) + result["unstarted"]
    return LoadResult(
        records=records,
        scheduled=started + result["unstarted"],
        outcomes=outcomes,
        started_s=result["started_ns"] / 1e9,
        ended_s=result["ended_ns"] / 1e9,
        connections_opened=result["connections_opened"],
        idle_closes=result["idle_closes"],
        cpu_s=result["cpu_s"],
        generator_processes=1,
        in_flight_area_s=result["area_ns"] / 1e9,
        response_time_sum_s=counts.response_time_sum_ns / 1e9,
        samples=tuple(result["samples"]),
        was_interrupted=result["was_interrupted"],
    )


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
    sequence: "Integers"
    connection: "Integers"
    body_bytes: "Integers"
    worker_pid: "Integers"
    status: "Integers"
    outcome: "Integers"

    def __len__(self) -> int:
        return len(self.planned_ns)

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
    """Read the records that ``generate`` wrote."""
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return Records(
        **{
            name: table.column(name).to_numpy().astype(np.int64)
            for name, _ in COLUMNS
            if name != "reserved"
        }
    )
