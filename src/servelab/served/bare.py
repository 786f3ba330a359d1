"""Do the calls of a workload without any server, in several processes at once.

Writes one JSON object: for each process the monotonic times at which its calls ended, in seconds,
and the CPU seconds that it took from the first of them to the last.
"""

import argparse
import json
import multiprocessing
import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import workloads


def work_until_told(
    name: str, texts: dict[str, str], *, seconds: float, start: Barrier, results: Connection
) -> None:
    """Repeat the work for some seconds, at least twice, from the moment all processes are ready."""
    workload = workloads.load(name)
    parameters = workloads.parse(name, texts)
    workload.prepare()
    workload.work(parameters)
    start.wait()
    workload.work(parameters)
    ended, cpu_s = [time.monotonic()], time.process_time()
    while len(ended) < 2 or ended[-1] - ended[0] < seconds:  # noqa: PLR2004 - two ends a rate needs
        workload.work(parameters)
        ended.append(time.monotonic())
    results.send({"ended_s": ended, "cpu_s": time.process_time() - cpu_s})


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
