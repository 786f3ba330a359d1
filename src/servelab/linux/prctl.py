"""The two process controls which keep a server's tree together; see prctl(2)."""

import ctypes
import os
import signal

_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36

# Loaded at import: after a fork nothing may be loaded any more.
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Make this process the parent of every orphan below it."""
    _prctl(_SET_CHILD_SUBREAPER, argument=1)


def die_with_parent(number: signal.Signals) -> None:
    """Have the kernel send this signal to the calling process when its parent ends."""
    _prctl(_SET_PARENT_DEATH_SIGNAL, argument=int(number))


def _prctl(option: int, *, argument: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
