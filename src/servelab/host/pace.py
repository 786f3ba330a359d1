"""How fast a core is just now, and whether it is taken away meanwhile."""

import statistics
import time

from servelab.model.noise import Calibration

DURATION_S = 0.05
_PARTS = 10
_STEPS = 500
"""Of one loop: some ten microseconds."""


def calibrate(*, duration_s: float = DURATION_S) -> Calibration:
    """Work for this long and return how that went.

    The CPU time is that of the whole process: a thread of ours that gets its turn meanwhile is not
    a disturbance. The speed is the median of ten parts, so that a core which has to wake up first
    does not count as slow.
    """
    wall_s, cpu_s = time.monotonic(), time.process_time()
    speeds = [
        _loops_per_cpu_s(until_s=wall_s + duration_s * n / _PARTS) for n in range(1, _PARTS + 1)
    ]
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
    return Calibration(wall_per_cpu=wall_s / cpu_s, loops_per_cpu_s=statistics.median(speeds))


def _loops_per_cpu_s(*, until_s: float) -> float:
    started_s, loops = time.thread_time(), 0
    while True:
        _loop()
        loops += 1
        if time.monotonic() >= until_s:
            return loops / (time.thread_time() - started_s)


def _loop() -> int:
    number = 1
    for step in range(_STEPS):
        number = (number * 31 + step) & 0xFFFF
    return number
