"""Faults of the machine's clocks."""

import time
from types import SimpleNamespace

import pytest

from servelab.explain import disturbance
from servelab.host import noise
from servelab.model.load import OpenLoop
from servelab.model.trial import TrialStatus
from tests.faults.conftest import Measure, kinds

pytestmark = pytest.mark.live


class Clocks:
    """The machine's clocks, which jump once the load has begun."""

    def __init__(self, *, wall_s: float = 0.0, asleep_s: float = 0.0) -> None:
        self._wall_s = wall_s
        self._asleep_s = asleep_s
        self._looks = 0

    def substitute(self) -> SimpleNamespace:
        return SimpleNamespace(
            monotonic=time.monotonic,
            time=self._time,
            clock_gettime=self._clock_gettime,
            CLOCK_BOOTTIME=time.CLOCK_BOOTTIME,
        )

    @property
    def _slept_s(self) -> float:
        return self._asleep_s if self._looks > 1 else 0.0

    def _time(self) -> float:
        return time.time() + self._slept_s + (self._wall_s if self._looks > 1 else 0.0)

    def _clock_gettime(self, clock: int) -> float:
        self._looks += 1
        return time.clock_gettime(clock) + self._slept_s


@pytest.mark.parametrize(
    ("clocks", "words"),
    [
        (Clocks(wall_s=3600), "the wall clock was set forward by 3600.0 s"),
        (Clocks(wall_s=-3600), "the wall clock was set back by 3600.0 s"),
        (Clocks(asleep_s=60), "the machine was suspended for 60.0 s"),
    ],
    ids=["forward", "back", "suspended"],
)
def test_fault_31_a_clock_that_jumps_changes_no_duration_and_voids_the_round(
    clocks: Clocks, words: str, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise, "time", clocks.substitute())
    load = OpenLoop(rate_per_s=50, arrivals="constant")
    made = measure("healthy", load=load, duration_s=1.0)
    trial = made.trial
    assert trial.status in {TrialStatus.OK, TrialStatus.INVALID}  # a busy machine is late
    assert kinds(trial).count(disturbance.CLOCK_JUMP) == 1
    assert words in " ".join(warning.text for warning in trial.warnings)
    assert trial.noise is not None
    assert any(words in reason for reason in disturbance.reasons_to_void(trial.noise))
    assert trial.load_s is not None
    assert 0.9 < trial.load_s < 30
    assert trial.response_time_s is not None
    assert 0 < trial.response_time_s.max < 30
    made.require_equal_books()
