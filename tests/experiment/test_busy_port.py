"""A port that somebody else has says nothing of the deployment that was to listen there."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.report.own_runs import PYTHON, SERVICE, deployment
from tests.store.examples import trial

from servelab.errors import CannotRunHere, PortBusy
from servelab.experiment.capacity_search import search
from servelab.experiment.plan import trial_spec
from servelab.experiment.runner import make
from servelab.model.capacity import CapacityGoal, CapacityOrder
from servelab.model.plan import RunOptions
from servelab.model.progress import Skipped
from servelab.model.slo import Slo
from servelab.model.trial import Trial, TrialSpec
from servelab.store.folder import RunFolder


class Measurer:
    """Fails as it is told, then measures."""

    def __init__(self, *errors: Exception) -> None:
        self.tries = 0
        self._errors = list(errors)

    def measure(self, spec: TrialSpec, **_: Any) -> Trial:
        self.tries += 1
        if self._errors:
            raise self._errors.pop(0)
        return msgspec.structs.replace(trial("a"), step=spec.step, load=spec.load)


def made(measurer: Measurer, *, folder: Path) -> Trial | Skipped:
    options = RunOptions(workload=SERVICE.label, service=SERVICE, timeout_s=60, interpreter=PYTHON)
    spec = trial_spec(deployment("waitress"), options=options, round_number=1, warm_up_s=0.0)
    return make(spec, measurer=measurer, folder=RunFolder(folder), observe=lambda _: None)


def test_a_port_taken_in_the_moment_before_is_tried_again(tmp_path: Path) -> None:
    measurer = Measurer(PortBusy("taken"), PortBusy("taken"))
    assert isinstance(made(measurer, folder=tmp_path), Trial)
    assert measurer.tries == 3


def test_a_port_that_stays_taken_is_no_property_of_the_deployment(tmp_path: Path) -> None:
    with pytest.raises(PortBusy):
        made(Measurer(*[PortBusy("taken")] * 9), folder=tmp_path)


def test_a_search_for_capacity_tries_again_too(tmp_path: Path) -> None:
    measurer = Measurer(PortBusy("taken"), PortBusy("taken"))
    options = RunOptions(workload=SERVICE.label, service=SERVICE, timeout_s=60, interpreter=PYTHON)
    goal = CapacityGoal(
        slo=Slo(quantile="p99", target_s=0.2), first_rate_per_s=20, lowest_rate_per_s=2
    )
    found = search(
        deployment("waitress"),
        options=options,
        order=CapacityOrder(goal=goal),
        measurer=measurer,
        folder=RunFolder(tmp_path),
        observe=lambda _: None,
    )
    assert next(found).trial.id == "a"
    assert measurer.tries == 3


def test_what_cannot_run_here_is_tried_once_and_left_out(tmp_path: Path) -> None:
    measurer = Measurer(CannotRunHere("no compiler"))
    found = made(measurer, folder=tmp_path)
    assert isinstance(found, Skipped)
    assert (found.reason, measurer.tries) == ("no compiler", 1)
