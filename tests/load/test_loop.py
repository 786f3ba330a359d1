import socket
import time
from functools import partial

import pytest

from servelab.load.loop import Loop

TICK_NS = 5_000_000


def test_callbacks_come_in_the_order_of_their_moments_and_not_before() -> None:
    loop = Loop(tick_ns=TICK_NS)
    start_ns = time.monotonic_ns()
    called: list[tuple[str, int]] = []

    def note(name: str) -> None:
        called.append((name, time.monotonic_ns()))

    for name, after_ns in (("later", 20_000_000), ("sooner", 10_000_000), ("past", -1)):
        loop.call_at(start_ns + after_ns, partial(note, name))

    loop.run(is_over=lambda: len(called) == 3, tick=lambda _: None)
    loop.close()

    assert [name for name, _ in called] == ["past", "sooner", "later"]
    assert called[1][1] >= start_ns + 10_000_000
    assert called[2][1] >= start_ns + 20_000_000


def test_a_lingering_connection_is_closed_once_the_server_has_closed() -> None:
    loop = Loop(tick_ns=TICK_NS)
    ours, theirs = socket.socketpair()
    loop.add(ours.fileno(), lambda _: None)
    loop.linger(ours)
    theirs.close()

    loop.run(is_over=lambda: ours.fileno() == -1, tick=lambda _: None)
    loop.close()


def test_only_so_many_connections_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servelab.load.loop._MOST_LINGERING", 5)
    loop = Loop(tick_ns=TICK_NS)
    pairs = [socket.socketpair() for _ in range(8)]
    for ours, _ in pairs:
        loop.add(ours.fileno(), lambda _: None)
        loop.linger(ours)

    assert sum(ours.fileno() == -1 for ours, _ in pairs) == 3
    loop.close()
    assert all(ours.fileno() == -1 for ours, _ in pairs)
    for _, theirs in pairs:
        theirs.close()
