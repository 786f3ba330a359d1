"""A load on a server of mixed faults, and what its records must be."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from servelab.load.generator import generate, read_records
from servelab.model.address import LOOPBACK, Address
from servelab.model.load import ClosedLoop, Connections, LoadPlan, LoadResult, Protocol, Request
from servelab.model.outcome import Outcome
from soaking.turns import TURNS, Turn, turn_of

CALLERS = 6
THINK_TIME_S = 0.005
TIMEOUT_S = 2.0
LATE_LIMIT = 0.001
"""Share of the answers that may come too late on a busy machine."""
MET_THE_END = {Outcome.RESET, Outcome.CLOSED_EARLY}


class Load:
    """A load that goes on in a thread."""

    def __init__(self, protocol: Protocol, *, port: int, seconds: float, folder: Path) -> None:
        self.protocol = protocol
        self.result: LoadResult | None = None
        self._error: BaseException | None = None
        self._plan = LoadPlan(
            target=Address(LOOPBACK, port),
            protocol=protocol,
            request=Request(path="/s/m"),
            check="servelab.load.answers:echoed_nonce",
            load=ClosedLoop(callers=CALLERS, think_time_s=THINK_TIME_S),
            duration_s=seconds,
            connections=Connections.KEPT,
            channels=CALLERS,
            timeout_s=TIMEOUT_S,
        )
        self._records = folder / f"{protocol.value}.parquet"
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> LoadResult:
        """Return its result once it is over."""
        self._thread.join()
        if self._error is not None or self.result is None:
            raise RuntimeError(f"the load over {self.protocol.value} failed") from self._error
        return self.result

    def _run(self) -> None:
        try:
            self.result = generate(self._plan, records=self._records)
        except BaseException as error:  # noqa: BLE001 - raised again where it is joined
            self._error = error


def complaints_about(load: Load, *, received: Sequence[int], seed: int) -> Iterator[str]:
    """Hold a load's records against what each number foretold, and against what the server saw."""
    result = load.join()
    records = read_records(result.records)
    ended = {
        number: End(Outcome(outcome), connection, lasted_s)
        for number, outcome, connection, lasted_s in zip(
            records.sequence.tolist(),
            records.outcome.tolist(),
            records.connection.tolist(),
            records.response_time_s.tolist(),
            strict=True,
        )
    }
    name = load.protocol.value
    if sorted(ended) != list(range(result.scheduled)) or len(records) != result.scheduled:
        yield f"{name}: {result.scheduled} scheduled, {len(ended)} recorded"
    if len(set(received)) != len(received) or not ended.keys() >= set(received):
        yield f"{name}: the server received some requests twice, or some that were not sent"
    foretold = {number: turn_of(number, seed=seed, turns=TURNS[load.protocol]) for number in ended}
    books = Books(ended=ended, received=frozenset(received), foretold=foretold)
    late = sum(1 for _ in books.late())
    print(
        f"{name}: {len(ended)} requests, {len(received)} received, {late} late, "
        f"{sum(1 for _ in books.unseen())} never seen, {result.outcomes}"
    )
    for complaint in books.complaints(idle_closes=result.idle_closes):
        yield f"{name}: {complaint}"
    if late > LATE_LIMIT * result.scheduled:
        yield f"{name}: {late} answers came after the deadline: this machine is too busy"


class End(NamedTuple):
    """How a request ended."""

    outcome: Outcome
    connection: int
    lasted_s: float


class Books:
    """A load's requests by their numbers: how they ended, and how they were to end."""

    def __init__(
        self,
        *,
        ended: Mapping[int, End],
        received: frozenset[int],
        foretold: Mapping[int, Turn],
    ) -> None:
        self._ended = ended
        self._received = received
        self._foretold = foretold
        self._before = _predecessors(ended)
        self._followed = frozenset(self._before.values())

    def complaints(self, *, idle_closes: int) -> Iterator[str]:
        """Yield all that contradicts; no share of anything is allowed for."""
        for number in self._received:
            end, foretold = self._ended[number], self._foretold[number].ends
            if end.outcome not in {foretold, Outcome.TIMEOUT}:
                yield f"{number} ended with {end.outcome.label} instead of {foretold.label}"
        for number, end in self._ended.items():
            if end.outcome is Outcome.TIMEOUT and end.lasted_s < TIMEOUT_S:
                yield f"{number} is a timeout after only {end.lasted_s:.3f} s"
        for number in self.unseen():
            if not self._met_a_silent_close(number):
                label = self._ended[number].outcome.label
                yield f"{number} ended with {label}, and the server never saw it"
        yield from self._complaints_about_closes(idle_closes)

    def late(self) -> Iterator[int]:
        """Yield the requests that were answered after the deadline."""
        for number in self._received:
            is_timeout = self._ended[number].outcome is Outcome.TIMEOUT
            if is_timeout and self._foretold[number].ends is not Outcome.TIMEOUT:
                yield number

    def unseen(self) -> Iterable[int]:
        """Return the requests that never reached the server."""
        return self._ended.keys() - self._received

    def _met_a_silent_close(self, number: int) -> bool:
        """Tell whether the server had closed the connection, and said nothing of it before.

        Such a request meets the end on its way. It is the last on its connection, and the one
        before it is the one after which the server closes.
        """
        before = self._before.get(number)
        return (
            self._ended[number].outcome in MET_THE_END
            and number not in self._followed
            and before in self._received
            and self._foretold[before].closes_silently
        )

    def _complaints_about_closes(self, idle_closes: int) -> Iterator[str]:
        """Hold the silent closes against those that were noticed, idle or by a lost request.

        What is closed after the last request of a caller, nobody waits to see.
        """
        closed = sum(
            self._foretold[number].closes_silently
            for number in self._received
            if self._ended[number].outcome is Outcome.OK
        )
        noticed = idle_closes + sum(map(self._met_a_silent_close, self.unseen()))
        if not closed - CALLERS <= noticed <= closed:
            yield f"{closed} connections were closed silently, {noticed} of that noticed"


def _predecessors(ended: Mapping[int, End]) -> dict[int, int]:
    """Return for each request the one before it on its connection."""
    latest: dict[int, int] = {}
    before = {}
    for number in sorted(ended):
        connection = ended[number].connection
        if connection in latest:
            before[number] = latest[connection]
        latest[connection] = number
    return before
