"""Point 4: load goes to this machine, or where its owner agreed; see tests/load and tests/cli."""

from collections.abc import Sequence

from servelab.cli import requested_load
from servelab.cli.requested_load import Typed
from servelab.load import caps
from servelab.model.load import ClosedLoop


def test_point_4_the_caps_hold_for_every_host_but_this_one() -> None:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        return ("203.0.113.9",)

    order = requested_load.parse(
        Typed(url="http://app.example/", authorised_host="app.example", requests=10),
        resolve=resolve,
    )
    assert order.plan.duration_s == caps.DURATION_S
    assert isinstance(order.plan.load, ClosedLoop)
    assert order.plan.load.callers / order.plan.load.think_time_s <= caps.RATE_PER_S
    assert order.plan.target.host == "203.0.113.9"
    assert order.plan.authority == "app.example"
