"""How late the generator was, from its records."""

import numpy as np
import pytest

from servelab.load.generator import Records
from servelab.measure import figures
from servelab.model.load import ClosedLoop, OpenLoop

OPEN, CLOSED = OpenLoop(rate_per_s=100), ClosedLoop(callers=1)
MS = 1_000_000


def records(late_ms: list[float], *, response_ms: float = 5.0) -> Records:
    """Return records planned every 10 ms, taken up so late."""
    planned = np.arange(len(late_ms), dtype=np.int64) * 10 * MS
    taken = planned + np.array([round(each * MS) for each in late_ms], dtype=np.int64)
    zeros = np.zeros(len(late_ms), dtype=np.int64)
    return Records(
        planned_ns=planned,
        taken_up_ns=taken,
        connection_ready_ns=taken,
        sent_ns=taken,
        first_byte_ns=taken,
        finished_ns=planned + round(response_ms * MS),
        sequence=np.arange(len(late_ms)),
        connection=zeros,
        body_bytes=zeros,
        worker_pid=zeros,
        status=zeros,
        outcome=zeros,
    )


def test_the_limit_follows_from_the_median_response_time() -> None:
    found = figures.punctuality(records([0.0] * 100, response_ms=50), load=OPEN)
    assert found.limit_s == pytest.approx(0.005)


def test_an_open_loop_is_judged_even_by_few_requests() -> None:
    late = [0.0] * 97 + [3.0] * 3
    assert figures.punctuality(records(late), load=OPEN).delay_p99_s == pytest.approx(0.003)
    assert figures.punctuality(records(late), load=CLOSED).delay_p99_s is None


def test_requests_taken_up_after_the_schedules_end_were_not_offered_in_time() -> None:
    # The last start is planned at 990 ms; a generator that falls behind takes up the rest later.
    falling_behind = [10.0 * number for number in range(100)]
    found = figures.punctuality(records(falling_behind), load=OPEN)
    assert found.offered_share == pytest.approx(0.5)


def test_a_punctual_generator_offers_all_of_its_load() -> None:
    assert figures.punctuality(records([0.1] * 100), load=OPEN).offered_share == 1.0
    assert figures.punctuality(records([0.1] * 100), load=CLOSED).offered_share is None


def test_no_requests_are_not_late() -> None:
    found = figures.punctuality(records([]), load=OPEN)
    assert (found.delay_p99_s, found.offered_share) == (None, None)
