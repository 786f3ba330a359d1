#!/usr/bin/env python3
"""Stop every server of the catalogue in every way, and kill those who watch over it.

    .venv/bin/python benchmarks/stopping.py [stopped|broken|outlived|page]... [--times N]

Without a word it does all, in about twenty minutes; what the journal already holds is not done
again. Writes docs/results/stopping.md. Status 1 where a server outlived its watchers by more than
a second.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from servelab.host import facts
from servelab.measure.attempt import Attempt
from servelab.model.deployment import Deployment
from stop_cases import chosen, page, watchers
from stop_cases.trials import Case, WorkerKill, kill_master

ROOT = Path(__file__).resolve().parent.parent
JOURNAL = ROOT / "benchmarks" / "measured" / "stopping.jsonl"
PAGE = ROOT / "docs" / "results" / "stopping.md"
PARTS = ("stopped", "broken", "outlived", "page")
WATCHED = ("sync-gunicorn:processes=2,threads=8", "async-fastapi:processes=2")
_DEMANDED_S = 1.0


def main() -> int:
    """Do what was asked; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to do; all")
    parser.add_argument("--times", type=int, default=5, help="kills of each kind and server")
    asked = parser.parse_args()
    parts = asked.parts or PARTS
    if "stopped" in parts:
        for deployment in _missing(page.Stopped):
            _keep_stop(deployment)
    if "broken" in parts:
        for deployment in _missing(page.Broken):
            _keep_breaks(deployment)
    if "outlived" in parts:
        _keep_kills(asked.times)
    seen = page.read(JOURNAL)
    PAGE.write_text(page.render(seen), encoding="utf-8")
    outlived = [each for each in seen if isinstance(each, page.Outlived)]
    return int(any(each.seconds > _DEMANDED_S for each in outlived))


def _missing(kind: type[page.Stopped | page.Broken]) -> Iterator[Deployment]:
    known = {each.title for each in page.read(JOURNAL) if isinstance(each, kind)}
    for deployment in chosen.deployments():
        if deployment.title not in known:
            print(f"{kind.__name__.lower()}: {deployment.title}", flush=True)
            yield deployment


def _keep_stop(deployment: Deployment) -> None:
    with _case(deployment) as case:
        attempt = case.attempt(stops_under_load=True)
    if attempt.graceful_stop is None:
        sys.exit(f"{deployment.name} was not stopped: {attempt.reason}")
    page.append(
        JOURNAL,
        page.Stopped(
            machine=_machine(),
            measured_on=_today(),
            title=deployment.title,
            stop=attempt.graceful_stop,
        ),
    )


def _keep_breaks(deployment: Deployment) -> None:
    with _case(deployment) as case:
        kill = WorkerKill(case.world.read_counts)
        bereft = case.attempt(kill)
        # Its records are read from the folder when they are asked for.
        worker_lost, worker_then = kill.lost(bereft), kill.aftermath(bereft)
    with _case(deployment) as case:
        headless = case.attempt(kill_master)
    with _case(deployment) as case:
        busy_port = case.start_on_busy_port()
    page.append(
        JOURNAL,
        page.Broken(
            machine=_machine(),
            measured_on=_today(),
            title=deployment.title,
            worker_lost=worker_lost,
            worker_then=worker_then,
            master_then=_after_master(headless),
            busy_port=busy_port,
        ),
    )


def _after_master(attempt: Attempt) -> str:
    if attempt.stop is None or attempt.load is None:
        sys.exit(f"the server was not loaded: {attempt.reason}; do it again")
    if attempt.stop.was_killed:
        return "workers went on until servelab killed them"
    return "nothing was left"


def _keep_kills(times: int) -> None:
    for name in WATCHED:
        for victims in watchers.VICTIMS:
            done = [
                each
                for each in page.read(JOURNAL)
                if isinstance(each, page.Outlived) and (each.title, each.victims) == (name, victims)
            ]
            for _ in range(times - len(done)):
                with tempfile.TemporaryDirectory() as folder:
                    seconds = watchers.outlived_s(victims, deployment=name, folder=Path(folder))
                print(f"{name} without {' and '.join(victims)}: {seconds:.3f} s", flush=True)
                page.append(
                    JOURNAL,
                    page.Outlived(
                        machine=_machine(),
                        measured_on=_today(),
                        victims=victims,
                        title=name,
                        seconds=seconds,
                    ),
                )


@contextmanager
def _case(deployment: Deployment) -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        yield Case(deployment=deployment, folder=Path(folder))


def _machine() -> str:
    host = facts.read()
    return (
        f"{host.cpu_model}, {host.cpus_allowed:g} of {host.cpus} CPUs, Linux {host.kernel}, "
        f"CPython {platform.python_version()}"
    )


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


if __name__ == "__main__":
    sys.exit(main())
