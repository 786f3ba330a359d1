"""Ask a slow back-end API ten times at once: all waiting, little work."""

import asyncio
import functools
import json
import math
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from . import SLOW_API_VARIABLE

if TYPE_CHECKING:
    import aiohttp
    import urllib3

SUMMARY = "make 10 concurrent calls to a slow API that answers each after delay_s seconds"
REQUIREMENTS = ("aiohttp", "urllib3")

SLOW_API_CALLS = 10
_MOST_S = 60.0
_IDLE_CONNECTIONS = 4096
_OK = 200


@dataclass(frozen=True)
class Parameters:
    """How long the slow API takes."""

    delay_s: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.delay_s) and 0 <= self.delay_s <= _MOST_S):
            raise ValueError(f"delay_s={self.delay_s:g} is not between 0 and {_MOST_S:g}")


def prepare() -> None:
    """Import both HTTP clients before the first call."""
    import aiohttp  # noqa: F401 - the measuring side reads this module without them
    import urllib3  # noqa: F401


def work(parameters: Parameters) -> dict[str, Any]:
    """Call from ten threads, which are greenlets where gevent has patched the process."""
    with ThreadPoolExecutor(SLOW_API_CALLS) as callers:
        return _result(callers.map(_call, [_url(parameters)] * SLOW_API_CALLS))


async def work_async(parameters: Parameters) -> dict[str, Any]:
    """Call from ten tasks."""
    session, url = _session(), _url(parameters)
    calls = (_call_async(session, url) for _ in range(SLOW_API_CALLS))
    return _result(await asyncio.gather(*calls))


async def close() -> None:
    """Close the running event loop's connections to the slow API."""
    session = _sessions.pop(asyncio.get_running_loop(), None)
    if session is not None:
        await session.close()


def waiting_s(parameters: Parameters) -> float:
    """Return the delay: the calls wait for it side by side."""
    return parameters.delay_s


def check(parameters: Parameters, result: Any) -> str | None:
    """Demand ten different answers, each of the delay that was asked for."""
    match result:
        case {"answers": [*answers]}:
            pass
        case _:
            return "no list of answers in the result"
    if len(answers) != SLOW_API_CALLS:
        return f"{len(answers)} answers of the slow API instead of {SLOW_API_CALLS}"
    numbers = set()
    for answer in answers:
        match answer:
            case {"delay_s": parameters.delay_s, "number": int(number)}:
                numbers.add(number)
            case _:
                return f"the slow API answered {answer!r}"
    if len(numbers) != SLOW_API_CALLS:
        return f"only {len(numbers)} different answers of the slow API"
    return None


def _url(parameters: Parameters) -> str:
    return f"{os.environ[SLOW_API_VARIABLE]}/?delay={parameters.delay_s!r}"


def _result(answers: Iterable[Any]) -> dict[str, Any]:
    return {"answers": list(answers)}


def _call(url: str) -> Any:
    response = _connections().request("GET", url, retries=False)
    return _content(response.status, response.data)


async def _call_async(session: "aiohttp.ClientSession", url: str) -> Any:
    async with session.get(url) as response:
        return _content(response.status, await response.read())


def _content(status: int, body: bytes) -> Any:
    if status != _OK:
        raise RuntimeError(f"the slow API answered status {status}: {body[:200]!r}")
    return json.loads(body)


@functools.cache
def _connections() -> "urllib3.PoolManager":
    """Keep as many idle connections as the server's threads can use at once, ten each."""
    import urllib3

    return urllib3.PoolManager(maxsize=_IDLE_CONNECTIONS, timeout=None)


def _session() -> "aiohttp.ClientSession":
    import aiohttp

    loop = asyncio.get_running_loop()
    if loop not in _sessions:
        connector = aiohttp.TCPConnector(limit=0)
        _sessions[loop] = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None)
        )
    return _sessions[loop]


_sessions: "WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession]" = (
    WeakKeyDictionary()
)
