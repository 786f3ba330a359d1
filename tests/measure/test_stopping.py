"""What became of requests when their server was sent SIGTERM: exact counts."""

import numpy as np

from servelab.load.generator import Records
from servelab.measure.stopping import GRACE_S, sum_up
from servelab.model.launch import StopReport
from servelab.model.outcome import Outcome

ASKED_S = 100.0
STOPPED = StopReport(seconds=2.5, exit_code=0, exited_before_stop=False, was_killed=False)


def records(*requests: tuple[float, float, Outcome]) -> Records:
    """Return requests with these planned starts and ends, in seconds, and ends in words."""
    columns = list(zip(*requests, strict=True)) or [(), (), ()]
    planned_ns, finished_ns = (
        np.round(np.array(each) * 1e9).astype(np.int64) for each in columns[:2]
    )
    zeros = np.zeros(len(requests), dtype=np.int64)
    return Records(
        planned_ns=planned_ns,
        taken_up_ns=planned_ns,
        connection_ready_ns=planned_ns,
        sent_ns=planned_ns,
        first_byte_ns=finished_ns,
        finished_ns=finished_ns,
        sequence=zeros,
        connection=zeros,
        body_bytes=zeros,
        worker_pid=zeros,
        status=zeros,
        outcome=np.array([int(each) for each in columns[2]], dtype=np.int64),
    )


def test_each_request_is_told_by_whether_it_was_in_flight_when_sigterm_was_sent() -> None:
    stop = sum_up(
        records(
            (98.0, 99.0, Outcome.OK),  # over
            (99.0, 100.0, Outcome.RESET),  # over at that very moment
            (99.5, 100.5, Outcome.OK),
            (100.0, 101.25, Outcome.OK),
            (99.0, 102.0, Outcome.RESET),
            (99.0, 102.0, Outcome.RESET),
            (99.0, 102.5, Outcome.CLOSED_EARLY),
            (100.5, 100.75, Outcome.OK),  # taken although it was asked to end
            (101.0, 101.0, Outcome.REFUSED),
        ),
        terminated_s=ASKED_S,
        in_work=3,
        report=STOPPED,
    )
    assert (stop.in_flight, stop.in_work, stop.answered) == (5, 3, 2)
    assert stop.lost == {"reset": 2, "closed early": 1}
    assert stop.answered + sum(stop.lost.values()) == stop.in_flight
    assert stop.later == {"ok": 1, "refused": 1}
    assert stop.last_answer_s == 1.25
    assert (stop.seconds, stop.exit_code, stop.was_killed) == (2.5, 0, False)
    assert stop.grace_s == GRACE_S


def test_nothing_in_flight_is_nothing_lost() -> None:
    stop = sum_up(records(), terminated_s=ASKED_S, in_work=None, report=STOPPED)
    assert (stop.in_flight, stop.answered, stop.lost, stop.later) == (0, 0, {}, {})
    assert stop.last_answer_s is None
