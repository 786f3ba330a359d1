"""How the C library keeps the memory of a process in which a few answers grow large."""

import ctypes

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
"""Numbers of `mallopt(3)`."""
LARGE_BYTES = 1 << 20
_KEPT_BYTES = 64 << 20


def give_large_blocks_back() -> None:
    """Have each block from `LARGE_BYTES` on be a mapping of its own.

    It then grows in place, and is the kernel's again once it is freed. Otherwise the C library
    comes to keep large blocks on its heap, where one that grows is copied, and what many answers
    leave behind is not given back. Where it has no such switch, all stays as it is.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
        # Setting one ends the adaptation of both; the usual answers must not cost a system call.
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
