"""What a server writes, in a file that stays small; standard library only."""

import os
from contextlib import suppress
from pathlib import Path

WATCH_S = 0.1
FAST_WATCH_S = 0.005
_CUT_HERE = b"\n[... output beyond the limit left out ...]\n"


class CappedLog:
    """A file that takes a server's output and keeps the first and the last of it.

    A file, not a pipe, so that no server ever waits for its reader. Whoever reads it sees the
    latest line at its end at any moment.
    """

    def __init__(self, path: str, *, limit_bytes: int) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._limit_bytes = limit_bytes
        self._size = 0

    def trim(self) -> float:
        """Cut out the middle where the file has outgrown its limit; return seconds to the next."""
        size = os.fstat(self.descriptor).st_size
        grew_fast = size - self._size > self._limit_bytes // 8
        if size > self._limit_bytes:
            self._cut(size)
        self._size = min(size, self._limit_bytes)
        return FAST_WATCH_S if grew_fast else WATCH_S

    def _cut(self, size: int) -> None:
        """Move the end to where the middle begins; what comes meanwhile is moved, too."""
        kept = self._limit_bytes // 4
        source, target = size - kept, 2 * kept
        # What is open to append writes at the end only; the name may be gone, the file is not.
        with Path(f"/proc/self/fd/{self.descriptor}").open("r+b", buffering=0) as file:
            with suppress(OSError):  # a full disk costs the end of the log, not the server
                target += os.pwrite(file.fileno(), _CUT_HERE, target)
                while target < self._limit_bytes:
                    piece = os.pread(file.fileno(), kept, source)
                    if not piece:
                        break
                    target += os.pwrite(file.fileno(), piece, target)
                    source += len(piece)
            file.truncate(target)
