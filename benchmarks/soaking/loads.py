"""A load on a server of mixed faults, and what its records must be."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
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
"""Right answers that may come too late on a busy machine."""


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


def complaints_about(load: Load, *, told: Mapping[str, object], seed: int) -> Iterator[str]:
    """Hold a load's records against what each number foretold, and against the server's books."""
    result = load.join()
    records = read_records(result.records)
    name = load.protocol.value
    numbers = sorted(int(number) for number in records.sequence)
    if numbers != list(range(result.scheduled)):
        yield f"{name}: {result.scheduled} scheduled, {len(numbers)} recorded"
    if not told["received"] == told["distinct"] == result.scheduled:
        yield f"{name}: {result.scheduled} sent, the server received {told['received']}"
    otherwise: Counter[str] = Counter()
    late = 0
    for number, outcome in zip(records.sequence, records.outcome, strict=True):
        foretold = turn_of(int(number), seed=seed, turns=TURNS[load.protocol]).ends
        if outcome == Outcome.TIMEOUT and foretold is not Outcome.TIMEOUT:
            late += 1
        elif outcome != foretold:
            otherwise[f"{foretold.label} -> {Outcome(int(outcome)).label}"] += 1
    if otherwise:
        yield f"{name}: not as foretold: {dict(otherwise)}"
    if late > LATE_LIMIT * result.scheduled:
        yield f"{name}: {late} of {result.scheduled} requests were late"
    if not late and told["ends"] != result.outcomes:
        yield f"{name}: the server says {told['ends']}, servelab {result.outcomes}"
