"""servelab's own books: pure checks that no request was lost or counted twice."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING

from servelab.model.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from servelab.load.generator import Records
    from servelab.model.load import LoadResult
    from servelab.model.worker import WorkerCount

LITTLE_TOLERANCE = 1e-6


def ledger(result: LoadResult) -> dict[str, int]:
    """Return outcome class -> count, with ``scheduled`` and ``sent`` ahead."""
    unsent = result.outcomes.get(Outcome.UNSENT.label, 0)
    return {
        "scheduled": result.scheduled,
        "sent": result.scheduled - unsent,
        Outcome.OK.label: 0,
        **{label: count for label, count in result.outcomes.items() if count},
    }


def ledger_of(records: Records, *, unstarted: int) -> dict[str, int]:
    """Return the ledger of some of a load's requests, and of those that were never started."""
    import numpy as np

    found = np.bincount(records.outcome, minlength=len(Outcome))
    outcomes = {kind.label: int(found[kind]) for kind in Outcome if found[kind]}
    unsent = outcomes.pop(Outcome.UNSENT.label, 0) + unstarted
    return {
        "scheduled": len(records) + unstarted,
        "sent": len(records) + unstarted - unsent,
        Outcome.OK.label: 0,
        **outcomes,
        **({Outcome.UNSENT.label: unsent} if unsent else {}),
    }


def errors_of_generator(result: LoadResult, *, sent: int) -> Iterable[str]:
    """Yield each way in which the generator's own figures contradict each other.

    So many of the records are of requests that were sent.

    Little's identity (J. D. C. Little, Operations Research 9(3), 1961): over a window that begins
    and ends empty, the area under the number in flight is the sum of the times spent in flight.
    """
    ended = sum(result.outcomes.values())
    if ended != result.scheduled:
        yield f"{result.scheduled} requests were scheduled and {ended} ended"
    to_be_sent = result.scheduled - result.outcomes.get(Outcome.UNSENT.label, 0)
    if sent != to_be_sent:
        yield f"{to_be_sent} requests were sent and {sent} recorded"
    if not isclose(
        result.in_flight_area_s,
        result.response_time_sum_s,
        rel_tol=LITTLE_TOLERANCE,
        abs_tol=LITTLE_TOLERANCE,
    ):
        yield (
            f"requests in flight add up to {result.in_flight_area_s:.6f} request-seconds and "
            f"response times to {result.response_time_sum_s:.6f}"
        )


def errors_of_workers(
    books: dict[str, int], workers: Sequence[WorkerCount], *, may_be_sent_again: bool = False
) -> Iterable[str]:
    """Yield each way in which the workers' own counts contradict the ledger.

    ok <= answered <= received <= sent, with equality where nothing failed. A front may send a
    request again whose kept connection broke, so that workers receive more than were sent.
    """
    answered = sum(worker.answered for worker in workers)
    received = sum(worker.received for worker in workers)
    ok, sent = books["ok"], books["sent"]
    is_within = received <= sent or may_be_sent_again
    if not (ok <= answered <= received and is_within):
        yield (
            f"{sent} requests were sent, the workers received {received} and answered {answered}, "
            f"and {ok} answers were correct"
        )


def strangers(
    records: Records, warm_up: Records | None, *, workers: Sequence[WorkerCount]
) -> dict[int, int]:
    """Return the processes that answered and are none of the server's -> how many answers.

    Every correct answer names the process that gave it, and every process of the server has its
    line in the workers' own counts. Where nobody counted, nobody is a stranger.
    """
    import numpy as np

    if not workers:
        return {}
    own = [0, *(worker.pid for worker in workers)]
    named = np.concatenate(
        [
            each.worker_pid[(each.outcome == Outcome.OK) & ~np.isin(each.worker_pid, own)]
            for each in (records, warm_up)
            if each is not None
        ]
    )
    pids, counts = np.unique(named, return_counts=True)
    return {int(pid): int(count) for pid, count in zip(pids, counts, strict=True)}
