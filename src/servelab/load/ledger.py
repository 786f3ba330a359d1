"""The books of one run: who is in flight, how each request ended, and what the failures were."""

import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

from servelab.load.record import NEVER
from servelab.model.outcome import Outcome

Check = Callable[[int, bytes, bytes], tuple[Outcome, int, str]]
"""(status, body, nonce) -> (outcome, worker's pid or 0, reason)."""

SAMPLES = 10
_SAMPLE_LENGTH = 300


class Keeper(Protocol):
    """Where records go."""

    @property
    def keep(self) -> Callable[[bytes], None]:
        """Return what takes a packed row."""

    @property
    def pack(self) -> Callable[..., bytes]:
        """Return what packs a row."""


class Ledger:
    """Keep one record a request, and the number in flight apart from the records.

    The integral of that number over time must equal the sum of the response times of the records
    (Little's identity): the two are kept by different means, so that each audits the other.
    """

    def __init__(
        self,
        recorder: Keeper,
        *,
        check: Check,
        timeout_ns: int,
        clock: Callable[[], int] = time.monotonic_ns,
        first_number: int = 0,
        step: int = 1,
    ) -> None:
        self.keep = recorder.keep
        self.pack = recorder.pack
        self.check = check
        self.clock = clock
        self.timeout_ns = timeout_ns
        # Several ledgers of one load take every n-th number each: no two agree in any.
        self.next_sequence = count(first_number, step).__next__
        self.next_connection = count(1 + first_number, step).__next__
        self.connections_opened = 0
        self.idle_closes = 0
        self.in_flight = 0
        self.failures = dict.fromkeys(Outcome, 0)
        self.samples: list[str] = []
        self._area_ns = 0
        self._area_until_ns = 0
        self.first_planned_ns: int | None = None
        self.last_finished_ns = 0

    def enter(self, planned_ns: int) -> None:
        """Count a request in flight from its planned start on."""
        if self.first_planned_ns is None:
            self.first_planned_ns = self._area_until_ns = planned_ns
        self._area_ns += self.in_flight * (planned_ns - self._area_until_ns)
        self._area_until_ns = planned_ns
        self.in_flight += 1

    def leave(self, finished_ns: int) -> None:
        """Count a request out of flight."""
        self._area_ns += self.in_flight * (finished_ns - self._area_until_ns)
        self._area_until_ns = finished_ns
        self.in_flight -= 1
        self.last_finished_ns = max(self.last_finished_ns, finished_ns)

    @property
    def area_ns(self) -> int:
        """Return the integral of the number in flight over time, in request-nanoseconds."""
        return self._area_ns

    @property
    def failed(self) -> int:
        """Return how many requests ended otherwise than ok."""
        return sum(self.failures.values())

    def settle(
        self,
        outcome: Outcome,
        *,
        reason: str,
        sequence: int,
        planned_ns: int,
        finished_ns: int,
        taken_up_ns: int = NEVER,
        connection_ready_ns: int = NEVER,
        sent_ns: int = NEVER,
        first_byte_ns: int = NEVER,
        connection: int = 0,
        body_bytes: int = 0,
        worker_pid: int = 0,
        status: int = 0,
    ) -> None:
        """Record the end of a request; an answer after its deadline is a timeout."""
        if outcome is Outcome.OK and finished_ns - planned_ns > self.timeout_ns:
            outcome, reason = Outcome.TIMEOUT, "the answer came after the deadline"
        if outcome is not Outcome.OK:
            self.failures[outcome] += 1
            if len(self.samples) < SAMPLES:
                self.samples.append(f"{outcome.label}: {reason}"[:_SAMPLE_LENGTH])
        self.keep(
            self.pack(
                planned_ns,
                taken_up_ns,
                connection_ready_ns,
                sent_ns,
                first_byte_ns,
                finished_ns,
                sequence,
                connection,
                body_bytes,
                worker_pid,
                status,
                outcome,
            )
        )
