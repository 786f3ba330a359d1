"""How calls arrive, as it was typed; what `run` and `load` have in common."""

import os

from servelab.errors import UsageError
from servelab.model.limits import Limits, parse_memory
from servelab.model.load import ClosedLoop, Connections, Load, OpenLoop, Pacing
from servelab.model.placement import PlacementWish, parse_cpu_list

ARRIVALS = ("poisson", "constant")
AUTO = "auto"


def load_of(
    *,
    concurrency: int | None,
    default_callers: int,
    rate_per_s: float | None,
    arrivals: str | None,
    seed: int | None,
    think_time_s: float | None,
) -> Load:
    """Return an open loop where a rate was given, else a closed one; UsageError."""
    if rate_per_s is None:
        if arrivals is not None:
            raise UsageError("--arrivals is about requests at a rate; give --rate, too")
        return ClosedLoop(callers=concurrency or default_callers, think_time_s=think_time_s or 0.0)
    if think_time_s is not None:
        raise UsageError(
            "--think-time is about callers, and --rate has none; give one of the two options"
        )
    if arrivals is not None and arrivals not in ARRIVALS:
        raise UsageError(f"--arrivals {arrivals!r}: it is either {' or '.join(ARRIVALS)}")
    return OpenLoop(
        rate_per_s=rate_per_s,
        arrivals=arrivals or ARRIVALS[0],
        seed=seed or 0,
        connection_limit=concurrency,
    )


def connections_of(text: str) -> Connections:
    """Return whether each request gets a connection of its own; UsageError."""
    try:
        return Connections(text)
    except ValueError:
        raise UsageError(f"--connections {text!r}: it is either fresh or kept") from None


def pacing_of(text: str) -> Pacing:
    """Return how the generator waits; UsageError."""
    try:
        return Pacing(text)
    except ValueError:
        raise UsageError(f"--pacing {text!r}: it is either timer or spin") from None


def placement_of(*, server_cpus: str, load_cpus: str) -> PlacementWish:
    """Return where server and generator are to run; UsageError."""
    return PlacementWish(
        server_cpus=cpus_of(server_cpus, option="--server-cpus"),
        load_cpus=cpus_of(load_cpus, option="--load-cpus"),
    )


def cpus_of(text: str, *, option: str) -> tuple[int, ...] | None:
    """Return the CPUs of a list, None for ``auto``; UsageError."""
    if text == AUTO:
        return None
    try:
        return parse_cpu_list(text)
    except ValueError:
        raise UsageError(f"{option} {text!r}: write CPUs as 0-3,6, or {AUTO}") from None


def limits_of(*, cpus: float | None, memory: str | None) -> Limits | None:
    """Return what the server may use at most, None for all there is; UsageError."""
    if cpus is None and memory is None:
        return None
    return Limits(cpus=cpus, memory_bytes=None if memory is None else memory_of(memory))


def memory_of(text: str) -> int:
    """Return the bytes of an amount such as ``512m``; UsageError."""
    try:
        found = parse_memory(text)
    except ValueError:
        raise UsageError(f"--memory {text!r}: write it as 512m or 2g") from None
    if found < _LEAST_MEMORY:
        raise UsageError(f"--memory {text!r}: no server starts with less than 8m")
    return found


def generators_of(text: str, *, load_cpus: tuple[int, ...] | None = None) -> int:
    """Return the number of generator processes; UsageError.

    ``auto`` is one for each CPU of the load, and else leaves half of the CPUs to the server.
    """
    if text == AUTO:
        return len(load_cpus or ()) or max(1, len(os.sched_getaffinity(0)) // 2)
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_GENERATORS:
        raise UsageError(f"--generators {text!r}: a number from 1 to {_MOST_GENERATORS}, or {AUTO}")
    return int(text)


_MOST_GENERATORS = 64
_LEAST_MEMORY = 8 << 20
