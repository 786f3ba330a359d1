"""The slow back-end API: a process beside the measured server, for workloads that call one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servelab import catalogue
from servelab.measure import figures
from servelab.measure.machinery import Machinery
from servelab.model.address import LOOPBACK, Address
from servelab.model.launch import LaunchCommand
from servelab.model.load import ClosedLoop, Connections, LoadPlan, Protocol, Request
from servelab.model.outcome import Outcome
from servelab.model.placement import Placement
from servelab.store import scratch

FIRST_PORT = 3100
READY_TIMEOUT_S = 20.0
_PROBE_TIMEOUT_S = 2.0
_RATE_SECONDS = 2.0
_RATE_CALLERS = 64


@contextmanager
def running(machinery: Machinery, *, placement: Placement, log: Path) -> Iterator[Address]:
    """Run the slow API while the block lasts, and give its address."""
    address = Address(LOOPBACK, machinery.free_port(FIRST_PORT))
    program = catalogue.served_path() / "slow_api.py"
    command = LaunchCommand(
        argv=(sys.executable, str(program), "--host", address.host, "--port", str(address.port))
    )
    with machinery.launch(
        command,
        programs=None,
        directory=program.parent,
        log=log,
        address=address,
        cpus=frozenset(placement.back_end_cpus),
    ) as server:
        health = _plan(address, path="/health")

        def ask() -> str | None:
            answer = machinery.probe(health, _PROBE_TIMEOUT_S)
            return None if answer.outcome is Outcome.OK else answer.reason

        server.wait_ready(ask, timeout_s=READY_TIMEOUT_S)
        yield address


def measure_rate_per_s(machinery: Machinery, *, placement: Placement) -> float:
    """Return how many calls per second the slow API answers when it need not be slow.

    The generator's own limit is in it: what the two carry together.
    """
    with scratch.folder() as place:
        log = place / "slow_api.log"
        with running(machinery, placement=placement, log=log) as address:
            result = machinery.generate(
                _plan(address, path="/?delay=0"),
                records=place / "records.parquet",
                cpus=placement.generator_cpus,
                on_progress=lambda _: None,
                should_stop=lambda: None,
            )
    return figures.rate_of_bare_load_per_s(result, of="the slow API")


def _plan(address: Address, *, path: str) -> LoadPlan:
    return LoadPlan(
        target=address,
        protocol=Protocol.HTTP,
        request=Request(path=path),
        check="servelab.load.answers:any_answer",
        load=ClosedLoop(callers=_RATE_CALLERS),
        duration_s=_RATE_SECONDS,
        connections=Connections.KEPT,
    )
