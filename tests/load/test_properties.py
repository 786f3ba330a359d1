"""Properties that hold of any schedule, any answer and any course of requests."""

from itertools import islice, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from servelab.load.http1 import AnswerReader, BadAnswer, HeadMemo
from servelab.load.ledger import Ledger
from servelab.load.record import ROW
from servelab.load.schedule import (
    SECOND_NS,
    ClosedSchedule,
    bounded,
    constant_arrivals,
    poisson_arrivals,
)
from servelab.model.outcome import Outcome

RATES = st.floats(min_value=0.01, max_value=100_000)
STARTS_NS = st.integers(min_value=0, max_value=2**60)
MANY = settings(max_examples=300, deadline=None)
"""No example has a deadline: a busy machine is no fault of the code."""


@MANY
@given(rate_per_s=RATES, start_ns=STARTS_NS, count=st.integers(2, 500))
def test_constant_arrivals_never_drift(rate_per_s: float, start_ns: int, count: int) -> None:
    planned = list(islice(constant_arrivals(rate_per_s=rate_per_s, start_ns=start_ns), count))
    for number, each in enumerate(planned):
        assert abs(each - start_ns - number * SECOND_NS / rate_per_s) <= 1 + number * 1e-3


@MANY
@given(rate_per_s=RATES, start_ns=STARTS_NS, seed=st.integers(0, 2**32))
def test_poisson_arrivals_come_in_order_and_the_same_from_one_seed(
    rate_per_s: float, start_ns: int, seed: int
) -> None:
    def planned(of_seed: int) -> list[int]:
        arrivals = poisson_arrivals(rate_per_s=rate_per_s, start_ns=start_ns, seed=of_seed)
        return list(islice(arrivals, 100))

    first = planned(seed)
    assert first == planned(seed)
    assert first != planned(seed + 1)
    assert all(start_ns <= one <= other for one, other in pairwise(first))


@MANY
@given(
    rate_per_s=st.floats(min_value=1, max_value=1000),
    requests=st.none() | st.integers(0, 300),
    length_ns=st.integers(0, SECOND_NS // 4),
    count=st.integers(1, 5),
)
def test_what_several_processes_deal_out_is_the_schedule_of_one(
    rate_per_s: float, requests: int | None, length_ns: int, count: int
) -> None:
    def arrivals() -> list[int]:
        every = poisson_arrivals(rate_per_s=rate_per_s, start_ns=7, seed=1)
        return list(bounded(every, requests=requests, end_ns=7 + length_ns))

    whole = arrivals()
    dealt = [list(islice(arrivals(), index, None, count)) for index in range(count)]
    assert sorted(moment for share in dealt for moment in share) == whole
    assert all(moment < 7 + length_ns for moment in whole)
    assert requests is None or len(whole) <= requests


@MANY
@given(
    requests=st.integers(0, 50),
    free_ns=st.lists(st.integers(0, 1000), max_size=100),
    end_ns=st.none() | st.integers(0, 1000),
    think_ns=st.integers(0, 100),
)
def test_a_closed_loop_keeps_to_number_end_and_thinking_time(
    requests: int, free_ns: list[int], end_ns: int | None, think_ns: int
) -> None:
    schedule = ClosedSchedule(requests=requests, end_ns=end_ns, think_ns=think_ns)
    told = [(free, schedule.next_start(free)) for free in free_ns]
    planned = [(free, start) for free, start in told if start is not None]
    assert len(planned) <= requests
    assert all(start == free + think_ns for free, start in planned)
    assert end_ns is None or all(start < end_ns for _, start in planned)
    assert schedule.stop() == requests - len(planned)


BODIES = st.binary(max_size=300)
TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
HEADERS = st.lists(
    st.tuples(TOKENS.map("x-{}".format), st.text("abc 123=;", max_size=20)), max_size=5
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw a valid answer and its body: of stated length, or in chunks with extensions."""
    body = draw(BODIES)
    lines = [f"{name}: {value.strip()}" for name, value in draw(HEADERS)]
    if draw(st.booleans()):
        lines.append(f"Content-Length: {len(body)}")
        payload = body
    else:
        lines.append("Transfer-Encoding: chunked")
        cuts = sorted(draw(st.sets(st.integers(0, len(body)), max_size=5)) | {0, len(body)})
        pieces = [body[one:other] for one, other in pairwise(cuts)]
        extension = draw(st.sampled_from(["", ";a=1"]))
        payload = b"".join(
            f"{len(piece):x}{extension}\r\n".encode() + piece + b"\r\n" for piece in pieces if piece
        )
        payload += b"0\r\n" + draw(st.sampled_from([b"", b"x-trailer: 1\r\n"])) + b"\r\n"
    head = "\r\n".join(["HTTP/1.1 200 OK", *draw(st.permutations(lines))])
    return head.encode() + b"\r\n\r\n" + payload, body


def outcome_of(pieces: list[bytes]) -> tuple[Outcome, bytes]:
    reader = AnswerReader(HeadMemo())
    is_whole = False
    try:
        for piece in pieces:
            is_whole = reader.feed(piece)
        if not is_whole:
            reader.end()
    except BadAnswer as bad:
        return bad.outcome, b""
    return Outcome.OK, bytes(reader.body)


@MANY
@given(answer=answers(), data=st.data())
def test_a_valid_answer_is_read_whole_however_it_is_cut(
    answer: tuple[bytes, bytes], data: st.DataObject
) -> None:
    sent, body = answer
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=6)) | {0, len(sent)})
    assert outcome_of([sent[one:other] for one, other in pairwise(cuts)]) == (Outcome.OK, body)


@MANY
@given(answer=answers(), data=st.data())
def test_an_answer_that_breaks_off_is_never_ok(
    answer: tuple[bytes, bytes], data: st.DataObject
) -> None:
    sent, _ = answer
    length = data.draw(st.integers(1, len(sent) - 1))
    assert outcome_of([sent[:length]])[0] is Outcome.TRUNCATED


@MANY
@given(
    stays=st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=60)
)
def test_the_area_in_flight_is_the_sum_of_the_stays(stays: list[tuple[int, int]]) -> None:
    rows: list[bytes] = []

    class Kept:
        keep = rows.append
        pack = ROW.pack

    ledger = Ledger(Kept(), check=lambda *_: (Outcome.OK, 0, ""), timeout_ns=10**12)
    events = [(start, 0, start) for start, _ in stays]
    events += [(start + length, 1, start) for start, length in stays]
    for moment, is_end, start in sorted(events):
        if not is_end:
            ledger.enter(moment)
            continue
        ledger.settle(
            Outcome.OK,
            reason="",
            sequence=ledger.next_sequence(),
            planned_ns=start,
            finished_ns=moment,
            taken_up_ns=start,
        )
        ledger.leave(moment)

    # Little's identity: counted by the number in flight, and by each stay of its own.
    assert ledger.area_ns == sum(length for _, length in stays)
    assert ledger.in_flight == 0
    assert ledger.first_planned_ns == min(start for start, _ in stays)
    assert ledger.last_finished_ns == max(start + length for start, length in stays)
    assert len(rows) == len(stays)
    assert sorted(ROW.unpack(row)[6] for row in rows) == list(range(len(stays)))


@MANY
@given(
    outcomes=st.lists(st.tuples(st.sampled_from(list(Outcome)), st.integers(0, 3000)), max_size=60)
)
def test_each_request_ends_in_one_class_and_an_answer_after_its_deadline_in_none_but_timeout(
    outcomes: list[tuple[Outcome, int]],
) -> None:
    rows: list[bytes] = []

    class Kept:
        keep = rows.append
        pack = ROW.pack

    ledger = Ledger(Kept(), check=lambda *_: (Outcome.OK, 0, ""), timeout_ns=1000)
    for outcome, length_ns in outcomes:
        ledger.enter(0)
        ledger.settle(
            outcome,
            reason="r",
            sequence=ledger.next_sequence(),
            planned_ns=0,
            finished_ns=length_ns,
        )
        ledger.leave(length_ns)

    recorded = [Outcome(ROW.unpack(row)[11]) for row in rows]
    expected = [
        Outcome.TIMEOUT if outcome is Outcome.OK and length_ns > 1000 else outcome
        for outcome, length_ns in outcomes
    ]
    assert recorded == expected
    assert ledger.failed == sum(outcome is not Outcome.OK for outcome in expected)
    assert all(
        ledger.failures[kind] == expected.count(kind) for kind in Outcome if kind is not Outcome.OK
    )
