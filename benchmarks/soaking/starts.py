"""Servers that start and stop while the loads go on."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from servelab.errors import ServelabError, ServerExited, ServerNotReady
from servelab.launch.server import launched
from servelab.launch.supervisor import RUN_VARIABLE
from servelab.linux import procfs, sockets
from servelab.model.address import Address
from servelab.model.launch import LaunchCommand

FAULTY_SERVER = Path(__file__).resolve().parents[2] / "tests" / "launch" / "faulty" / "server.py"


class Start(NamedTuple):
    """A server that is started, and what must come of it."""

    fault: str
    raises: type[ServelabError] | None = None
    ready_s: float = 30.0


STARTS = (
    Start("healthy"),
    Start("workers"),
    Start("exits", ServerExited),
    Start("exits_late", ServerExited),
    Start("never_listens", ServerNotReady, ready_s=0.3),
    Start("daemon_child"),
    Start("ignores_sigterm"),
    Start("floods"),
    Start("listens_wide", ServerNotReady),
)


def start_and_stop(start: Start, *, address: Address, folder: Path) -> Iterator[str]:
    """Start a server and stop it; yield what is not as it should be."""
    words = (sys.executable, "-S", str(FAULTY_SERVER), start.fault, str(address.port))
    raised, tag = None, ""
    try:
        with launched(
            LaunchCommand(argv=words),
            programs=None,
            directory=folder,
            log=folder / "server.log",
            address=address,
            grace_s=0.3,
        ) as server:
            tag = server._tag  # noqa: SLF001 - what is left carries it
            server.wait_ready(lambda: _ask(address), timeout_s=start.ready_s)
    except ServelabError as error:
        raised = error
    if type(raised) is not (start.raises or type(None)):
        yield f"{start.fault}: {raised!r}"
    if tag and procfs.tagged(RUN_VARIABLE, value=tag):
        yield f"{start.fault}: processes are left"
    if sockets.listeners(port=address.port):
        yield f"{start.fault}: somebody listens on {address}"


def _ask(address: Address) -> str | None:
    try:
        with socket.create_connection((address.host, address.port), 5) as connection:
            return None if connection.recv(10) == b"ok" else "another answer"
    except OSError as error:
        return str(error)
