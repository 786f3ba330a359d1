"""HTTP/1.1 lanes of a mix in which only some requests are HEAD, whose answers have no body."""

from servelab.load.http1_lane import Http1Gear, Http1Lane
from servelab.load.lane import Connection, Dispatch


class HeadMixLane(Http1Lane):
    """A lane that reads each answer by the method of its request."""

    __slots__ = ("_memo_in_turn",)

    def __init__(self, gear: Http1Gear, dispatch: Dispatch) -> None:
        super().__init__(gear, dispatch)
        self._memo_in_turn = gear.memo_in_turn

    def _send(self, connection: Connection) -> None:
        memo = self._memo_in_turn[self._sequence % len(self._memo_in_turn)]
        if memo is not self._memo:
            self._read_with(memo)
        super()._send(connection)
