"""A load on a server of mixed faults, and what its records must be."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from servelab.load.generator import generate, read_records
from servelab.model.address import LOOPBACK, Address
from servelab.model.load import ClosedLoop, Connections, LoadPlan, LoadResult, Protocol, Request
from servelab.model.outcome import Outcome
from soaking.turns import TURNS, turn_of

CALLERS = 6
THINK_TIME_S = 0.005
TIMEOUT_S = 2.0
LATE_LIMIT = 0.001
"""Share of the answers that may come too late on a busy machine."""
UNSEEN_LIMIT = 0.001
MET_THE_END = {Outcome.RESET.label, Outcome.CLOSED_EARLY.label}


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
    """Hold a load's records against what each number foretold, and against what the server saw.

    A request may meet the end of a connection that the server has just closed without a word: then
    it is reset or closed early, and the server never sees it.
    """
    result = load.join()
    records = read_records(result.records)
    name = load.protocol.value
    ended = dict(zip(records.sequence.tolist(), records.outcome.tolist(), strict=True))
    if sorted(ended) != list(range(result.scheduled)) or len(records) != result.scheduled:
        yield f"{name}: {result.scheduled} scheduled, {len(ended)} recorded"
    if len(set(received)) != len(received) or not ended.keys() >= set(received):
        yield f"{name}: the server received some requests twice, or some that were not sent"
    otherwise: Counter[str] = Counter()
    for number in received:
        foretold = turn_of(number, seed=seed, turns=TURNS[load.protocol]).ends
        if ended[number] != foretold:
            otherwise[f"{foretold.label} -> {Outcome(ended[number]).label}"] += 1
    unseen = Counter(Outcome(ended[number]).label for number in ended.keys() - set(received))
    late = sum(count for change, count in otherwise.items() if change.endswith("-> timeout"))
    print(
        f"{name}: {len(ended)} requests, {len(received)} received, {late} late, {result.outcomes}"
    )
    if sum(otherwise.values()) > late or late > LATE_LIMIT * result.scheduled:
        yield f"{name}: not as foretold: {dict(otherwise)}"
    if set(unseen) - MET_THE_END or sum(unseen.values()) > UNSEEN_LIMIT * result.scheduled:
        yield f"{name}: the server never saw {dict(unseen)}"
