"""One record a request: 68 bytes in a file, written as the load goes on.

The generator's memory does not grow with the number of requests: records go to the file at each
tick of the loop. A moment that never came is stored as -1.
"""

from pathlib import Path
from struct import Struct

NEVER = -1

COLUMNS = (
    ("planned_ns", "<i8"),
    ("taken_up_ns", "<i8"),
    ("connection_ready_ns", "<i8"),
    ("sent_ns", "<i8"),
    ("first_byte_ns", "<i8"),
    ("finished_ns", "<i8"),
    ("sequence", "<u4"),
    ("connection", "<u4"),
    ("body_bytes", "<u4"),
    ("worker_pid", "<u4"),
    ("status", "<u2"),
    ("outcome", "<u1"),
    ("reserved", "<u1"),
)
"""Names and NumPy types of the fields, in ``ROW``'s order; moments are of the monotonic clock."""

ROW = Struct("<6qIIIIHBx")


class Recorder:
    """Collect packed rows; write them to a file on ``flush``."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._rows: list[bytes] = []
        self._written = 0
        self.keep = self._rows.append
        """Take one row, packed by ``ROW``."""
        self.pack = ROW.pack

    @property
    def kept(self) -> int:
        """Return how many rows were kept so far."""
        return self._written + len(self._rows)

    def flush(self) -> None:
        """Write what was kept; OSError where the disk is full."""
        unwritten = memoryview(b"".join(self._rows))
        self._written += len(self._rows)
        self._rows.clear()
        while unwritten:
            unwritten = unwritten[self._file.write(unwritten) :]

    def close(self) -> None:
        """Write the rest and close the file."""
        self.flush()
        self._file.close()
