"""Mostly quick calls, a few that compute: and who waits behind whom."""

from dataclasses import dataclass
from typing import Any

from . import Turn, cpu, hello

SUMMARY = "greet in 80 % of the calls, do the work of cpu num times in the others: who waits?"
REQUIREMENTS = cpu.REQUIREMENTS
SLOW_API_CALLS = 0

FAST, SLOW = "fast", "slow"
_CYCLE = 20
_SLOW_PLACES = frozenset({5, 6, 8, 19})
"""Of each twenty: sometimes two in a row. Dealt out in turn to 2, 4 or 5 workers no worker gets
them all: their places differ modulo 4, and but for two modulo 5."""
_GREETING = hello.Parameters()


@dataclass(frozen=True)
class Parameters(cpu.Parameters):
    """How often a slow call multiplies; a call with 0 is a fast one."""

    num: int = 100


def turns(parameters: Parameters) -> tuple[Turn, ...]:
    """Return twenty calls, four of them slow."""
    fast, slow = Turn(FAST, Parameters(num=0)), Turn(SLOW, parameters)
    return tuple(slow if place in _SLOW_PLACES else fast for place in range(_CYCLE))


def prepare() -> None:
    """Import NumPy before the first call."""
    cpu.prepare()


def work(parameters: Parameters) -> dict[str, Any]:
    """Greet or compute."""
    return cpu.work(parameters) if parameters.num else hello.work(_GREETING)


async def work_async(parameters: Parameters) -> dict[str, Any]:
    """Do the same; a slow call stops the event loop, and all the fast ones on it."""
    return work(parameters)


async def close() -> None:
    """Keep nothing open."""


def waiting_s(_parameters: Parameters) -> float:
    """Return 0: all of it is work."""
    return 0.0


def check(parameters: Parameters, result: Any) -> str | None:
    """Demand the greeting of a fast call, and of a slow one what cpu demands."""
    if parameters.num:
        return cpu.check(parameters, result)
    return hello.check(_GREETING, result)
