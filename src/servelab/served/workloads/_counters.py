"""What each worker process received and answered, readable after its death.

The file named by the variable SERVELAB_COUNTERS is a sequence of 64-byte slots, one per process,
appended when that process takes its first call: four unsigned 64-bit integers in native byte
order (process id, calls received, calls answered, and whether its interpreter has the GIL: 1 with,
2 without), then padding up to a cache line.
"""

import fcntl
import mmap
import os
import struct
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

VARIABLE = "SERVELAB_COUNTERS"
PROBE_PREFIX = "probe"
SLOT_BYTES = 64

_MOST_BYTES = SLOT_BYTES << 16
"""65,536 processes; a server could make its file as large as the disk."""
_SLOT = struct.Struct("=QQQQ32x")
_RECEIVED, _ANSWERED = 1, 2
_WITH_GIL, _WITHOUT_GIL = 1, 2


class Slot(NamedTuple):
    """The counts of one worker process."""

    pid: int
    received: int
    answered: int
    has_gil: bool | None = None
    """Of its interpreter at its first call; None in a file of an earlier form."""


def read_slots(path: Path) -> tuple[Slot, ...]:
    """Return the counts of all processes that took calls, in the order of their first call."""
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES)  # the server could write what it wants
    whole = len(content) - len(content) % SLOT_BYTES
    slots = (_slot_of(*fields) for fields in _SLOT.iter_unpack(content[:whole]))
    return tuple(slot for slot in slots if slot.pid)


def _slot_of(pid: int, received: int, answered: int, gil: int) -> Slot:
    return Slot(pid, received, answered, {_WITH_GIL: True, _WITHOUT_GIL: False}.get(gil))


def _has_gil() -> bool:
    """Tell whether this interpreter has the GIL by now: an import may have turned it on."""
    is_enabled = getattr(sys, "_is_gil_enabled", None)  # from 3.13 on
    return True if is_enabled is None else bool(is_enabled())


class counted:  # noqa: N801 - reads as a word at its call
    """Count a call as received on entry, and as answered on leaving without an error.

    Readiness probes, told by their nonce, are not counted.
    """

    __slots__ = ("_is_counted",)

    def __init__(self, nonce: str) -> None:
        self._is_counted = _path is not None and not nonce.startswith(PROBE_PREFIX)

    def __enter__(self) -> None:
        if self._is_counted:
            _increment(_RECEIVED)

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_counted and error_type is None:
            _increment(_ANSWERED)


_path = os.environ.get(VARIABLE)
_lock = threading.Lock()
_slot: memoryview | None = None


def _increment(index: int) -> None:
    global _slot  # noqa: PLW0603 - one slot per process is the point
    with _lock:
        if _slot is None:
            _slot = _claim()
        _slot[index] += 1


def _claim() -> memoryview:
    """Append a slot to the file and map it; the file lock keeps two processes off one slot."""
    gil = _WITH_GIL if _has_gil() else _WITHOUT_GIL
    descriptor = os.open(str(_path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        end = os.fstat(descriptor).st_size
        offset = end - end % SLOT_BYTES
        os.pwrite(descriptor, _SLOT.pack(os.getpid(), 0, 0, gil), offset)
        page = offset - offset % mmap.ALLOCATIONGRANULARITY
        start = offset - page
        mapped = mmap.mmap(descriptor, start + SLOT_BYTES, offset=page)
    finally:
        os.close(descriptor)
    return memoryview(mapped)[start : start + SLOT_BYTES].cast("Q")


def _forget_slot() -> None:
    """Make a forked child claim its own slot, with a lock that nobody holds."""
    global _slot, _lock
    _slot, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_slot)
