"""The records of a load, read again: narrow in memory, and no more of them than is asked for.

Of millions of requests each moment takes eight bytes. Most lie less than four seconds after the
planned start: held as what they are beyond it they take half of that, and stay exact.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servelab.load.record import COLUMNS, NEVER
from servelab.model.outcome import Outcome

if TYPE_CHECKING:
    import numpy as np
    import pyarrow.parquet as pq
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Column = NDArray[np.integer[Any]]
    Seconds = NDArray[np.float64]

_HELD_FROM_THE_START = ("taken_up_ns", "connection_ready_ns", "sent_ns", "finished_ns")
"""The moments that every trial's figures need."""
_NEVER_BEYOND = 2**32 - 1
"""Stands for NEVER among the nanoseconds beyond the planned start."""


class _Held:
    """A column of records, by the name of its attribute."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, records: "Records", _owner: type) -> "Column":
        return records.column(self._name)


class Records:
    """The records of a load, one array element a request, in the order in which they ended.

    Moments are nanoseconds of the monotonic clock; -1: it never came. Arrays may be made anew each
    time they are asked for.
    """

    __slots__ = ("_columns",)

    planned_ns = _Held()
    taken_up_ns = _Held()
    connection_ready_ns = _Held()
    sent_ns = _Held()
    first_byte_ns = _Held()
    finished_ns = _Held()
    sequence = _Held()
    connection = _Held()
    body_bytes = _Held()
    worker_pid = _Held()
    status = _Held()
    outcome = _Held()

    def __init__(self, **columns: "Column | Callable[[], Column]") -> None:
        self._columns = columns

    def column(self, name: str) -> "Column":
        """Return a column by its name; KeyError."""
        held = self._columns[name]
        return held() if callable(held) else held

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

        delay_ns = self.taken_up_ns - self.planned_ns
        sent_ns, ready_ns = self.sent_ns, self.connection_ready_ns
        was_sent = (sent_ns != NEVER) & (ready_ns != NEVER)
        np.add(delay_ns, sent_ns, out=delay_ns, where=was_sent)
        np.subtract(delay_ns, ready_ns, out=delay_ns, where=was_sent)
        del sent_ns, ready_ns, was_sent
        return delay_ns / 1e9

    @property
    def connection_wait_s(self) -> "Seconds":
        """Return the wait for a usable connection; until the end where none came."""
        import numpy as np

        ready_ns = self.connection_ready_ns
        until_ns = np.where(ready_ns == NEVER, self.finished_ns, ready_ns)
        del ready_ns
        return (until_ns - self.taken_up_ns) / 1e9

    @property
    def round_trip_time_s(self) -> "Seconds":
        """Return the time from the end of sending to the end; NaN where nothing was sent."""
        import numpy as np

        sent_ns = self.sent_ns
        was_never_sent = sent_ns == NEVER
        trip_s: Seconds = (self.finished_ns - sent_ns) / 1e9
        trip_s[was_never_sent] = np.nan
        return trip_s


def read_records(path: Path) -> Records:
    """Read the records that ``generate`` wrote; what no figure needs is read when asked for."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        planned_ns = _whole(file, "planned_ns")
        held: dict[str, Column | Callable[[], Column]] = {
            name: _beyond(file, name, planned_ns=planned_ns) for name in _HELD_FROM_THE_START
        }
        held |= {"planned_ns": planned_ns, "outcome": _whole(file, "outcome")}
    for name, _ in COLUMNS:
        if name not in held:
            held[name] = cache(partial(_read, path, name))
    return Records(**held)


def _read(path: Path, name: str) -> "Column":
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return _whole(file, name)


def _whole(file: "pq.ParquetFile", name: str) -> "Column":
    import numpy as np

    values: Column = np.empty(file.metadata.num_rows, dtype=dict(COLUMNS)[name])
    for begin, part in _parts(file, name):
        values[begin : begin + len(part)] = part
    return values


def _parts(file: "pq.ParquetFile", name: str) -> "Iterator[tuple[int, Column]]":
    """Yield a column piece by piece, each with its place: the whole would be there twice."""
    begin = 0
    for group in range(file.num_row_groups):
        part = file.read_row_group(group, columns=[name], use_threads=False).column(0).to_numpy()
        if len(part):
            yield begin, part
        begin += len(part)


def _beyond(
    file: "pq.ParquetFile", name: str, *, planned_ns: "Column"
) -> "Column | Callable[[], Column]":
    """Return a column of moments as what they are beyond the planned starts, where that fits."""
    import numpy as np

    beyond_ns = np.empty(len(planned_ns), dtype=np.uint32)
    for begin, part in _parts(file, name):
        end = begin + len(part)
        never = part == NEVER
        exact_ns = part - planned_ns[begin:end]
        exact_ns[never] = 0
        if exact_ns.min() < 0 or exact_ns.max() >= _NEVER_BEYOND:
            return _whole(file, name)
        exact_ns[never] = _NEVER_BEYOND
        beyond_ns[begin:end] = exact_ns
    return partial(_moments, planned_ns, beyond_ns)


def _moments(planned_ns: "Column", beyond_ns: "NDArray[np.uint32]") -> "Column":
    import numpy as np

    moments_ns: Column = np.add(planned_ns, beyond_ns, dtype=np.int64)
    moments_ns[beyond_ns == _NEVER_BEYOND] = NEVER
    return moments_ns
