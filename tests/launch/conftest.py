import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from servelab.launch.server import RunningServer, launched
from servelab.launch.supervisor import RUN_VARIABLE
from servelab.linux import ports, procfs, sockets
from servelab.model.address import LOOPBACK, Address
from servelab.model.launch import LaunchCommand

FAULTY = Path(__file__).parent / "faulty"
DEADLINE_S = 30.0

_ports = itertools.count(24000 + os.getpid() % 100 * 10)


@pytest.fixture
def address() -> Iterator[Address]:
    """Yield a free address; afterwards nobody may listen there."""
    chosen = Address(LOOPBACK, ports.next_free_port(next(_ports)))
    yield chosen
    assert not sockets.listeners(port=chosen.port)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    before = open_files()
    yield
    left = [pid for pid in procfs.process_ids() if carries_run(pid)]
    assert not left
    assert eventually(lambda: open_files() <= before, within_s=10)


def carries_run(pid: int) -> bool:
    """Tell whether a process was started in a run of this test process's children."""
    environment = procfs.read_bytes(f"/proc/{pid}/environ") or b""
    variables = environment.split(b"\0")
    return MARK.encode() in variables and any(
        each.startswith(f"{RUN_VARIABLE}=".encode()) for each in variables
    )


MARK = f"TZ=servelab-test-{os.getpid()}"


def open_files() -> int:
    return len(procfs.names_in("/proc/self/fd"))


def command_for(fault: str, *, port: int) -> LaunchCommand:
    script = str(FAULTY / "server.py")
    return LaunchCommand(argv=(sys.executable, "-S", script, fault, str(port)))


Launch = Callable[..., AbstractContextManager[RunningServer]]


@pytest.fixture
def launch(tmp_path: Path, address: Address) -> Launch:
    """Return a function that runs the faulty server with the fault that is named."""

    def run(
        fault: str,
        *,
        address: Address | None = address,
        port: int = address.port,
        grace_s: float = DEADLINE_S,
        cpus: frozenset[int] | None = None,
        variables: dict[str, str] | None = None,
    ) -> AbstractContextManager[RunningServer]:
        return launched(
            command_for(fault, port=port),
            programs=None,
            directory=tmp_path,
            variables={"TZ": MARK.removeprefix("TZ="), **(variables or {})},
            log=tmp_path / "server.log",
            address=address,
            cpus=cpus,
            grace_s=grace_s,
        )

    return run


def ask(address: Address, *, question: bytes = b"", timeout_s: float = DEADLINE_S) -> str | None:
    """Probe the faulty server."""
    try:
        with socket.create_connection((address.host, address.port), timeout_s) as connection:
            if question:
                connection.sendall(question)
            answer = connection.recv(10)
    except OSError as error:
        return str(error)
    return None if answer == b"ok" else f"answered {answer!r}"


def eventually(condition: Callable[[], bool], *, within_s: float = DEADLINE_S) -> bool:
    """Tell whether the condition comes true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def foreign(fault: str, *, port: int) -> Iterator[int]:
    """Run the faulty server outside of servelab; yield its process number."""
    process = subprocess.Popen(
        command_for(fault, port=port).argv, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
