"""Do the calls of a workload without any server, in several processes at once.

Writes one JSON list: for each process the monotonic times at which its calls ended, in seconds, how
many calls lie between two of them, and the CPU seconds from the first of them to the last.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import workloads

BATCH_S = 0.001
"""Calls shorter than that are timed several at once; the calls of a mix always are."""
MOST_CALLS = 10_000
"""At once."""


def work_until_told(
    name: str, texts: dict[str, str], *, seconds: float, start: Barrier, results: Connection
) -> None:
    """Repeat the work for some seconds, at least two times, once all processes are ready."""
    workload = workloads.load(name)
    calls = [turn.parameters for turn in workloads.turns(name, workloads.parse(name, texts))]
    work = workload.work
    workload.prepare()
    _do(work, calls)  # the first calls make connections and fill caches
    began_s = time.monotonic()
    _do(work, calls)
    batch = _batch(calls, took_s=time.monotonic() - began_s)
    start.wait()
    _do(work, batch)
    ended, cpu_s = [time.monotonic()], time.process_time()
    while len(ended) < 2 or ended[-1] - ended[0] < seconds:  # noqa: PLR2004 - two ends a rate needs
        _do(work, batch)
        ended.append(time.monotonic())
    cpu_s = time.process_time() - cpu_s
    results.send({"ended_s": ended, "calls_each": len(batch), "cpu_s": cpu_s})


def _do(work: Callable[[Any], Any], calls: list[Any]) -> None:
    for parameters in calls:
        work(parameters)


def _batch(calls: list[Any], *, took_s: float) -> list[Any]:
    """Return the calls that are timed together: all of a mix, and as many as fill `BATCH_S`."""
    return calls * max(1, round(BATCH_S / max(took_s, BATCH_S / MOST_CALLS)))


def measure(
    name: str, texts: dict[str, str], *, processes: int, seconds: float
) -> list[dict[str, Any]]:
    """Return what each of the processes reports."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(processes)
    workers, ends = [], []
    for _ in range(processes):
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(
            target=work_until_told,
            args=(name, texts),
            kwargs={"seconds": seconds, "start": start, "results": sender},
        )
        worker.start()
        sender.close()
        workers.append(worker)
        ends.append(receiver)
    reports = [end.recv() for end in ends]
    for worker in workers:
        worker.join()
    return reports


def main() -> None:
    """Read the command line, measure, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=workloads.names())
    parser.add_argument("--parameters", type=json.loads, default={})
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    reports = measure(
        options.workload,
        options.parameters,
        processes=options.processes,
        seconds=options.seconds,
    )
    options.out.write_text(json.dumps(reports))


if __name__ == "__main__":
    main()
