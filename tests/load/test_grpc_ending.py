"""How channels end: closed once they are of no more use, with every answer that came."""

from servelab.load import http2
from servelab.load.answers import echoed_nonce
from servelab.load.grpc_lane import GrpcGear, GrpcLane
from servelab.load.grpc_shape import AnswerShapes
from servelab.load.lane import Reuse
from servelab.load.ledger import Ledger
from servelab.load.loop import WRITABLE
from servelab.load.record import ROW
from servelab.load.request import nonce_of
from servelab.model.outcome import Outcome

from .fake_connections import FakeConnection, FakeLoop
from .test_grpc_recognition import Callers, Rows, call_to

NOW_NS = 1_000_000_000
TIMEOUT_NS = 10**9
LATE_NS = NOW_NS + TIMEOUT_NS + 1


class Channel:
    """A lane, its connections and its books."""

    def __init__(self, *, reuse: Reuse = Reuse.KEEP, loop: FakeLoop | None = None) -> None:
        self.loop, self.rows, self.callers = loop or FakeLoop(), Rows(), Callers()
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
