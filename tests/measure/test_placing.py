"""Who runs where."""

from typing import Any

import pytest
from tests.conftest import Run
from tests.fake_world import Script, World
from tests.test_whole_tool import trials_of

from servelab.errors import UsageError
from servelab.measure import placing
from servelab.model.load import ClosedLoop, Load, OpenLoop, Pacing, Scheduling
from servelab.model.placement import HostCpus, Placement, PlacementWish

AUTO = PlacementWish()


def machine(
    count: int,
    *,
    allowed: tuple[int, ...] | None = None,
    quota: float | None = None,
    threads: int = 1,
) -> HostCpus:
    """Return a machine; the hardware threads of a core are numbered as on most, n and n + cores."""
    cpus = tuple(range(count))
    usable = cpus if allowed is None else allowed
    cores = count // threads
    siblings = tuple(
        tuple(cpu for cpu in range(core, count, cores) if cpu in usable) for core in range(cores)
    )
    return HostCpus(
        allowed=usable,
        online=cpus,
        quota_cores=quota,
        siblings=siblings if threads > 1 else (),
    )


def chosen(cpus: HostCpus, wish: PlacementWish = AUTO, **others: Any) -> Placement:
    return placing.choose(wish, cpus=cpus, **{"generators": 1, **others})


@pytest.mark.parametrize("count", [1, 2, 3])
def test_below_four_cores_they_are_shared_and_nobody_is_pinned(count: int) -> None:
    found = chosen(machine(count))
    everywhere = tuple(range(count))
    assert (found.server_cpus, found.load_cpus) == (everywhere, everywhere)
    assert found.is_shared
    assert found.generator_cpus == (everywhere,)
    assert found.server_cores == count
    assert "share CPU" in found.note
    assert "from 4 cores up" in found.note


@pytest.mark.parametrize(
    ("count", "asked", "server", "generator", "back_end"),
    [
        (4, {}, (0, 1, 2), ((3,),), (3,)),
        (4, {"back_ends": 1}, (0, 1), ((2,),), (3,)),
        (8, {"generators": 3}, (0, 1, 2, 3, 4), ((5,), (6,), (7,)), (5, 6, 7)),
        (8, {"generators": 9}, (0, 1, 2, 3), ((4,), (5,), (6,), (7,)), (4, 5, 6, 7)),
    ],
)
def test_from_four_cores_up_each_generator_and_back_end_has_a_core_up_to_half_of_them(
    count: int,
    asked: dict[str, Any],
    server: tuple[int, ...],
    generator: tuple[tuple[int, ...], ...],
    back_end: tuple[int, ...],
) -> None:
    found = chosen(machine(count), **asked)
    assert found.server_cpus == server
    assert found.generator_cpus == generator
    assert found.back_end_cpus == back_end
    assert not found.is_shared
    assert found.server_cores == len(server)


def test_a_generator_gets_a_physical_core_with_all_its_threads() -> None:
    found = chosen(machine(8, threads=2))
    assert found.server_cpus == (0, 1, 2, 4, 5, 6)
    assert found.load_cpus == (3, 7)
    assert found.generator_cpus == ((3,),)
    two = chosen(machine(8, threads=2), generators=2)
    assert two.generator_cpus == ((2,), (3,))
    assert two.load_cpus == (2, 3, 6, 7)


def test_threads_of_one_physical_core_are_not_taken_apart() -> None:
    found = chosen(machine(4, threads=4))
    assert found.is_shared
    assert "one physical core" in found.note


def test_asked_sets_which_split_a_physical_core_are_told() -> None:
    wish = PlacementWish(server_cpus=(0, 1), load_cpus=(2, 3))
    assert (
        "CPUs 0,2 are one physical core, used by both" in chosen(machine(4, threads=2), wish).note
    )


def test_cpus_that_a_container_may_not_use_are_left_alone() -> None:
    found = chosen(machine(64, allowed=(8, 9, 10, 11, 12)))
    assert (found.server_cpus, found.load_cpus) == ((8, 9, 10, 11), (12,))
    assert found.note.endswith("5 of 64 cores allowed")


def test_no_more_cpus_than_a_quota_pays_for_are_taken_where_they_are_split() -> None:
    found = chosen(machine(64, quota=6.5))
    assert (found.server_cpus, found.load_cpus) == ((0, 1, 2, 3, 4), (5,))
    assert not found.is_shared
    assert found.note.endswith("6.5 of 64 cores allowed")


def test_a_quota_below_four_cores_is_shared() -> None:
    found = chosen(machine(64, quota=2.0))
    assert found.is_shared
    assert found.server_cores == 2.0
    assert found.server_core_count == 2
    assert len(found.server_cpus) == 64
    assert "2 of 64 cores allowed" in found.note


def test_asked_sets_beyond_a_quota_draw_on_one_purse() -> None:
    found = chosen(machine(4, quota=1.5), PlacementWish(server_cpus=(0, 1), load_cpus=(3,)))
    assert found.is_shared
    assert found.server_cores == found.shared_cores == 1.5
    assert "one CPU quota" in found.note


@pytest.mark.parametrize(
    ("wish", "server", "load"),
    [
        (PlacementWish(server_cpus=(0,)), (0,), (1,)),
        (PlacementWish(load_cpus=(0,)), (1,), (0,)),
        (PlacementWish(server_cpus=(1,), load_cpus=(0,)), (1,), (0,)),
    ],
)
def test_what_is_asked_is_done_and_the_other_gets_of_the_rest(
    wish: PlacementWish, server: tuple[int, ...], load: tuple[int, ...]
) -> None:
    found = chosen(machine(2), wish)
    assert (found.server_cpus, found.load_cpus) == (server, load)
    assert not found.is_shared
    assert found.note == f"server on CPU {server[0]}, generator on CPU {load[0]}"


def test_overlapping_sets_are_allowed_and_labelled() -> None:
    found = chosen(machine(4), PlacementWish(server_cpus=(0, 1, 2), load_cpus=(2, 3)))
    assert found.is_shared
    assert found.generator_cpus == ((2, 3),)
    assert "shared, as asked" in found.note
    assert found.shared_cores == 4


def test_where_nothing_is_left_for_the_other_it_shares() -> None:
    found = chosen(machine(2), PlacementWish(server_cpus=(0, 1)))
    assert found.is_shared
    assert "no CPU is left for the other" in found.note


def test_more_generators_than_cpus_take_turns() -> None:
    found = chosen(machine(4), PlacementWish(load_cpus=(1, 3)), generators=5)
    assert found.generator_cpus == ((1,), (3,))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [((7,), "there is no CPU 7; this machine has CPUs 0-3"), ((3,), "choose from 0-2")],
)
def test_a_cpu_that_cannot_be_had_is_one_sentence(asked: tuple[int, ...], sentence: str) -> None:
    cpus = machine(4, allowed=(0, 1, 2))
    with pytest.raises(UsageError, match=sentence):
        chosen(cpus, PlacementWish(server_cpus=asked))
    with pytest.raises(UsageError, match=sentence):
        placing.everywhere(cpus, load_cpus=asked)


@pytest.mark.parametrize(
    ("load", "pacing", "count", "expected"),
    [
        (OpenLoop(rate_per_s=1), Pacing.TIMER, 2, Scheduling.FIFO),
        (OpenLoop(rate_per_s=1), Pacing.TIMER, 4, Scheduling.NORMAL),
        (OpenLoop(rate_per_s=1), Pacing.SPIN, 2, Scheduling.NORMAL),
        (ClosedLoop(callers=1), Pacing.TIMER, 2, Scheduling.NORMAL),
    ],
)
def test_real_time_is_for_a_waiting_generator_on_shared_cores(
    load: Load, pacing: Pacing, count: int, expected: Scheduling
) -> None:
    placement = chosen(machine(count))
    assert placing.scheduling(load, pacing=pacing, placement=placement) is expected


def test_load_alone_asks_for_real_time_unless_it_has_cpus_of_its_own() -> None:
    open_loop, cpus = OpenLoop(rate_per_s=1), machine(2)
    for load_cpus, expected in ((None, Scheduling.FIFO), ((1,), Scheduling.NORMAL)):
        placement = placing.everywhere(cpus, load_cpus=load_cpus)
        found = placing.scheduling(open_loop, pacing=Pacing.TIMER, placement=placement)
        assert found is expected


# ---- the whole tool


def test_server_bare_work_and_load_run_where_the_trial_says(run: Run) -> None:
    world = World({"flask": Script()}, cpus=machine(4))
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--json")
    (trial,) = trials_of(printed)
    assert trial["placement"] == {
        "server_cpus": [0, 1, 2],
        "load_cpus": [3],
        "is_shared": False,
        "shared_cores": None,
        "generator_cpus": [[3]],
        "back_end_cpus": [3],
        "server_cores": 3.0,
        "note": "server on CPUs 0-2, generator on CPU 3",
    }
    assert list(trial["ceiling"]["rate_by_processes"]) == ["1", "2", "3"]
    assert world.server_cpus == [frozenset({0, 1, 2})] * 4
    assert world.load_cpus == [((3,),)]
    assert trial["generator"]["share_of_all_cpu"] is None


def test_the_null_server_and_the_slow_api_have_the_trials_places(run: Run) -> None:
    world = World({"flask": Script(service_s=0.001)}, cpus=machine(4))
    run(world, "run", "sync-devserver", "io", "--server-cpus", "0", "--load-cpus", "1-3")
    # The slow API alone and beside the server, the server, and the null server.
    assert world.server_cpus == [frozenset({2, 3})] * 2 + [frozenset({0})] * 2
    assert set(world.load_cpus) == {((1,),)}


def test_settings_that_follow_the_cores_follow_those_of_the_server(run: Run) -> None:
    world = World({"uvicorn": Script()}, cpus=machine(8))
    run(world, "run", "async-fastapi-process-pool", "cpu", "--server-cpus", "0-2", "--json")
    assert "POOL_PROCESSES=3 " in world.started[0]


def test_sharing_is_printed(run: Run) -> None:
    world = World({"flask": Script()})
    _, printed, _ = run(world, "run", "sync-devserver", "cpu")
    assert "Placement:            server and generator share CPUs 0-1; each has its own" in printed


@pytest.mark.parametrize(
    "command", [("run", "sync-devserver", "cpu"), ("load", "http://127.0.0.1:9")]
)
@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("9", "there is no CPU 9"), ("0-x", "write CPUs as 0-3,6, or auto"), ("3-1", "write CPUs as")],
)
def test_unfit_cpus_end_with_status_2_before_anything_is_made(
    command: tuple[str, ...], typed: str, sentence: str, run: Run, tmp_path: Any
) -> None:
    world = World({"flask": Script()})
    status, _, complaint = run(world, *command, "--load-cpus", typed)
    assert status == 2
    assert sentence in complaint
    assert world.loads == 0
    assert not (tmp_path / "servelab-results").exists()


def test_auto_generators_fill_the_cpus_that_were_given(run: Run) -> None:
    world = World({"flask": Script()}, cpus=machine(4))
    options = ("--generators", "auto", "--load-cpus", "1-3")
    run(world, "run", "sync-devserver", "cpu", *options)
    assert world.plans[-1].generators == 3
    assert world.load_cpus == [((1,), (2,), (3,))]


def test_an_open_loop_on_shared_cores_asks_for_real_time_and_tells_what_it_got(run: Run) -> None:
    world = World({"flask": Script(service_s=0.001)}, grants=Scheduling.FIFO)
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--rate", "10", "-n", "20")
    asked = [plan.scheduling for plan in world.plans]
    assert Scheduling.FIFO in asked
    assert "; generator in real time\n" in printed
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--json")
    assert {plan.scheduling for plan in world.plans[len(asked) :]} == {Scheduling.NORMAL}
    assert trials_of(printed)[0]["generator"]["scheduling"] == "normal"
