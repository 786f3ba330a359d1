"""How fast a core is just now, and whether it is taken away meanwhile."""

import statistics
import time

from servelab.model.noise import Calibration

DURATION_S = 0.05
_PARTS = 10
_STEPS = 500
"""Of one loop: some ten microseconds."""


def calibrate(*, duration_s: float = DURATION_S) -> Calibration | None:
    """Work for this long and return how that went.

    The CPU time is that of the whole process: a thread of ours that gets its turn meanwhile is not
    a disturbance. The speed is the median of ten parts, so that a core which has to wake up first
    does not count as slow. None where the clock of CPU time is too coarse to tell.
    """
    wall_s, cpu_s = time.monotonic(), time.process_time()
    ends_s = [wall_s + duration_s * part / _PARTS for part in range(1, _PARTS + 1)]
    parts = [_work(until_s=end_s) for end_s in ends_s]
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
    if cpu_s <= 0 or any(part_s <= 0 for _, part_s in parts):
        return None
    return Calibration(
        wall_per_cpu=wall_s / cpu_s,
        loops_per_cpu_s=statistics.median(loops / part_s for loops, part_s in parts),
    )


def _work(*, until_s: float) -> tuple[int, float]:
    """Return how many loops were made until then, and the CPU time that they took."""
    started_s, loops = time.thread_time(), 0
    while True:
        _loop()
        loops += 1
        if time.monotonic() >= until_s:
            return loops, time.thread_time() - started_s


def _loop() -> int:
    number = 1
    for step in range(_STEPS):
        number = (number * 31 + step) & 0xFFFF
    return number
