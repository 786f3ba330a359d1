"""What is raced for an application: ways, starts and benchmarks."""

import msgspec
import pytest
from tests.report.own_runs import SERVICE

from servelab.cli import race_space
from servelab.errors import UnknownName, UsageError
from servelab.model.deployment import Interface
from servelab.model.plan import RunOptions
from servelab.model.tuning import Tuning, TuningOrder

ASGI = msgspec.structs.replace(SERVICE, interface=Interface.ASGI, framework="fastapi")


def test_all_servers_for_production_are_raced_and_each_begins_somewhere() -> None:
    space = race_space.lay_out(SERVICE, only=(), cpu_count=2)
    stacks = [each.stack for each in space.ways]
    assert {"gunicorn-sync", "gunicorn-gthread", "waitress", "uwsgi"} <= {
        stack.partition("-threads")[0] for stack in stacks
    } | set(stacks)
    assert not any("devserver" in stack for stack in stacks)
    assert [each.stack for each in space.starts] == stacks
    assert len(set(stacks)) == len(stacks)


def test_an_asgi_application_is_raced_on_its_own_servers() -> None:
    stacks = {each.stack for each in race_space.lay_out(ASGI, only=(), cpu_count=2).ways}
    assert any(stack.startswith("uvicorn") for stack in stacks)
    assert not any(stack.startswith(("waitress", "gunicorn-sync")) for stack in stacks)


@pytest.mark.parametrize(("cpu_count", "processes"), [(1, 3), (2, 5), (8, 17)])
def test_the_folklore_setting_is_raced_beside_them(cpu_count: int, processes: int) -> None:
    (benchmark,) = race_space.lay_out(SERVICE, only=(), cpu_count=cpu_count).benchmarks
    assert benchmark.stack == "gunicorn-sync"
    assert dict(benchmark.settings)["processes"] == processes


def test_without_gunicorn_there_is_no_folklore() -> None:
    space = race_space.lay_out(SERVICE, only=("waitress",), cpu_count=2)
    assert [each.stack for each in space.ways] == ["waitress"]
    assert space.benchmarks == ()


@pytest.mark.parametrize("only", ["waitres", "waitress:threads=4", "uvicorn"])
def test_what_cannot_be_raced_is_refused(only: str) -> None:
    with pytest.raises((UnknownName, UsageError), match=only.partition(":")[0]):
        race_space.lay_out(SERVICE, only=(only,), cpu_count=2)


def test_what_was_excluded_is_not_raced_nor_is_its_benchmark() -> None:
    space = race_space.lay_out(SERVICE, only=("gunicorn", "waitress"), cpu_count=2)
    tuning = Tuning(space=space.ways, benchmarks=space.benchmarks)
    gone = next(each.name for each in space.starts if each.stack == "gunicorn-sync")
    left = race_space.without(tuning, space=space, excluded={gone: "it answers otherwise"})
    assert {each.stack for each in tuning.space} - {each.stack for each in left.space} == {
        "gunicorn-sync"
    }
    assert left.benchmarks == ()


def test_candidates_become_deployments_with_their_settings() -> None:
    space = race_space.lay_out(SERVICE, only=("gunicorn",), cpu_count=2)
    order = TuningOrder(
        tuning=Tuning(space=space.ways),
        options=RunOptions(
            workload="w",
            service=SERVICE,
            timeout_s=1.0,
            interpreter=SERVICE.environment.interpreter,  # type: ignore[union-attr]
        ),
        cpu_count=2,
        warm_up_s=0.0,
    )
    made = race_space.deployment_of(order)(space.benchmarks[0])
    assert (made.stack, made.server, made.processes) == ("gunicorn-sync", "gunicorn", 5)
