"""What types do not say of what was read."""

import msgspec
import pytest
from tests.report.own_runs import SERVICE
from tests.store.examples import FACTS, PLAN, trial

from servelab.model.load import ClosedLoop, OpenLoop
from servelab.model.plan import Plan
from servelab.model.service import OwnCommand
from servelab.model.trial import Histogram, WarmUpLoad
from servelab.model.variant import Axis
from servelab.model.verdict import Judging
from servelab.model.warm_up import Settling, Steadiness
from servelab.store import validity


def test_what_was_measured_is_believed() -> None:
    assert validity.objection_to_trial(trial("one")) is None
    assert validity.objection_to_plan(PLAN) is None
    assert validity.objection_to_plan(msgspec.structs.replace(PLAN, judging=Judging())) is None
    assert validity.objection(FACTS) is None
    # A change that is nothing but the rounding of a division; the largest seed that can be stored.
    steady = Steadiness(settling=Settling.STEADY, seconds=9, rate_per_s=1.0, change=2.2e-16)
    seeded = OpenLoop(rate_per_s=1.0, seed=2**64 - 1)
    assert validity.objection_to_trial(trial("one", steadiness=steady, load=seeded)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"throughput_per_s": 1e300}, "throughput_per_s is 1e+300"),
        ({"load_s": float("nan")}, "load_s is nan"),
        ({"port": 10**40}, "port is too large"),
        ({"throughput_per_s": -1.0}, "negative"),
        ({"id": "../../etc/passwd"}, "no name of a file"),
        ({"id": ".hidden"}, "no name of a file"),
        ({"id": ""}, "no name of a file"),
        ({"ledger": {}}, "ledger"),
        ({"ledger": {"scheduled": 1, "sent": 1, "ok": -1}}, "ledger"),
        ({"records": "/etc/passwd"}, "outside of its folder"),
        ({"log": "logs/../../x"}, "outside of its folder"),
        ({"warm_up": WarmUpLoad(seconds=1, ledger={}, records="../x")}, "outside of its folder"),
        ({"round": -1}, "round"),
        ({"response_time_histogram": Histogram(edges_s=(), counts=())}, "histogram"),
        ({"response_time_histogram": Histogram(edges_s=(1, 2), counts=(0,))}, "histogram"),
        ({"response_time_histogram": Histogram(edges_s=(1,), counts=(1,))}, "histogram"),
    ],
)
def test_what_cannot_have_been_measured_is_named(change: dict[str, object], words: str) -> None:
    assert words in (validity.objection_to_trial(trial("one", **change)) or "")


@pytest.mark.parametrize(
    "change",
    [
        {"deployments": ()},
        {"rounds": 0},
        {"warm_up_s": -1.0},
        {"judging": Judging(confidence=1.0)},
        {"judging": Judging(delta=0.0)},
        {"judging": Judging(least_rounds=0)},
        {"options": msgspec.structs.replace(PLAN.options, load=ClosedLoop(callers=0))},
        {"options": msgspec.structs.replace(PLAN.options, timeout_s=-1.0)},
        {"options": msgspec.structs.replace(PLAN.options, requests=-5)},
    ],
)
def test_what_cannot_have_been_asked_for_is_refused(change: dict[str, object]) -> None:
    assert validity.objection_to_plan(msgspec.structs.replace(PLAN, **change)) is not None


@pytest.mark.parametrize(
    "axes",
    [
        (Axis(setting="a b", values=("1", "2"), start="1"),),
        (Axis(setting="__class__", values=("1", "2"), start="1"),),
        (Axis(setting="a", values=("1", "2"), start="3"),),
        (Axis(setting="a", values=(1, 2), start=1),),
        (Axis(setting="a", values=("1", "2"), start="1"),) * 2,
    ],
)
def test_a_command_that_cannot_be_varied_so_is_refused(axes: tuple[Axis, ...]) -> None:
    def asked(of: OwnCommand) -> Plan:
        service = msgspec.structs.replace(SERVICE, commands=(of,))
        options = msgspec.structs.replace(PLAN.options, service=service)
        return msgspec.structs.replace(PLAN, options=options)

    sound = OwnCommand(name="a", argv=("a",), axes=(Axis(setting="a", values=("1",), start="1"),))
    assert validity.objection_to_plan(asked(sound)) is None
    wrong = msgspec.structs.replace(sound, axes=axes)
    assert validity.objection_to_plan(asked(wrong)) == "nothing can be varied so"
