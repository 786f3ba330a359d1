"""Calls by grpc.aio in a closed loop: ADDRESS PATH CHANNELS CALLS SECONDS; prints JSON.

It runs in the environment of ``peers.py``. No protobuf library: the bytes are ready, as in the
other generators. Each answer must be the message that was sent.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import grpc.aio

_numbers = count()


async def call_until(end_s: float, call: Callable[[bytes], Any], ended: list[bool]) -> None:
    """Call again and again until a moment; note whether each answer was right."""
    while time.monotonic() < end_s:
        message = b"\x0a\x10%016d" % next(_numbers)
        try:
            ended.append(await call(message) == message)
        except grpc.aio.AioRpcError:
            ended.append(False)


def cpu_s() -> float:
    """Return this process's user and system time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main(address: str, path: str, channels: int, calls: int, seconds: float) -> None:
    """Open the channels, call, and say what it cost."""
    # Without a pool of its own, channels to one address share one connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    opened = [grpc.aio.insecure_channel(address, options=options) for _ in range(channels)]
    ended: list[bool] = []
    before_s, started_s = cpu_s(), time.monotonic()
    end_s = started_s + seconds
    await asyncio.gather(
        *(
            call_until(end_s, channel.unary_unary(path), ended)
            for channel in opened
            for _ in range(calls)
        )
    )
    told = {
        "ok": sum(ended),
        "failed": len(ended) - sum(ended),
        "cpu_s": cpu_s() - before_s,
        "wall_s": time.monotonic() - started_s,
    }
    for channel in opened:
        await channel.close()
    print(json.dumps(told))


if __name__ == "__main__":
    _, address, path, channels, calls, seconds = sys.argv
    asyncio.run(main(address, path, int(channels), int(calls), float(seconds)))
