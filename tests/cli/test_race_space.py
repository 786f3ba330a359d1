"""What is raced for an application: ways, starts and benchmarks."""

import msgspec
import pytest
from tests.report.own_runs import SERVICE

from servelab import catalogue
from servelab.cli import race_space
from servelab.errors import UnknownName, UsageError
from servelab.model.deployment import Interface
from servelab.model.plan import RunOptions
from servelab.model.service import OwnCommand
from servelab.model.tuning import Tuning, TuningOrder
from servelab.model.variant import Axis
from servelab.tuning import space as starts_of

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


def test_the_folklore_setting_is_never_more_than_servers_allow() -> None:
    (benchmark,) = race_space.lay_out(SERVICE, only=("gunicorn-sync",), cpu_count=256).benchmarks
    assert dict(benchmark.settings)["processes"] == 512
    assert catalogue.own_deployment(benchmark, service=SERVICE, cpu_count=256).processes == 512
    assert catalogue.rule_of(benchmark, cpu_count=256) == "2 x cores + 1, at most 512"


def test_folklore_that_the_user_does_not_allow_is_not_raced() -> None:
    space = race_space.lay_out(SERVICE, only=("gunicorn-sync:processes=1/2",), cpu_count=4)
    assert space.benchmarks == ()
    space = race_space.lay_out(SERVICE, only=("gunicorn-sync:processes=4/9",), cpu_count=4)
    assert [dict(each.settings)["processes"] for each in space.benchmarks] == [9]


@pytest.mark.parametrize("other", ["gunicorn-sync:preload=on", "gunicorn-sync:processes=1/2"])
def test_a_stack_that_is_named_twice_has_its_folklore_once(other: str) -> None:
    space = race_space.lay_out(SERVICE, only=("gunicorn-sync", other), cpu_count=2)
    assert [each.name for each in space.ways] == ["gunicorn-sync"] * 2
    assert [dict(each.settings)["processes"] for each in space.benchmarks] == [5]


def test_a_benchmark_that_follows_no_rule_is_not_said_to() -> None:
    (way,) = race_space.lay_out(SERVICE, only=("gunicorn-gthread",), cpu_count=2).ways
    other = starts_of.start(way)
    assert catalogue.rule_of(other, cpu_count=2) is None
    (folklore,) = race_space.lay_out(SERVICE, only=("gunicorn-sync",), cpu_count=2).benchmarks
    assert catalogue.rule_of(folklore, cpu_count=2) == "2 x cores + 1"
    assert catalogue.rule_of(folklore, cpu_count=4) is None


def test_of_a_stack_that_is_named_twice_only_the_way_that_failed_goes() -> None:
    only = ("gunicorn-gthread", "gunicorn-gthread:preload=on")
    space = race_space.lay_out(SERVICE, only=only, cpu_count=2)
    tuning = Tuning(space=space.ways, benchmarks=space.benchmarks)
    left = race_space.without(tuning, space=space, excluded={space.starts[1].name: "it failed"})
    assert left.space == space.ways[:1]


def test_ways_that_begin_alike_are_rehearsed_once() -> None:
    only = ("waitress", "waitress:threads=4/8")
    space = race_space.lay_out(SERVICE, only=only, cpu_count=2)
    assert [each.name for each in space.rehearsed] == ["waitress:threads=4"]
    left = race_space.without(
        Tuning(space=space.ways), space=space, excluded={space.starts[0].name: "it failed"}
    )
    assert left.space == ()


def test_without_gunicorn_there_is_no_folklore() -> None:
    space = race_space.lay_out(SERVICE, only=("waitress",), cpu_count=2)
    assert [each.stack for each in space.ways] == ["waitress"]
    assert space.benchmarks == ()


@pytest.mark.parametrize("only", ["waitres", "waitress:processes=4", "uvicorn"])
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


COMMANDS = (
    OwnCommand(
        name="mine",
        argv=("mine", "--workers", "{workers}", "{port}"),
        axes=(Axis(setting="workers", values=("1", "2", "4"), start="2"),),
    ),
    OwnCommand(name="other", argv=("other", "{port}")),
)
WITH_COMMANDS = msgspec.structs.replace(SERVICE, commands=COMMANDS)
ALONE = msgspec.structs.replace(WITH_COMMANDS, application="", interface=Interface.HTTP)


def test_commands_are_raced_beside_the_servers_of_an_application() -> None:
    found = [each.name for each in race_space.lay_out(WITH_COMMANDS, only=(), cpu_count=2).ways]
    assert found[-2:] == ["mine", "other"]
    assert "gunicorn-sync" in found


def test_commands_alone_are_raced_without_any_server() -> None:
    space = race_space.lay_out(ALONE, only=(), cpu_count=2)
    assert [each.name for each in space.ways] == ["mine", "other"]
    assert [each.name for each in space.starts] == ["mine:workers=2", "other"]
    assert space.benchmarks == ()
    only = race_space.lay_out(ALONE, only=("other",), cpu_count=2)
    assert [each.name for each in only.ways] == ["other"]
    with pytest.raises(UnknownName, match="no command 'gunicorn'; there is mine or other"):
        race_space.lay_out(ALONE, only=("gunicorn",), cpu_count=2)


def test_the_values_of_a_command_are_searched_as_the_settings_of_a_server() -> None:
    (way, _) = race_space.lay_out(ALONE, only=(), cpu_count=2).ways
    near = starts_of.neighbours(starts_of.start(way), space=(way,))
    made = [catalogue.own_deployment(each, service=ALONE, cpu_count=2) for each in near]
    assert [each.name for each in made] == [each.name for each in near]
    assert [each.title for each in made] == ["mine workers=1", "mine workers=4"]


def test_a_front_stands_before_all_and_one_by_name_before_one() -> None:
    space = race_space.lay_out(WITH_COMMANDS, only=(), cpu_count=2, front="nginx")
    assert {each.front for each in space.ways} == {"nginx"}
    assert {each.front for each in space.starts} == {"nginx"}
    assert [each.name for each in space.benchmarks] == [
        "gunicorn-sync:worker_class=sync,processes=5+nginx"
    ]
    only = ("waitress", "waitress+nginx", "mine+nginx")
    found = race_space.lay_out(WITH_COMMANDS, only=only, cpu_count=2)
    assert [each.name for each in found.ways] == list(only)
    assert [each.name for each in found.starts] == [
        "waitress:threads=4",
        "waitress:threads=4+nginx",
        "mine:workers=2+nginx",
    ]
    both = race_space.lay_out(WITH_COMMANDS, only=only, cpu_count=2, front="nginx")
    assert [each.name for each in both.ways] == ["waitress+nginx", "mine+nginx"]


def test_a_front_that_is_not_known_or_cannot_stand_before_a_command_is_refused() -> None:
    with pytest.raises(UnknownName, match="no front 'apache'"):
        race_space.lay_out(SERVICE, only=(), cpu_count=2, front="apache")
    deaf = msgspec.structs.replace(ALONE, commands=(OwnCommand(name="mine", argv=("mine",)),))
    with pytest.raises(UsageError, match="nginx takes the port before it"):
        race_space.lay_out(deaf, only=(), cpu_count=2, front="nginx")


def test_one_that_was_excluded_behind_a_front_may_stay_without() -> None:
    space = race_space.lay_out(SERVICE, only=("gunicorn-sync", "gunicorn-sync+nginx"), cpu_count=2)
    tuning = Tuning(space=space.ways, benchmarks=space.benchmarks)
    left = race_space.without(tuning, space=space, excluded={space.starts[1].name: "no nginx"})
    assert [each.name for each in left.space] == ["gunicorn-sync"]
    assert [each.front for each in left.benchmarks] == [None]


def test_the_search_of_a_command_is_kept_to_the_values_that_are_named() -> None:
    (way,) = race_space.lay_out(ALONE, only=("mine:workers=2/4+nginx",), cpu_count=2).ways
    assert (way.name, [axis.values for axis in way.variant.axes]) == ("mine+nginx", [("2", "4")])
    (one,) = race_space.lay_out(ALONE, only=("mine:workers=4",), cpu_count=2).starts
    assert one.name == "mine:workers=4"
    with pytest.raises(UsageError, match="mine cannot have workers=3; workers is 1 or 2 or 4"):
        race_space.lay_out(ALONE, only=("mine:workers=2/3",), cpu_count=2)
    with pytest.raises(UnknownName, match="no setting of other called 'workers'"):
        race_space.lay_out(ALONE, only=("other:workers=2",), cpu_count=2)
