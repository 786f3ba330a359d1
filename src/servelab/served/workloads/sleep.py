"""Wait for a moment, once, for nobody in particular: what a quick back end makes a call do."""

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Any

SUMMARY = "wait for delay_s seconds, without any work and without a back end"
REQUIREMENTS: tuple[str, ...] = ()
SLOW_API_CALLS = 0

_MOST_S = 60.0
_CLOCKS_DIFFER_S = 0.001
"""Event loops round to the resolution of their clock, some to a whole millisecond."""


@dataclass(frozen=True)
class Parameters:
    """How long to wait."""

    delay_s: float = 0.005

    def __post_init__(self) -> None:
        if not (math.isfinite(self.delay_s) and 0 <= self.delay_s <= _MOST_S):
            raise ValueError(f"delay_s={self.delay_s:g} is not between 0 and {_MOST_S:g}")


def prepare() -> None:
    """Need nothing."""


def work(parameters: Parameters) -> dict[str, Any]:
    """Block the calling thread, which is a greenlet where gevent has patched the process."""
    began_s = time.monotonic()
    time.sleep(parameters.delay_s)
    return {"waited_s": time.monotonic() - began_s}


async def work_async(parameters: Parameters) -> dict[str, Any]:
    """Let the event loop do other things meanwhile."""
    began_s = time.monotonic()
    await asyncio.sleep(parameters.delay_s)
    return {"waited_s": time.monotonic() - began_s}


async def close() -> None:
    """Keep nothing open."""


def waiting_s(parameters: Parameters) -> float:
    """Return the delay."""
    return parameters.delay_s


def check(parameters: Parameters, result: Any) -> str | None:
    """Demand that it waited as long as it was asked to, by its own clock; longer is no mistake."""
    match result:
        case {"waited_s": float(waited_s)} if len(result) == 1:
            pass
        case _:
            return "no waited_s in the result"
    if not (math.isfinite(waited_s) and waited_s >= parameters.delay_s - _CLOCKS_DIFFER_S):
        return f"it waited {waited_s:g} s instead of {parameters.delay_s:g}"
    return None
