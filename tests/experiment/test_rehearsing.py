"""All deployments are heard once, and one of them again where they do not agree."""

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.report.own_runs import PYTHON, SERVICE, deployment

from servelab.experiment.rehearsing import rehearse
from servelab.load.fetch import Answer
from servelab.measure.agreement import Heard
from servelab.model.agreement import Agreement
from servelab.model.plan import RunOptions
from servelab.model.trial import Role, TrialSpec
from servelab.store.folder import RunFolder


class Hearer:
    """Servers that answer as they are told, each time with another moment in mind."""

    def __init__(
        self,
        answer: Callable[[str, int], bytes],
        *,
        beside_load_s: Mapping[str, float | None] = MappingProxyType({}),
    ) -> None:
        self.asked: list[TrialSpec] = []
        self._beside_load_s = beside_load_s
        self._answer = answer
        self._moments = count(1)

    def hear(self, spec: TrialSpec, **_: Any) -> Heard:
        self.asked.append(spec)
        body = self._answer(spec.deployment.server, next(self._moments))
        return Heard(
            deployment=spec.deployment.name,
            title=spec.deployment.title,
            answers=((Answer(status=200, body=body),) * 2,),
            beside_load_s=self._beside_load_s.get(spec.deployment.server),
        )


def rehearsed(hearer: Hearer, *, folder: Path) -> Agreement:
    return rehearse(
        [deployment(name) for name in ("waitress", "cheroot", "gunicorn-sync")],
        service=SERVICE,
        options=RunOptions(
            workload=SERVICE.label, service=SERVICE, timeout_s=60, interpreter=PYTHON
        ),
        hearer=hearer,
        folder=RunFolder(folder),
        observe=lambda _: None,
    )


def test_where_all_agree_each_is_heard_once(tmp_path: Path) -> None:
    hearer = Hearer(lambda _server, _moment: b"hi")
    assert len(rehearsed(hearer, folder=tmp_path).agreeing) == 3
    assert [spec.deployment.server for spec in hearer.asked] == ["waitress", "cheroot", "gunicorn"]
    assert {spec.role for spec in hearer.asked} == {Role.REHEARSAL}


def test_an_answer_that_changes_with_time_leaves_nobody_out(tmp_path: Path) -> None:
    hearer = Hearer(lambda _server, moment: b"it is <%d>" % moment)
    found = rehearsed(hearer, folder=tmp_path)
    assert len(found.agreeing) == 3
    assert found.changing == (0,)
    assert found.asked[0].expectation.contains == (b"it is <",)
    assert len(hearer.asked) == 4
    assert hearer.asked[0].deployment == hearer.asked[3].deployment
    assert len({spec.id for spec in hearer.asked}) == 4, "each has a log of its own"


@pytest.mark.parametrize("odd", ["waitress", "gunicorn"])
def test_a_server_that_answers_otherwise_is_left_out(tmp_path: Path, odd: str) -> None:
    hearer = Hearer(lambda server, _: b"odd" if server == odd else b"hi")
    found = rehearsed(hearer, folder=tmp_path)
    assert len(found.agreeing) == 2
    ((name, reason),) = found.excluded
    assert name.startswith(odd)
    assert "differs" in reason


def test_what_starting_takes_is_that_of_those_that_agree(tmp_path: Path) -> None:
    taken_s = {"waitress": 2.0, "cheroot": 4.0, "gunicorn": 60.0}
    hearer = Hearer(
        lambda server, _: b"odd" if server == "gunicorn" else b"hi", beside_load_s=taken_s
    )
    assert rehearsed(hearer, folder=tmp_path).beside_load_s == pytest.approx(3.0)


def test_where_no_start_was_measured_nothing_is_said_of_it(tmp_path: Path) -> None:
    assert rehearsed(Hearer(lambda *_: b"hi"), folder=tmp_path).beside_load_s is None
