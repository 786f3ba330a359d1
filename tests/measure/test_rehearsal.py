"""What a server is asked before anything is timed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.fake_world import Script, World
from tests.report.own_runs import PYTHON, SERVICE, deployment

from servelab.errors import PortBusy
from servelab.experiment.plan import trial_spec
from servelab.load.fetch import Answer
from servelab.measure.rehearsal import _Questions
from servelab.measure.trial import TrialMeasurer
from servelab.model.address import LOOPBACK, Address
from servelab.model.plan import RunOptions
from servelab.store.folder import RunFolder

ADDRESS = Address(LOOPBACK, 3000)
TIMES_ASKED = 3
"""Of a deployment with two processes."""


def questions(name: str, *statuses: int) -> _Questions:
    """Return the questions to a deployment that answers with these statuses in turn."""
    options = RunOptions(
        workload=SERVICE.label, service=SERVICE, timeout_s=60.0, interpreter=PYTHON
    )
    spec = trial_spec(deployment(name), options=options, round_number=1, warm_up_s=0.0)
    answers: Iterator[Answer] = iter([Answer(status=each, body=b"x") for each in statuses])
    world = replace(World({}).machinery(), fetch=lambda *_: next(answers))
    return _Questions(spec, machinery=world)


@pytest.mark.parametrize("status", [502, 504])
def test_what_a_front_says_of_an_absent_server_is_no_answer_of_the_server(status: int) -> None:
    asked = questions("gunicorn-sync+nginx", status, *[200] * TIMES_ASKED)
    assert asked.ask(ADDRESS) == f"nginx answered {status}: nobody behind it does yet"
    assert not asked.answers
    assert asked.ask(ADDRESS) is None
    assert [each.status for each in asked.answers[0]] == [200] * TIMES_ASKED


def test_without_a_front_the_same_status_is_an_answer() -> None:
    asked = questions("gunicorn-sync", *[502] * TIMES_ASKED)
    assert asked.ask(ADDRESS) is None
    assert [each.status for each in asked.answers[0]] == [502] * TIMES_ASKED


def test_a_server_is_ready_with_its_first_answer_and_asked_everything_then() -> None:
    asked = questions("gunicorn-sync", *[200] * (1 + TIMES_ASKED))
    assert asked.ask_first(ADDRESS) is None
    assert not asked.answers
    assert asked.ask(ADDRESS) is None
    assert len(asked.answers[0]) == TIMES_ASKED


@pytest.mark.parametrize(("busy", "failure"), [(1, None), (9, "port 3000 is taken")])
def test_a_port_that_somebody_takes_meanwhile_is_tried_again(
    tmp_path: Path, busy: int, failure: str | None
) -> None:
    options = RunOptions(
        workload=SERVICE.label, service=SERVICE, timeout_s=60.0, interpreter=PYTHON
    )
    spec = trial_spec(deployment("waitress"), options=options, round_number=1, warm_up_s=0.0)
    answers = {each.request.path: Answer(status=200, body=b"x") for each in SERVICE.asked}
    world = World({"waitress": Script(answers=answers)})
    left = [PortBusy("port 3000 is taken")] * busy

    def launch(*arguments: Any, **different: Any) -> Any:
        if left:
            raise left.pop()
        return world.launch(*arguments, **different)

    measurer = TrialMeasurer(replace(world.machinery(), launch=launch))
    (tmp_path / "logs").mkdir()
    service = msgspec.structs.replace(SERVICE, directory=str(tmp_path), environment=None)
    spec = msgspec.structs.replace(spec, service=service)
    found = measurer.hear(spec, folder=RunFolder(tmp_path), observe=lambda _: None)
    assert found.failure == failure
