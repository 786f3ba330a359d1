#!/usr/bin/env python3
"""How soon servelab notices what goes wrong: the figures behind the deadlines of the tests.

    .venv/bin/python benchmarks/reactions.py [--times 20]

Writes benchmarks/measured/reactions.json, from which docs/faults.md is made. Status 1 where one of
them takes longer than a second.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the faulty servers are the tests'

from tests.faults import matrix

from servelab.errors import ServerExited
from servelab.launch.server import RunningServer, launched
from servelab.linux import ports, procfs, sockets
from servelab.load.generator import generate
from servelab.model.address import LOOPBACK, Address
from servelab.model.launch import LaunchCommand
from servelab.model.load import ClosedLoop, LoadPlan, Protocol, Request

ROOT = matrix.ROOT
FAULTY = ROOT / "tests" / "launch" / "faulty"
STORED = ROOT / "benchmarks" / "measured" / "reactions.json"
LIMIT_S = 1.0
FIRST_PORT = 28_000
PATIENCE_S = 30.0


def exit_at_start(folder: Path) -> float:
    """Return the seconds from a server's last act to the error that tells of it."""
    with _running(folder, "exits") as server:
        try:
            server.wait_ready(lambda: "never", timeout_s=PATIENCE_S)
        except ServerExited:
            return time.time() - server.log.stat().st_mtime
    raise AssertionError


def crash_under_load(folder: Path) -> float:
    """Return the seconds from the kill of a server under load to the end of the load."""
    killed_s = 0.0
    with _running(folder, "healthy") as server:
        assert server.address is not None  # noqa: S101 - it was given one
        server.wait_ready(lambda: None, timeout_s=PATIENCE_S)
        began_s = time.monotonic()

        def should_stop() -> str | None:
            nonlocal killed_s
            if not killed_s and time.monotonic() > began_s + 0.5:
                killed_s = time.monotonic()
                os.kill(server.pid, signal.SIGKILL)
            return None if server.is_alive() else "it has ended"

        plan = LoadPlan(
            target=server.address,
            protocol=Protocol.HTTP,
            request=Request(path="/"),
            check="servelab.load.answers:any_answer",
            load=ClosedLoop(callers=2, think_time_s=0.01),
            duration_s=PATIENCE_S,
        )
        generate(plan, records=folder / "records.parquet", should_stop=should_stop)
        return time.monotonic() - killed_s


def servelab_killed(folder: Path) -> float:
    """Return the seconds from SIGKILL of servelab until its server and its listener are gone."""
    port = ports.next_free_port(FIRST_PORT)
    with subprocess.Popen(
        [sys.executable, str(FAULTY / "driver.py"), "workers", str(port), str(folder / "log")],
        stdout=subprocess.PIPE,
    ) as driver:
        assert driver.stdout is not None  # noqa: S101 - it was made a pipe
        tree = [int(pid) for pid in driver.stdout.readline().split()]
        driver.kill()
        killed_s = time.monotonic()
        while any(map(_is_alive, tree)) or sockets.listeners(port=port):
            time.sleep(0.001)
        return time.monotonic() - killed_s


REACTIONS: dict[str, Callable[[Path], float]] = {
    "the server ends at its start, until the error that says so": exit_at_start,
    "the server is killed under load, until the load has ended": crash_under_load,
    "servelab is killed, until server, workers and listener are gone": servelab_killed,
}


def _running(folder: Path, fault: str) -> "contextlib.AbstractContextManager[RunningServer]":
    port = ports.next_free_port(FIRST_PORT)
    return launched(
        LaunchCommand(argv=(sys.executable, "-S", str(FAULTY / "server.py"), fault, str(port))),
        programs=None,
        directory=folder,
        log=folder / "server.log",
        address=Address(LOOPBACK, port),
    )


def _is_alive(pid: int) -> bool:
    stat = procfs.read_stat(pid)
    return stat is not None and stat.is_alive


def main() -> int:
    """Measure, store, renew the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    times = parser.parse_args().times
    found = []
    for what, measure in REACTIONS.items():
        seconds = []
        for _ in range(times):
            with TemporaryDirectory(prefix="servelab-") as folder:
                seconds.append(measure(Path(folder)))
        found.append({"what": what, "median_s": median(seconds), "max_s": max(seconds),
                      "times": times})  # fmt: skip
        print(f"{what}: {median(seconds):.3f} s, at most {max(seconds):.3f} s in {times}")
    STORED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    matrix.PAGE.write_text(matrix.page(), encoding="utf-8")
    return int(any(each["max_s"] > LIMIT_S for each in found))


if __name__ == "__main__":
    sys.exit(main())
