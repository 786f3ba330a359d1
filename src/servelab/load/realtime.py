"""Real-time scheduling of the generator's process, where the kernel permits it; see sched(7)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

NORMAL = "normal"
FIFO = "fifo"


@contextmanager
def scheduled(asked: str) -> Iterator[str]:
    """Run the block as asked, or normally where that is not permitted; yield what it came to.

    The lowest real-time priority is enough: it comes before every ordinary process. The right to it
    needs CAP_SYS_NICE, or RLIMIT_RTPRIO of at least 1. What this process would start is ordinary.
    """
    granted = _enter_fifo() if asked == FIFO else NORMAL
    try:
        yield granted
    finally:
        if granted == FIFO:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _enter_fifo() -> str:
    lowest = os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO))
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, lowest)
    except OSError:
        return NORMAL
    return FIFO
