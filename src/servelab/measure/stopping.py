"""A server is sent SIGTERM under load: what becomes of the requests, and how long it takes."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from servelab.errors import AuditFailed
from servelab.launch.server import RunningServer
from servelab.load.generator import Records
from servelab.measure import audit
from servelab.measure.machinery import Machinery
from servelab.model.launch import GracefulStop, StopReport
from servelab.model.load import LoadPlan
from servelab.model.outcome import Outcome
from servelab.model.worker import WorkerCount

LOAD_BEFORE_S = 1.0
"""So long the load goes on before SIGTERM: all callers have sent, and what can queue queues."""
GRACE_S = 30.0
"""What Kubernetes gives a container by default before it kills it; docker stop gives 10 s."""
LONGEST_S = LOAD_BEFORE_S + GRACE_S + 30.0
AFTERMATH_S = 0.2
"""The load outlives the server so long, to see its last connections end."""


def under_load(
    server: RunningServer,
    *,
    plan: LoadPlan,
    records: Path,
    cpus: Sequence[tuple[int, ...]],
    machinery: Machinery,
    counters: Path,
    clock: Callable[[], float] = time.monotonic,
) -> GracefulStop | None:
    """Put the load of a plan on a server, send it SIGTERM, and see it end; then it is gone.

    None where it ended by itself before it was asked to.
    """
    course = _Course(server, count=lambda: _counted(machinery, counters), clock=clock)
    result = machinery.generate(
        msgspec.structs.replace(plan, requests=None, duration_s=LONGEST_S, warm_up_s=0.0),
        records=records,
        cpus=cpus,
        on_progress=lambda _: None,
        should_stop=course.reason_to_end,
    )
    seen = machinery.read_records(result.records)
    if bugs := list(audit.errors_of_generator(result, sent=seen.sent)):
        raise AuditFailed("; ".join(bugs))
    if course.exited_unasked or server.terminated_s is None:
        return None
    return sum_up(
        seen,
        terminated_s=server.terminated_s,
        in_work=course.in_work,
        report=server.stop(),
    )


def sum_up(
    records: Records, *, terminated_s: float, in_work: int | None, report: StopReport
) -> GracefulStop:
    """Tell the requests in flight at a moment from later ones, and each by its end; pure."""
    import numpy as np

    asked_ns = round(terminated_s * 1e9)
    was_planned = records.planned_ns <= asked_ns
    in_flight = was_planned & (records.finished_ns > asked_ns)
    is_ok = records.outcome == Outcome.OK
    answers_ns = records.finished_ns[is_ok & (records.finished_ns > asked_ns)]
    return GracefulStop(
        in_flight=int(np.count_nonzero(in_flight)),
        in_work=in_work,
        answered=int(np.count_nonzero(in_flight & is_ok)),
        lost=_by_class(map(int, records.outcome[in_flight & ~is_ok])),
        later=_by_class(map(int, records.outcome[~was_planned])),
        last_answer_s=float(answers_ns.max() - asked_ns) / 1e9 if len(answers_ns) else None,
        seconds=report.seconds,
        exit_code=report.exit_code,
        was_killed=report.was_killed,
        grace_s=GRACE_S,
    )


def _by_class(outcomes: Iterable[int]) -> dict[str, int]:
    found = [Outcome(each) for each in outcomes]
    return {kind.label: found.count(kind) for kind in sorted(set(found))}


def _counted(machinery: Machinery, counters: Path) -> tuple[WorkerCount, ...]:
    return machinery.read_counts(counters) if counters.exists() else ()


class _Course:
    """Asked a few times a second: lets the load begin, sends SIGTERM, waits for the end."""

    def __init__(
        self,
        server: RunningServer,
        *,
        count: Callable[[], tuple[WorkerCount, ...]],
        clock: Callable[[], float],
    ) -> None:
        self.in_work: int | None = None
        self.exited_unasked = False
        self._server = server
        self._count = count
        self._clock = clock
        self._began_s: float | None = None
        self._asked_s: float | None = None
        self._gone_s: float | None = None

    def reason_to_end(self) -> str | None:
        """Return why the load must end; None while it goes on."""
        now_s = self._clock()
        if self._asked_s is None:
            return self._before(now_s)
        if not self._server.is_gone():
            is_late = now_s > self._asked_s + GRACE_S
            return f"it did not end within {GRACE_S:g} s" if is_late else None
        self._gone_s = self._gone_s or now_s
        return "the server has ended" if now_s >= self._gone_s + AFTERMATH_S else None

    def _before(self, now_s: float) -> str | None:
        self._began_s = self._began_s or now_s
        if not self._server.is_alive():
            self.exited_unasked = True
            return f"it ended with {self._server.exit}"
        if now_s >= self._began_s + LOAD_BEFORE_S:
            self._server.terminate()
            workers = self._count()
            self.in_work = sum(each.received - each.answered for each in workers)
            self.in_work = self.in_work if workers else None
            self._asked_s = now_s
        return None
