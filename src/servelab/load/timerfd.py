"""Timers as file descriptors (timerfd_create(2)), which Python has had only since 3.13."""

import ctypes
import os
import time

_NONBLOCK = os.O_NONBLOCK
_CLOEXEC = os.O_CLOEXEC
_ABSOLUTE = 1
_SECOND_NS = 1_000_000_000


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class Timer:
    """One timer on the monotonic clock; its descriptor is readable once the moment has come."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.timerfd_create(time.CLOCK_MONOTONIC, _NONBLOCK | _CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._spec = _TimerSpec()
        self._spec_pointer = ctypes.byref(self._spec)
        self._settime = self._libc.timerfd_settime

    def set(self, when_ns: int) -> None:
        """Ring at ``when_ns`` of ``time.monotonic_ns``; at once where that is past."""
        value = self._spec.value
        value.seconds, value.nanoseconds = divmod(max(when_ns, 1), _SECOND_NS)
        if self._settime(self.fd, _ABSOLUTE, self._spec_pointer, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")

    def acknowledge(self) -> None:
        """Make the descriptor unreadable until the next ring."""
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)
