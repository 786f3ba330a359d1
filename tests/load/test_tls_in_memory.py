"""What an encrypted connection does when its wire is full, or breaks."""

import errno

import pytest

from servelab.load import http2
from servelab.load.lane import READ_BYTES, Connection
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


def connected() -> tuple[FakeConnection, TlsConnection, TlsPeer]:
    """Return both ends after their handshake, with nothing left unread."""
    raw = FakeConnection(7)
    connection, peer = encrypted(raw), TlsPeer(raw)
    peer.shake_hands(connection)
    with pytest.raises(BlockingIOError):
        connection.recv(READ_BYTES)
    return raw, connection, peer


@pytest.mark.parametrize("times", [1, 3])
def test_an_answer_that_a_reset_follows_is_received_before_the_reset(times: int) -> None:
    raw, connection, peer = connected()
    for _ in range(times):
        peer.send(b"answer")
    # A socket tells its error once, and then its end.
    raw.unread.extend((ConnectionResetError(errno.ECONNRESET, "reset by peer"), b""))

    assert connection.recv(READ_BYTES) == b"answer" * times
    with pytest.raises(ConnectionResetError, match="reset by peer"):
        connection.recv(READ_BYTES)


def test_a_reset_that_follows_nothing_is_raised_at_once() -> None:
    raw, connection, _ = connected()
    raw.unread.extend((ConnectionResetError(errno.ECONNRESET, "reset by peer"), b""))
    with pytest.raises(ConnectionResetError):
        connection.recv(READ_BYTES)


def test_an_answer_is_received_though_what_it_asks_for_cannot_be_sent() -> None:
    raw, connection, peer = connected()
    raw.room = 0
    with pytest.raises(BlockingIOError):
        connection.send(b"request")
    raw.room = NO_LIMIT
    raw.send_error = BrokenPipeError(errno.EPIPE, "broken pipe")
    peer.send(b"answer")

    assert connection.recv(READ_BYTES) == b"answer"
    peer.send(b" and more")
    assert connection.recv(READ_BYTES) == b" and more"
    raw.unread.append(b"")
    with pytest.raises(BrokenPipeError):
        connection.recv(READ_BYTES)


def test_an_end_without_a_reset_is_an_end() -> None:
    raw, connection, peer = connected()
    peer.send(b"answer")
    raw.unread.append(b"")

    assert connection.recv(READ_BYTES) == b"answer"
    assert connection.recv(READ_BYTES) == b""
