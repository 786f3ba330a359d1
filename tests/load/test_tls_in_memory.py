"""What an encrypted connection does when its wire is full, or breaks."""

from servelab.load import http2
from servelab.load.lane import Connection
from servelab.load.loop import WRITABLE
from servelab.load.tls import TlsConnection

from .fake_connections import NO_LIMIT, FakeConnection, FakeLoop
from .test_grpc_ending import Channel
from .tls_in_memory import TlsPeer, encrypted


def test_calls_that_pile_up_behind_a_full_wire_all_go_once_it_has_room() -> None:
    made: list[TlsConnection] = []

    def wrap(raw: FakeConnection) -> Connection:
        made.append(encrypted(raw))
        return made[-1]

    channel = Channel(loop=FakeLoop(wrap))
    channel.start()
    (raw,) = channel.loop.connections
    peer = TlsPeer(raw)
    peer.shake_hands(made[0])
    channel.loop.tell(raw, WRITABLE)
    peer.send(http2.settings(()))
    channel.loop.receive(raw)
    assert peer.received().count(b"/s/m") == 1

    raw.room = 0
    for _ in range(3):
        channel.start()
    raw.room = NO_LIMIT
    # The one piece of news that there will be: the wire does not fill again.
    channel.loop.tell(raw, WRITABLE)

    assert peer.received().count(b"/s/m") == 3
