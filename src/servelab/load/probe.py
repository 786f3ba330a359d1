"""One request over a connection of its own: whether a server is there and answers rightly."""

import dataclasses
import errno
import json
import secrets
from typing import Any, NamedTuple

from servelab.load.answers import load_check
from servelab.load.lane import Connection, Lane, Target
from servelab.load.ledger import Check, Ledger
from servelab.load.loop import Loop
from servelab.load.record import COLUMNS, ROW
from servelab.load.request import NONCE_WIDTH, PROBE_PREFIX
from servelab.load.wire import Wire, new_gear, new_lane
from servelab.model.outcome import Outcome

_TICK_NS = 10_000_000
_OUTCOME, _WORKER, _STATUS = (
    [name for name, _ in COLUMNS].index(name) for name in ("outcome", "worker_pid", "status")
)


class WaryTarget(Target):
    """A target that refuses a connection of a socket to itself.

    A connect to a closed port of the ephemeral range can get that very port as its own.
    """

    __slots__ = ()

    def connect(self) -> Connection:
        """Begin to connect; ConnectionRefusedError for a connection to itself."""
        connection = super().connect()
        if connection.getsockname()[:2] == (self.host, self.port):
            connection.close()
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
        return connection


class _OneRow:
    """Keeps the record of the one request."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.keep = self.rows.append
        self.pack = ROW.pack


class _OneRequest:
    """Dispatches one request and nothing after it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.is_over = False

    def begin(self, now_ns: int) -> None:
        """Count the request in flight."""
        self._ledger.enter(now_ns)

    def free(self, _lane: Lane, finished_ns: int) -> None:
        """End the run."""
        self._ledger.leave(finished_ns)
        self.is_over = True

    def renew(self, lane: Lane, _number: int, finished_ns: int) -> int:
        """End the run."""
        self.free(lane, finished_ns)
        return 0

    def pause(self, lane: Lane, finished_ns: int) -> None:
        """End the run."""
        self.free(lane, finished_ns)

    def expire(self, now_ns: int) -> None:
        """Do nothing: the lane watches the deadline."""


class Ended(NamedTuple):
    """How one request ended."""

    outcome: Outcome
    worker_pid: int
    """0 where the answer named none."""
    status: int
    reason: str
    """Why it is not ok; empty where it is."""


def probe_once(plan: dict[str, Any], *, timeout_s: float) -> Ended:
    """Send one request of a plan (as JSON), and have the plan's check judge the answer."""
    check = load_check(plan["check"], json.loads(plan["check_parameters"]))
    return ask_once(plan, check=check, timeout_s=timeout_s)


def ask_once(plan: dict[str, Any], *, check: Check, timeout_s: float) -> Ended:
    """Send one request of a plan (as JSON), and have the answer judged by a check."""
    keeper = _OneRow()
    ledger = Ledger(keeper, check=check, timeout_ns=round(timeout_s * 1e9))
    wire = Wire.parse({**plan, "connections": "fresh"})
    wire = dataclasses.replace(wire, target=WaryTarget(wire.target.host, wire.target.port))
    loop = Loop(tick_ns=_TICK_NS)
    nonce = (
        PROBE_PREFIX + secrets.token_hex(NONCE_WIDTH)[: NONCE_WIDTH - len(PROBE_PREFIX)].encode()
    )
    dispatch = _OneRequest(ledger)
    lane = new_lane(new_gear(wire, loop=loop, ledger=ledger, nonce_of=lambda _: nonce), dispatch)
    try:
        now_ns = loop.clock()
        dispatch.begin(now_ns)
        lane.start(now_ns, now_ns, now_ns)
        loop.run(is_over=lambda: dispatch.is_over, tick=lane.expire)
    finally:
        lane.abandon(loop.clock())
        loop.close()
    row = ROW.unpack(keeper.rows[0])
    return Ended(
        outcome=Outcome(row[_OUTCOME]),
        worker_pid=row[_WORKER],
        status=row[_STATUS],
        reason=ledger.samples[0] if ledger.samples else "",
    )
