"""What every test of a fault has: a marked world in which nothing may be left behind."""

import dataclasses
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from servelab import catalogue
from servelab.environment.interpreters import own_interpreter
from servelab.host import facts
from servelab.linux import ports, procfs, sockets
from servelab.load.generator import Records, read_records
from servelab.measure import attempt
from servelab.measure.ceiling import Ceilings
from servelab.measure.trial import TrialMeasurer
from servelab.model.load import ClosedLoop, Connections, Load
from servelab.model.outcome import Outcome
from servelab.model.progress import Event
from servelab.model.trial import Trial, TrialSpec
from servelab.store import folder as stored
from tests.faults import world

DEADLINE_S = 60.0
MARK = "LC_SERVELAB_TEST"
"""Every process of a test inherits it: the server's environment has few others."""

_ports = itertools.count(25_000 + os.getpid() % 100 * 20)
_given: set[int] = set()
_folders = itertools.count()


@pytest.fixture(autouse=True)
def _nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """See to it that no process, no listener and no open file is left."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setenv(MARK, mark)
    files, listeners = open_files(), own_listeners()
    yield
    assert eventually(lambda: not marked(mark), within_s=10), marked(mark)
    assert eventually(lambda: open_files() <= files, within_s=10)
    assert own_listeners() <= listeners


def marked(mark: str) -> list[int]:
    """List the processes of a test but for its own."""
    found = procfs.tagged(MARK, value=mark)
    return [stat.pid for stat in found if stat.pid != os.getpid()]


def open_files() -> int:
    return len(procfs.names_in("/proc/self/fd"))


def own_listeners() -> frozenset[int]:
    """Return the listeners of this process, and all on the ports that were given to servers."""
    own = sockets.socket_inodes((os.getpid(),))
    return frozenset(
        each.inode for each in sockets.listeners() if each.inode in own or each.port in _given
    )


def eventually(condition: Callable[[], bool], *, within_s: float = DEADLINE_S) -> bool:
    """Tell whether the condition comes true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def port() -> int:
    chosen = ports.next_free_port(next(_ports))
    _given.add(chosen)
    return chosen


class Books(Struct, frozen=True):
    """What the faulty server says of itself; calls by their numbers."""

    received: frozenset[int]
    answered: frozenset[int]

    @classmethod
    def read(cls, path: Path) -> "Books":
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        assert len({tuple(line) for line in lines}) == len(lines)  # nothing came twice
        return cls(
            received=frozenset(int(nonce) for word, nonce in lines if word == "R"),
            answered=frozenset(int(nonce) for word, nonce in lines if word == "A"),
        )


class Made(Struct, frozen=True):
    """A trial with both sides' books."""

    trial: Trial
    records: Records | None
    books: Books

    def numbers(self, *kinds: Outcome) -> frozenset[int]:
        """Return the numbers of the requests that ended so."""
        if self.records is None:
            return frozenset()
        chosen = [int(kind) for kind in kinds]
        return frozenset(
            int(number)
            for number, outcome in zip(self.records.sequence, self.records.outcome, strict=True)
            if outcome in chosen
        )

    def require_equal_books(self, *unanswered: Outcome) -> None:
        """Demand that what was answered is ok, and what was not is one of these.

        Where servelab ended the load, an answer may have been on its way to an abandoned request.
        """
        assert self.trial.audit_errors == []
        ended_by_us = frozenset({Outcome.ABANDONED} & {*unanswered})
        assert self.numbers(Outcome.OK) == self.books.answered - self.numbers(*ended_by_us)
        assert self.trial.ledger["ok"] == len(self.numbers(Outcome.OK))
        assert self.books.received - self.books.answered <= self.numbers(*unanswered)
        ledger = self.trial.ledger
        classes = [count for name, count in ledger.items() if name not in {"scheduled", "sent"}]
        assert sum(classes) == ledger["scheduled"]


Measure = Callable[..., Made]


@pytest.fixture
def measurer() -> TrialMeasurer:
    """Return what makes trials in the real world."""
    return TrialMeasurer(world.quick())


def in_another_world(measurer: TrialMeasurer, **changes: Any) -> TrialMeasurer:
    """Return a measurer to which the world looks different."""
    return TrialMeasurer(dataclasses.replace(measurer._machinery, **changes))


@pytest.fixture
def measure(
    measurer: TrialMeasurer, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Measure]:
    """Return a function that measures the faulty server for real: (trial, records, books)."""
    monkeypatch.setattr(Ceilings, "_measured", world.known_ceiling)
    monkeypatch.setattr(attempt, "READY_TIMEOUT_S", DEADLINE_S)

    def call(
        fault: str,
        *,
        workers: int = 1,
        load: Load | None = None,
        requests: int | None = None,
        duration_s: float | None = None,
        connections: Connections = Connections.FRESH,
        timeout_s: float = DEADLINE_S,
        observe: Callable[[Event], None] = lambda _event: None,
        measurer: TrialMeasurer = measurer,
    ) -> Made:
        (deployment,) = catalogue.find_deployments(world.name_of(fault, workers=workers))
        spec = TrialSpec(
            deployment=deployment,
            workload="cpu",
            parameters=(("num", world.WORK),),
            load=load or ClosedLoop(callers=4, think_time_s=0.01),
            requests=requests,
            duration_s=duration_s,
            connections=connections,
            timeout_s=timeout_s,
            port=port,
            interpreter=own_interpreter(),
        )
        folder = new_folder(tmp_path)
        trial = measurer.measure(spec, folder=folder, observe=observe)
        records = folder.records_file(spec.id)
        return Made(
            trial,
            read_records(records) if records.exists() else None,
            Books.read(folder.path / "logs" / f"{spec.id}.books"),
        )

    with world.in_the_catalogue():
        yield call


def new_folder(below: Path) -> stored.RunFolder:
    """Make a results folder."""
    run = stored.RunFacts(
        servelab="0", started_at="2026-01-01T00:00:00Z", arguments=[], host=facts.read()
    )
    path = below / f"results-{next(_folders)}"
    return stored.create(path, name="faults", facts=run, now=datetime.now(UTC))


def kinds(trial: Trial) -> Sequence[str]:
    """Return the kinds of a trial's warnings."""
    return [warning.kind for warning in trial.warnings]
