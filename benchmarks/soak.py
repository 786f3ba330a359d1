#!/usr/bin/env python3
"""Mixed faults at random from a seed, for a long time: nothing may be lost, and nothing may grow.

    .venv/bin/python benchmarks/soak.py [--minutes 15] [--seed 1]

Two loads, over HTTP and over gRPC, go on all the time, against servers which do with each request
what its number foretells. Beside them, servers start that end at once, never listen, flood their
output, leave processes behind or ignore signals. Status 1 where a request is unaccounted for, where
memory grew, or where something was left.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the faulty servers are the tests'

from servelab.linux import ports
from servelab.model.address import LOOPBACK, Address
from servelab.model.load import Protocol
from soaking.growth import Looks
from soaking.loads import Load, complaints_about
from soaking.starts import STARTS, start_and_stop
from soaking.turns import TURNS, serve


def soak(*, minutes: float, seed: int) -> list[str]:
    """Return all that was not as it should be."""
    complaints: list[str] = []
    chance = random.Random(seed)  # noqa: S311 - no secret
    with (
        TemporaryDirectory(prefix="servelab-soak-") as scratch,
        server_of(Protocol.HTTP, seed=seed) as http_server,
        server_of(Protocol.GRPC, seed=seed) as grpc_server,
    ):
        servers = {Protocol.HTTP: http_server, Protocol.GRPC: grpc_server}
        folder = Path(scratch)
        loads = [
            Load(protocol, port=int(_line(process)), seconds=60 * minutes, folder=folder)
            for protocol, process in servers.items()
        ]
        looks, starts = Looks(), Counter[str]()
        for load in loads:
            load.start()
        until_s = time.monotonic() + 60 * minutes - 1
        while time.monotonic() < until_s:
            start = chance.choice(STARTS)
            address = Address(LOOPBACK, ports.next_free_port(27_000 + chance.randrange(1000)))
            complaints += start_and_stop(start, address=address, folder=folder)
            starts[start.fault] += 1
            looks.look()
        for load in loads:
            load.join()
        for load in loads:
            process = servers[load.protocol]
            received = json.loads(_told(process))
            complaints += complaints_about(load, received=received, seed=seed)
    print(f"servers started and stopped: {dict(sorted(starts.items()))}")
    return [*complaints, *looks.complaints()]


@contextmanager
def server_of(protocol: Protocol, *, seed: int) -> Iterator["subprocess.Popen[str]"]:
    """Run a server of mixed faults as a process of its own."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve", protocol.value, "--seed", str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _line(process: "subprocess.Popen[str]") -> str:
    return process.stdout.readline() if process.stdout else ""


def _told(process: "subprocess.Popen[str]") -> str:
    """Return what a server says once its input ends."""
    told, _ = process.communicate()
    return told


def main() -> int:
    """Soak, or serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", choices=[protocol.value for protocol in TURNS])
    asked = parser.parse_args()
    if asked.serve is not None:
        serve(Protocol(asked.serve), seed=asked.seed)
        return 0
    complaints = soak(minutes=asked.minutes, seed=asked.seed)
    for complaint in complaints:
        print(f"! {complaint}")
    print("something is wrong" if complaints else "nothing lost, nothing grew")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
