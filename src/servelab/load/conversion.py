"""Turns the engines' files into one Parquet file, a batch at a time, and counts on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from servelab.errors import AuditFailed
from servelab.load.record import COLUMNS, ROW
from servelab.model.outcome import Outcome
from servelab.store import files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.void]

_BATCH_ROWS = 1 << 15
_MANY_CLASSES = 256


class Counts(Struct, frozen=True, kw_only=True):
    """What the records say, counted apart from the engines' own books; a warm-up's included."""

    rows: int
    distinct: int
    outcomes: dict[Outcome, int]
    response_time_sum_ns: int


class WarmUpFile(Struct, frozen=True, kw_only=True):
    """Where the records of a warm-up go, and until which planned start a request is one of them."""

    records: Path
    until_ns: int


def convert(
    raws: Sequence[Path],
    records: Path,
    *,
    expected: Sequence[int],
    warm_up: WarmUpFile | None = None,
) -> Counts:
    """Write the rows of all files to ``records``, in the order in which they ended.

    Of n files the i-th holds the numbers i, i + n, i + 2n, ..., of which so many are expected.
    """
    import numpy as np

    row_type = np.dtype(list(COLUMNS))
    if row_type.itemsize != ROW.size:
        raise AuditFailed("the columns of a record do not fill it")
    seen = np.zeros(max(expected) * len(raws), dtype=bool)
    outcomes = np.zeros(_MANY_CLASSES, dtype=np.int64)
    rows = response_time_sum_ns = 0
    with ExitStack() as stack:
        sink = stack.enter_context(_parquet(records, row_type=row_type))
        if warm_up is not None:
            warm_sink = stack.enter_context(_parquet(warm_up.records, row_type=row_type))
            sink = _parted(warm_sink, sink, until_ns=warm_up.until_ns)
        for batch in _merged(raws, row_type=row_type):
            sink(batch)
            rows += len(batch)
            seen[batch["sequence"]] = True
            outcomes += np.bincount(batch["outcome"], minlength=_MANY_CLASSES)
            response_time_sum_ns += int((batch["finished_ns"] - batch["planned_ns"]).sum())
    return Counts(
        rows=rows,
        distinct=int(seen.sum()),
        outcomes={kind: int(outcomes[kind]) for kind in Outcome if outcomes[kind]},
        response_time_sum_ns=response_time_sum_ns,
    )


def salvage(raws: Sequence[Path], records: Path) -> None:
    """Write the whole rows that killed engines left; a warm-up's stay among them.

    Nothing is written where there are none. A row that was cut short is left out.
    """
    import numpy as np

    row_type = np.dtype(list(COLUMNS))
    found = [raw for raw in raws if raw.exists()]
    if not any(raw.stat().st_size >= ROW.size for raw in found):
        return
    with _parquet(records, row_type=row_type) as sink:
        for batch in _merged(found, row_type=row_type):
            sink(batch)


def _parted(
    early: Callable[[Rows], None], late: Callable[[Rows], None], *, until_ns: int
) -> Callable[[Rows], None]:
    def write(rows: Rows) -> None:
        is_early = rows["planned_ns"] < until_ns
        early(rows[is_early])
        late(rows[~is_early])

    return write


@contextmanager
def _parquet(path: Path, *, row_type: np.dtype[Any]) -> Iterator[Callable[[Rows], None]]:
    """Give what writes rows to a file that appears whole, or not at all."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [name for name, _ in COLUMNS if name != "reserved"]
    schema = pa.schema([(name, pa.from_numpy_dtype(row_type[name])) for name in names])
    # Moments and numbers differ little from row to row; dictionaries or zstd would cost six times
    # the CPU time and leave a larger file.
    differing = [name for name in names if name.endswith("_ns") or name == "sequence"]
    part = path.with_name(path.name + ".part")
    try:
        with pq.ParquetWriter(
            part,
            schema,
            compression="none",
            use_dictionary=[name for name in names if name not in differing],
            column_encoding=dict.fromkeys(differing, "DELTA_BINARY_PACKED"),
        ) as writer:

            def write(rows: Rows) -> None:
                columns = {name: np.ascontiguousarray(rows[name]) for name in names}
                writer.write_table(pa.table(columns, schema=schema))

            yield write
        files.sync(part)
        files.put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)


def _merged(raws: Sequence[Path], *, row_type: np.dtype[Any]) -> Iterator[Rows]:
    """Yield batches of all files in the order in which their requests ended."""
    import numpy as np

    with ExitStack() as stack:
        sources = [stack.enter_context(raw.open("rb")) for raw in raws]
        waiting = [np.empty(0, dtype=row_type) for _ in sources]
        is_open = [True for _ in sources]
        while any(is_open) or any(len(rows) for rows in waiting):
            for index, source in enumerate(sources):
                if is_open[index] and not len(waiting[index]):
                    waiting[index] = np.fromfile(source, dtype=row_type, count=_BATCH_ROWS)
                    is_open[index] = len(waiting[index]) > 0
            # Up to here every file has been read: what ends later may yet be preceded.
            until_ns = min(
                (rows["finished_ns"].max() for rows in waiting if len(rows)), default=None
            )
            if until_ns is None:
                return
            is_due = [rows["finished_ns"] <= until_ns for rows in waiting]
            batch = np.concatenate([rows[due] for rows, due in zip(waiting, is_due, strict=True)])
            waiting = [rows[~due] for rows, due in zip(waiting, is_due, strict=True)]
            yield batch[np.argsort(batch["finished_ns"], kind="stable")]
