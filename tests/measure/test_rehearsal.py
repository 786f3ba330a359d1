"""What a server is asked before anything is timed."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.fake_world import World
from tests.report.own_runs import PYTHON, SERVICE, deployment

from servelab.experiment.plan import trial_spec
from servelab.load.fetch import Answer
from servelab.measure.rehearsal import _Questions
from servelab.model.address import LOOPBACK, Address
from servelab.model.plan import RunOptions

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
