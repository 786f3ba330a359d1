"""What the generator reaches against no server is measured once, and then known."""

import dataclasses
from pathlib import Path

import msgspec
import pytest
from tests.fake_world import Script, World

from servelab.errors import TrialInvalid
from servelab.measure import machinery
from servelab.measure.calibration import Calibrations
from servelab.model.address import Address
from servelab.model.load import ClosedLoop, Connections, LoadPlan, OpenLoop, Protocol, Request, Tls
from servelab.model.placement import Placement

PLAN = LoadPlan(
    target=Address("127.0.0.1", 3000),
    protocol=Protocol.HTTP,
    request=Request(path="/cpu"),
    check="servelab.load.answers:workload_check",
    load=ClosedLoop(callers=10),
    requests=300,
    connections=Connections.FRESH,
)
SHARED = Placement(
    server_cpus=(0,),
    load_cpus=(0,),
    is_shared=True,
    generator_cpus=((0,),),
    server_cores=1,
    note="",
)


@pytest.fixture
def world() -> World:
    return World({}, current=Script(service_s=0.001))


def calibrations(world: World, file: Path | None = None, *, host: str = "here") -> Calibrations:
    return Calibrations(dataclasses.replace(world.machinery(), calibration_file=file, host=host))


def test_a_null_rate_is_measured_once(world: World) -> None:
    known = calibrations(world)
    rates = [known.null_rate_per_s(PLAN, placement=SHARED) for _ in range(3)]
    assert rates == [pytest.approx(1000.0)] * 3
    assert world.loads == 1


@pytest.mark.parametrize(
    "change",
    [
        {"connections": Connections.KEPT},
        {"protocol": Protocol.GRPC},
        {"load": ClosedLoop(callers=11)},
        {"load": OpenLoop(rate_per_s=5)},
        {"generators": 2},
        {"channels": 2},
        {"tls": Tls()},
    ],
)
def test_each_way_of_loading_has_its_own_rate(change: dict[str, object], world: World) -> None:
    known = calibrations(world)
    known.null_rate_per_s(PLAN, placement=SHARED)
    known.null_rate_per_s(msgspec.structs.replace(PLAN, **change), placement=SHARED)
    assert world.loads == 2


@pytest.mark.parametrize("change", [{"server_cpus": (1,)}, {"generator_cpus": ((1,),)}])
def test_each_placement_has_its_own_rate(change: dict[str, object], world: World) -> None:
    known = calibrations(world)
    known.null_rate_per_s(PLAN, placement=SHARED)
    known.null_rate_per_s(PLAN, placement=msgspec.structs.replace(SHARED, **change))
    assert world.loads == 2


def test_what_is_asked_and_where_makes_no_difference(world: World) -> None:
    known = calibrations(world)
    known.null_rate_per_s(PLAN, placement=SHARED)
    known.null_rate_per_s(
        msgspec.structs.replace(
            PLAN, request=Request(path="/io"), target=Address("127.0.0.1", 4000), requests=5
        ),
        placement=SHARED,
    )
    assert world.loads == 1


def test_the_next_process_knows_it_on_this_machine_and_not_on_another(
    world: World, tmp_path: Path
) -> None:
    file = tmp_path / "cache" / "null_rates.json"
    calibrations(world, file).null_rate_per_s(PLAN, placement=SHARED)
    calibrations(world, file).null_rate_per_s(PLAN, placement=SHARED)
    assert world.loads == 1
    calibrations(world, file, host="there").null_rate_per_s(PLAN, placement=SHARED)
    assert world.loads == 2
    calibrations(world, file).null_rate_per_s(PLAN, placement=SHARED)
    assert world.loads == 2


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"rates_per_s": {"x": "y"}}', b'{"rates_per_s": {"x": 0.0}}']
)
def test_a_spoiled_cache_is_an_empty_one(content: bytes, world: World, tmp_path: Path) -> None:
    file = tmp_path / "null_rates.json"
    file.write_bytes(content)
    assert calibrations(world, file).null_rate_per_s(PLAN, placement=SHARED) == pytest.approx(
        1000.0
    )
    calibrations(world, file).null_rate_per_s(PLAN, placement=SHARED)
    assert world.loads == 1


def test_the_rate_of_a_null_server_that_ended_too_soon_is_not_kept(
    world: World, tmp_path: Path
) -> None:
    file = tmp_path / "null_rates.json"
    world.current = Script(service_s=0.001, dies_under_load=True)
    with pytest.raises(TrialInvalid, match="the null server ended while it was measured"):
        calibrations(world, file).null_rate_per_s(PLAN, placement=SHARED)
    assert not file.exists()
    world.current = Script(service_s=0.001)
    assert calibrations(world, file).null_rate_per_s(PLAN, placement=SHARED) > 0


def test_a_cache_that_cannot_be_written_is_done_without(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    known = calibrations(world, tmp_path / "file" / "null_rates.json")
    assert known.null_rate_per_s(PLAN, placement=SHARED) == pytest.approx(1000.0)


@pytest.mark.live
def test_the_real_null_server_is_loaded_and_gone() -> None:
    real = dataclasses.replace(machinery.real(), calibration_file=None)
    plan = msgspec.structs.replace(PLAN, connections=Connections.KEPT)
    assert Calibrations(real).null_rate_per_s(plan, placement=SHARED) > 100
