"""Each workload for real, on a few servers that differ in how they call the work."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from servelab import catalogue
from servelab.environment import interpreters
from servelab.environment.build import ensure
from servelab.launch.server import RunningServer, launched
from servelab.linux import ports
from servelab.load.generator import generate, probe, read_records
from servelab.load.records import Records
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment
from servelab.model.load import ClosedLoop, Connections, LoadPlan
from servelab.model.outcome import Outcome
from servelab.served import workloads

pytestmark = pytest.mark.live

DEADLINE_S = 60
REQUESTS = 60
GEVENT, ASGI = "async-gevent-gunicorn:processes=2", "async-fastapi:processes=2"
POOL, GRPC = "async-fastapi-process-pool", "sync-grpc-processes:processes=2,threads=5"
GRPC_AIO = "async-grpc"
PARAMETERS: dict[str, dict[str, str]] = {"mixed": {"num": "10"}}
STACKS = {
    "hello": (GEVENT, GRPC),
    "json": (GEVENT, ASGI, POOL, GRPC_AIO),
    "sleep": (GEVENT, ASGI, GRPC),
    "mixed": (ASGI, GRPC_AIO),
    "db": (GEVENT, POOL, GRPC, GRPC_AIO),
}


def plan(
    deployment: Deployment, workload: str, *, parameters: dict[str, str], address: Address
) -> LoadPlan:
    protocol = catalogue.protocol_of(deployment)
    check = {"workload": workload, "parameters": parameters, "protocol": protocol.value}
    return LoadPlan(
        target=address,
        protocol=protocol,
        request=catalogue.request_for(deployment, workload, parameters),
        check="servelab.load.answers:workload_check",
        check_parameters=msgspec.json.encode(check).decode(),
        load=ClosedLoop(callers=8),
        requests=REQUESTS,
        connections=Connections.FRESH,
        channels=4,
        timeout_s=DEADLINE_S,
    )


@contextmanager
def served(
    deployment: Deployment, workload: str, *, place: Path, parameters: dict[str, str]
) -> Iterator[tuple[RunningServer, LoadPlan]]:
    """Run a deployment with one workload, as a trial does."""
    address = Address(LOOPBACK, ports.next_free_port(3400))
    environment = ensure(
        catalogue.environment_spec(deployment.server), interpreter=interpreters.own_interpreter()
    )
    files = place / "files"
    files.mkdir()
    with launched(
        catalogue.launch_command(
            deployment, address=address, longest_drain_s=DEADLINE_S, cpu_count=2
        ),
        programs=environment.programs,
        directory=catalogue.application_directory(deployment),
        python_path=(catalogue.served_path(),),
        variables={
            workloads.COUNTERS_VARIABLE: str(place / "counters"),
            workloads.FOLDER_VARIABLE: str(files),
            workloads.MOUNTED_VARIABLE: workload,
        },
        log=place / "log",
        address=address,
    ) as server:
        asked = plan(deployment, workload, parameters=parameters, address=address)

        def ask() -> str | None:
            answer = probe(asked, timeout_s=DEADLINE_S)
            return None if answer.is_ok else answer.reason

        server.wait_ready(ask, timeout_s=DEADLINE_S)
        yield server, asked


def load(asked: LoadPlan, *, place: Path) -> Records:
    result = generate(asked, records=place / "records.parquet")
    assert result.outcomes == {Outcome.OK.label: REQUESTS}, result.samples
    return read_records(result.records)


def require_counts(place: Path) -> None:
    assert sum(slot.answered for slot in workloads.read_slots(place / "counters")) == REQUESTS


@pytest.mark.parametrize(
    ("workload", "stack"), [(name, stack) for name, stacks in STACKS.items() for stack in stacks]
)
def test_every_call_is_answered_rightly(workload: str, stack: str, tmp_path: Path) -> None:
    (deployment,) = catalogue.find_deployments(stack)
    parameters = PARAMETERS.get(workload, {})
    with served(deployment, workload, place=tmp_path, parameters=parameters) as (_, asked):
        records = load(asked, place=tmp_path)
    require_counts(tmp_path)
    assert records.body_bytes.min() > (95_000 if workload == "json" else 0)


@pytest.mark.parametrize("stack", ["sync-uwsgi:processes=2,threads=4", ASGI])
def test_orders_of_all_processes_are_in_one_database(stack: str, tmp_path: Path) -> None:
    (deployment,) = catalogue.find_deployments(stack)
    with served(deployment, "db", place=tmp_path, parameters={}) as (_, asked):
        records = load(asked, place=tmp_path)
    require_counts(tmp_path)
    assert records.body_bytes.min() > 0
    assert len(set(records.worker_pid.tolist())) == 2
    with closing(sqlite3.connect(tmp_path / "files" / "shop.db")) as connection:
        ((orders,),) = connection.execute("SELECT count(*) FROM shop_order").fetchall()
    # The probes of readiness order, too.
    assert orders >= REQUESTS + 1


def test_a_server_imports_nothing_for_workloads_that_it_does_not_serve(tmp_path: Path) -> None:
    (deployment,) = catalogue.find_deployments("async-fastapi:processes=1")
    with served(deployment, "hello", place=tmp_path, parameters={}) as (server, asked):
        worker_pid = probe(asked, timeout_s=DEADLINE_S).worker_pid
        assert server.is_alive()
        mapped = Path(f"/proc/{worker_pid}/maps").read_text()
    assert "pydantic_core" in mapped
    assert "numpy" not in mapped
    assert "aiohttp" not in mapped
