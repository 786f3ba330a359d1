"""What a server writes, in a file that stays small; standard library only."""

import os
from contextlib import suppress

WATCH_S = 0.1
FAST_WATCH_S = 0.005


class CappedLog:
    """A file that takes a server's output and keeps the first and the last of it.

    A file, not a pipe, so that no server ever waits for its reader.
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
        kept = self._limit_bytes // 4
        last = os.pread(self.descriptor, kept, size - kept)
        os.ftruncate(self.descriptor, 2 * kept)
        with suppress(OSError):  # a full disk costs the end of the log, not the server
            os.write(self.descriptor, b"\n[... output beyond the limit left out ...]\n" + last)
