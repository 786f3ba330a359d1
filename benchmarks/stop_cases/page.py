"""What was seen of stopping servers, kept as it comes, and the page that tells of it."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec
from msgspec import Struct

from servelab.model.launch import GracefulStop
from servelab.report import stopping_words
from servelab.report.markdown import escape
from stop_cases import chosen
from stop_cases.trials import CALLERS, DELAY_S
from stop_cases.watchers import VICTIMS


class Stopped(Struct, frozen=True, kw_only=True, tag="stopped"):
    """A deployment was sent SIGTERM under load."""

    machine: str
    measured_on: str
    title: str
    stop: GracefulStop


class Broken(Struct, frozen=True, kw_only=True, tag="broken"):
    """A deployment lost a worker, its master, its port."""

    machine: str
    measured_on: str
    title: str
    worker_lost: int
    """Requests that failed in the load in which a worker was killed."""
    worker_then: str
    master_then: str
    busy_port: str


class Outlived(Struct, frozen=True, kw_only=True, tag="outlived"):
    """How long a server outlived those who watch over it."""

    machine: str
    measured_on: str
    victims: tuple[str, ...]
    title: str
    seconds: float


Sight = Stopped | Broken | Outlived
_Titled = TypeVar("_Titled", Stopped, Broken)


def read(journal: Path) -> tuple[Sight, ...]:
    """Return what the journal holds."""
    if not journal.exists():
        return ()
    return tuple(
        msgspec.json.decode(line, type=Sight) for line in journal.read_bytes().splitlines()
    )


def append(journal: Path, sight: Sight) -> None:
    """Keep it on the disk."""
    journal.parent.mkdir(exist_ok=True)
    with journal.open("ab") as file:
        file.write(msgspec.json.encode(sight) + b"\n")
        os.fsync(file.fileno())


def render(sights: Sequence[Sight]) -> str:
    """Return the page."""
    return "\n".join(
        [
            "# Results: stopping",
            "",
            _conditions(sights),
            "",
            *_stopped(_sorted([each for each in sights if isinstance(each, Stopped)])),
            "",
            *_broken(_sorted([each for each in sights if isinstance(each, Broken)])),
            "",
            *_outlived([each for each in sights if isinstance(each, Outlived)]),
            "",
        ]
    )


def _sorted(sights: "Sequence[_Titled]") -> "Sequence[_Titled]":
    """Return them in the catalogue's order; what it no longer holds comes first."""
    order = [deployment.title for deployment in chosen.deployments()]
    return sorted(sights, key=lambda each: order.index(each.title) if each.title in order else -1)


def _conditions(sights: Sequence[Sight]) -> str:
    return (
        "Measured by `benchmarks/stopping.py` with every deployment of the catalogue, under "
        f"{CALLERS} callers, each waiting for its answer, and the workload `io` with a slow API "
        f"of {DELAY_S:g} s; a new connection for each request, gRPC on kept ones. "
        f"{_origin(sights)}"
    )


def _origin(sights: Sequence[Sight]) -> str:
    machines = " and on ".join(dict.fromkeys(each.machine for each in sights))
    days = sorted({each.measured_on for each in sights})
    return f"On {machines}, {' to '.join(dict.fromkeys([days[0], days[-1]]))}."


def _stopped(sights: Sequence[Stopped]) -> Iterable[str]:
    yield "## SIGTERM under load"
    yield ""
    yield (
        "What `servelab run --stop-under-load` shows, once for each deployment: how many of the "
        "requests in flight were answered, and how long the server took to go. In flight is what "
        "had no answer yet when SIGTERM was sent, waiting in the listener's queue included; in "
        "work is what the application had begun. Later are requests that were sent afterwards, "
        "while the server went. Nothing here was killed unless it says so: each had "
        f"{sights[0].stop.grace_s:g} s."
    )
    yield ""
    yield (
        "| deployment | in flight | in work | answered | lost | later | last answer after s "
        "| gone after s | how |"
    )
    yield "|---|--:|--:|--:|---|---|--:|--:|---|"
    for sight in sights:
        stop = sight.stop
        last = "-" if stop.last_answer_s is None else f"{stop.last_answer_s:.2f}"
        how = "killed" if stop.was_killed else f"exit code {stop.exit_code}"
        yield (
            f"| {escape(sight.title)} | {stop.in_flight} | {stop.in_work} | {stop.answered} "
            f"| {stopping_words.classes(stop.lost) or 'none'} "
            f"| {stopping_words.classes(stop.later) or 'none'} "
            f"| {last} | {stop.seconds:.2f} | {how} |"
        )


def _broken(sights: Sequence[Broken]) -> Iterable[str]:
    yield "## A worker, the master, the port"
    yield ""
    yield (
        "A worker that had answered calls is sent SIGKILL under load: how many requests that "
        "cost, and who answered then. The first process alone is sent SIGKILL under load: whether "
        "its workers ended with it, within a second. The server is started, by its own means, on a "
        "port that another program listens on (servelab itself refuses before it starts anything). "
        "After each of these, and after the stops above, no process, listener or note was left: "
        "`tests/live/test_stopping.py` demands it."
    )
    yield ""
    yield "| deployment | worker killed: lost | and then | master killed | port taken |"
    yield "|---|--:|---|---|---|"
    for sight in sights:
        yield (
            f"| {escape(sight.title)} | {sight.worker_lost} | {sight.worker_then} "
            f"| {sight.master_then} | {sight.busy_port} |"
        )


def _outlived(sights: Sequence[Outlived]) -> Iterable[str]:
    yield "## Who watches over a server is killed"
    yield ""
    yield (
        "servelab, the generator, the supervisor and its guard are sent SIGKILL under load, alone "
        "or at once: seconds until every process of the server was gone and its port closed. At "
        "most 1 s is demanded."
    )
    yield ""
    yield "| killed | times | median s | longest s |"
    yield "|---|--:|--:|--:|"
    for victims in VICTIMS:
        seconds = [each.seconds for each in sights if each.victims == victims]
        if seconds:
            yield (
                f"| {' and '.join(victims)} | {len(seconds)} | {median(seconds):.3f} "
                f"| {max(seconds):.3f} |"
            )
    yield ""
    yield (
        f"Servers: {', '.join(dict.fromkeys(each.title for each in sights))}. Where servelab, "
        "supervisor and guard are killed at once, or the power fails, workers may go on: the next "
        "run says so, and `servelab leftovers --remove` ends them."
    )
