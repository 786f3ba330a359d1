"""How channels end: closed once they are of no more use, with every answer that came."""

import errno

from servelab.load import http2
from servelab.load.answers import echoed_nonce
from servelab.load.grpc_lane import GrpcGear, GrpcLane
from servelab.load.grpc_shape import AnswerShapes
from servelab.load.lane import Reuse
from servelab.load.ledger import Ledger
from servelab.load.loop import WRITABLE
from servelab.load.record import NEVER, ROW
from servelab.load.request import nonce_of
from servelab.model.outcome import Outcome

from .fake_connections import FakeConnection, FakeLoop
from .test_grpc_mix import Again
from .test_grpc_recognition import Rows, call_to
from .test_grpc_shape import answer

NOW_NS = 1_000_000_000
TIMEOUT_NS = 10**9
LATE_NS = NOW_NS + TIMEOUT_NS + 1


class Channel:
    """A lane, its connections and its books."""

    def __init__(self, *, reuse: Reuse = Reuse.KEEP, loop: FakeLoop | None = None) -> None:
        self.loop, self.rows, self.callers = loop or FakeLoop(), Rows(), Again()
        self.now_ns = NOW_NS
        call = call_to("/s/m")
        ledger = Ledger(
            self.rows,
            check=echoed_nonce({}),
            timeout_ns=TIMEOUT_NS,
            clock=lambda: self.now_ns,
        )
        gear = GrpcGear(
            loop=self.loop,
            ledger=ledger,
            target=self.loop,
            reuse=reuse,
            nonce_of=nonce_of,
            call=call,
            longest=call.length,
            memo=http2.GrpcHeadMemo(),
            shapes=AnswerShapes(),
        )
        self.lane = GrpcLane(gear, self.callers)

    def start(self) -> None:
        self.lane.start(self.now_ns, self.now_ns, self.now_ns)

    def make(self, *settings: tuple[int, int]) -> FakeConnection:
        """Let the newest connection be made and ready."""
        connection = self.loop.connections[-1]
        self.loop.tell(connection, WRITABLE)
        self.loop.receive(connection, http2.settings(settings))
        return connection

    @property
    def outcomes(self) -> list[Outcome]:
        """Return how the calls ended, by their number."""
        rows = sorted((ROW.unpack(row) for row in self.rows.rows), key=lambda row: row[6])
        assert len(rows) == self.callers.ended
        return [Outcome(row[-1]) for row in rows]


def test_a_fresh_connection_is_closed_when_its_call_times_out() -> None:
    channel = Channel(reuse=Reuse.CLOSE)
    channel.start()
    connection = channel.make()

    channel.now_ns = LATE_NS
    channel.lane.expire(LATE_NS)

    assert channel.outcomes == [Outcome.TIMEOUT]
    assert connection.is_shut
    assert channel.loop.lingering == [connection]
    assert connection.sent[-1] == http2.reset_stream(1)


def test_a_connection_told_to_go_away_is_closed_when_its_last_call_times_out() -> None:
    channel = Channel()
    channel.start()
    connection = channel.make()
    channel.start()
    channel.loop.receive(connection, http2.frame(http2.GOAWAY, payload=b"\0\0\0\3" + bytes(4)))
    assert not connection.is_shut

    channel.now_ns = LATE_NS
    channel.lane.expire(LATE_NS)

    assert channel.outcomes == [Outcome.TIMEOUT] * 2
    assert channel.loop.lingering == [connection]


def test_a_connection_that_is_kept_stays_open_when_its_last_call_times_out() -> None:
    channel = Channel()
    channel.start()
    connection = channel.make()

    channel.now_ns = LATE_NS
    channel.lane.expire(LATE_NS)
    channel.start()

    assert channel.outcomes == [Outcome.TIMEOUT]
    assert connection.is_open
    assert not connection.is_shut
    assert channel.loop.connections == [connection]


BROKEN = BrokenPipeError(errno.EPIPE, "broken pipe")
PING = http2.frame(http2.PING, payload=bytes(8))


def answered(number: int) -> bytes:
    return answer(2 * number + 1, nonce_of(number))


def channel_in_flight(calls: int) -> tuple[Channel, FakeConnection]:
    """Return a channel over which so many calls were sent."""
    channel = Channel()
    channel.start()
    connection = channel.make()
    for _ in range(1, calls):
        channel.start()
    return channel, connection


def test_answers_that_came_before_a_failed_send_count() -> None:
    channel, connection = channel_in_flight(4)
    connection.send_error = BROKEN
    connection.unread.extend((answered(0) + answered(1)[:-1], answered(1)[-1:] + answered(2), b""))
    channel.start()

    # The last two: one that had no answer, and one that could not be sent.
    assert channel.outcomes == [Outcome.OK] * 3 + [Outcome.RESET] * 2
    sent_ns = [ROW.unpack(row)[4] for row in channel.rows.rows if ROW.unpack(row)[6] == 4]
    assert sent_ns == [NEVER]
    assert not connection.is_open
    assert channel.lane._connections == set()


def test_answers_behind_one_that_makes_a_send_fail_count() -> None:
    channel, connection = channel_in_flight(4)
    connection.send_error = BROKEN
    channel.loop.receive(connection, PING + answered(0), answered(1), PING + answered(2), b"")

    assert channel.outcomes == [Outcome.OK] * 3 + [Outcome.RESET]
    assert not connection.is_open


def test_a_failed_send_loses_nothing_where_all_calls_are_answered() -> None:
    channel, connection = channel_in_flight(3)
    connection.send_error = BROKEN
    channel.loop.receive(connection, PING, answered(0) + answered(1) + answered(2), b"")

    assert channel.outcomes == [Outcome.OK] * 3
    assert not connection.is_open
    channel.start()
    assert len(channel.loop.connections) == 2


def test_a_failed_send_with_nothing_to_read_fails_all_calls() -> None:
    for left in ((), (b"",), (ConnectionResetError(errno.ECONNRESET, "reset by peer"),)):
        channel, connection = channel_in_flight(2)
        connection.send_error = BROKEN
        connection.unread.extend(left)
        channel.start()

        assert channel.outcomes == [Outcome.RESET] * 3
        assert not connection.is_open


def test_a_broken_answer_behind_a_failed_send_is_told_as_what_it_is() -> None:
    channel, connection = channel_in_flight(3)
    connection.send_error = BROKEN
    connection.unread.extend((answered(0) + answered(50), b""))
    channel.start()

    assert channel.outcomes == [Outcome.OK] + [Outcome.PROTOCOL_ERROR] * 3


def test_calls_that_waited_for_a_stream_go_over_another_connection_after_a_failed_send() -> None:
    channel = Channel()
    channel.start()
    connection = channel.make((http2.MAX_CONCURRENT_STREAMS, 1))
    channel.start()
    channel.start()
    connection.send_error = BROKEN
    channel.loop.receive(connection, PING, answered(0), b"")

    assert channel.outcomes == [Outcome.OK]
    other = channel.make()
    assert other is not connection
    channel.loop.receive(other, answer(1, nonce_of(1)) + answer(3, nonce_of(2)))
    assert channel.outcomes == [Outcome.OK] * 3


def test_calls_that_start_as_others_end_go_over_another_connection_after_a_failed_send() -> None:
    channel, connection = channel_in_flight(3)
    channel.callers.more = 2
    connection.send_error = BROKEN
    channel.loop.receive(connection, PING, answered(0) + answered(1), b"")

    assert channel.outcomes == [Outcome.OK] * 2 + [Outcome.RESET]
    other = channel.make()
    assert other is not connection
    channel.loop.receive(other, answer(1, nonce_of(3)) + answer(3, nonce_of(4)))
    assert channel.outcomes == [Outcome.OK] * 2 + [Outcome.RESET] + [Outcome.OK] * 2


def test_a_failed_cancel_of_late_calls_loses_no_answers_either() -> None:
    channel, connection = channel_in_flight(1)
    channel.now_ns = NOW_NS + TIMEOUT_NS // 2
    channel.start()
    connection.send_error = BROKEN
    connection.unread.extend((answered(1), b""))
    channel.now_ns = LATE_NS
    channel.lane.expire(LATE_NS)

    assert channel.outcomes == [Outcome.TIMEOUT, Outcome.OK]
    assert not connection.is_open
