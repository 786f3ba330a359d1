"""Answers that come before all of a request is sent, and then the connection breaks."""

import errno

import pytest

from servelab.load.http1 import HeadMemo
from servelab.load.http1_lane import Http1Gear, Http1Lane
from servelab.load.lane import Reuse
from servelab.load.ledger import Ledger
from servelab.load.loop import WRITABLE
from servelab.load.record import ROW
from servelab.load.request import nonce_of
from servelab.model.outcome import Outcome

from .fake_connections import FakeConnection, FakeLoop
from .test_grpc_recognition import Callers, Rows

NOW_NS = 1_000_000_000
REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + bytes(1000)
REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
RESET = ConnectionResetError(errno.ECONNRESET, "reset by peer")


def outcomes_of(*unread: bytes | OSError) -> tuple[list[Outcome], FakeConnection]:
    """Let a request be sent in part, a send fail, and so much lie unread; return how it ends."""
    loop, rows, callers = FakeLoop(), Rows(), Callers()
    ledger = Ledger(
        rows, check=lambda *_: (Outcome.OK, 0, ""), timeout_ns=10**9, clock=lambda: NOW_NS
    )
    gear = Http1Gear(
        loop=loop,
        ledger=ledger,
        target=loop,
        reuse=Reuse.KEEP,
        nonce_of=nonce_of,
        encode=lambda _: REQUEST,
        memo=HeadMemo(method="POST", judged=frozenset()),
    )
    made = FakeConnection(7)
    made.room = 100
    loop.prepared.append(made)
    lane = Http1Lane(gear, callers)
    lane.start(NOW_NS, NOW_NS, NOW_NS)
    made.send_error = RESET
    made.unread.extend(unread)
    # Nothing but room is told of: what lies unread came after that.
    loop.tell(made, WRITABLE)

    assert not made.is_open
    assert made.fd not in loop.handlers
    assert callers.ended == len(rows.rows) == 1
    return [Outcome(ROW.unpack(row)[-1]) for row in rows.rows], made


@pytest.mark.parametrize("cut", [0, 10, 40, len(REFUSAL) - 1])
def test_an_answer_that_came_before_a_failed_send_counts(cut: int) -> None:
    pieces = [piece for piece in (REFUSAL[:cut], REFUSAL[cut:]) if piece]
    outcomes, _ = outcomes_of(*pieces, b"")
    assert outcomes == [Outcome.CLIENT_ERROR]


@pytest.mark.parametrize(
    "unread",
    [
        (),
        (b"",),
        (RESET,),
        (REFUSAL[:-1], b""),
        (REFUSAL[:-1],),
        # Without a length an answer ends with its connection, but not with a break.
        (b"HTTP/1.1 413 Too Large\r\n\r\nno", b""),
    ],
)
def test_a_failed_send_without_a_whole_answer_is_a_reset(unread: tuple[bytes, ...]) -> None:
    outcomes, _ = outcomes_of(*unread)
    assert outcomes == [Outcome.RESET]
