"""A front between the generator and the server: where both listen, and its process.

It is there before the server and after it, as the one of a machine is which outlives the servers
behind it: what it has taken is still answered while the server ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from servelab import catalogue
from servelab.launch.server import RunningServer
from servelab.measure.machinery import Machinery
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment
from servelab.model.front import FrontUse
from servelab.model.launch import ConfigurationFile
from servelab.model.load import ClosedLoop
from servelab.model.placement import Placement
from servelab.model.trial import TrialSpec
from servelab.store.folder import RunFolder

FIRST_UPSTREAM_PORT = 3200
LONGEST_SOCKET_PATH_BYTES = 107
"""What ``sun_path`` of unix(7) holds, without the null at its end."""
READY_TIMEOUT_S = 20.0
_SOCKET = "server.sock"


@dataclass(frozen=True, kw_only=True)
class RunningFront:
    """A front that takes connections."""

    server: RunningServer
    use: FrontUse


def obstacle(deployment: Deployment, *, machinery: Machinery) -> str | None:
    """Say in a sentence why its front cannot run on this machine; None where it can."""
    front = catalogue.front_of(deployment)
    if front is None or machinery.find_program(front.program) is not None:
        return None
    return f"{front.name} is not installed; install it ({front.installing})."


def upstream(
    deployment: Deployment, *, place: Path, address: Address, machinery: Machinery
) -> Address | Path:
    """Return where a server listens behind a front that has this address.

    That is a unix socket where it can have one, else a port of its own.
    """
    path = place / _SOCKET
    if catalogue.takes_unix_socket(deployment) and len(bytes(path)) <= LONGEST_SOCKET_PATH_BYTES:
        return path
    port = machinery.free_port(FIRST_UPSTREAM_PORT)
    if port == address.port:
        port = machinery.free_port(port + 1)
    return Address(LOOPBACK, port)


@contextmanager
def running(
    spec: TrialSpec,
    *,
    place: Path,
    address: Address,
    upstream: Address | Path,
    placement: Placement,
    folder: RunFolder,
    machinery: Machinery,
) -> Iterator[RunningFront | None]:
    """Run the front of a trial while the block lasts, its files in `place`; None: it has none.

    Raise PortBusy or ServerFailed, as a server that cannot start.
    """
    front = catalogue.front_of(spec.deployment)
    if front is None:
        yield None
        return
    written = front.configuration(
        catalogue.FrontRequest(
            address=address,
            upstream=upstream,
            protocol=catalogue.protocol_of(spec.deployment),
            cpu_count=placement.server_core_count,
            clients=_clients(spec),
            longest_answer_s=spec.timeout_s,
            listen_limit=machinery.listen_limit,
            superuser=machinery.superuser,
        )
    )
    kept = folder.path / "logs" / f"{spec.id}.{written.name}"
    for file in (place / written.name, kept):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(written.text)
    log = folder.path / "logs" / f"{spec.id}.{front.name}.log"
    program = machinery.find_program(front.program)
    command = written.command
    if program is not None:
        command = msgspec.structs.replace(command, argv=(str(program), *command.argv[1:]))
    with machinery.launch(
        command,
        programs=None,
        directory=place,
        log=log,
        address=address,
        cpus=frozenset(placement.server_cpus),
    ) as server:
        server.wait_ready(lambda: None, timeout_s=READY_TIMEOUT_S)
        yield RunningFront(
            server=server,
            use=_use(
                front.name, written=written, kept=kept, log=log, upstream=upstream, folder=folder
            ),
        )


def _use(
    name: str,
    *,
    written: ConfigurationFile,
    kept: Path,
    log: Path,
    upstream: Address | Path,
    folder: RunFolder,
) -> FrontUse:
    return FrontUse(
        name=name,
        command=str(written.command),
        configuration=str(kept.relative_to(folder.path)),
        upstream=str(upstream) if isinstance(upstream, Address) else f"unix:{upstream}",
        departures=list(written.command.departures),
        log=str(log.relative_to(folder.path)),
    )


def _clients(spec: TrialSpec) -> int:
    """Return how many connections the generator may have at once."""
    load = spec.load
    if isinstance(load, ClosedLoop):
        return load.callers
    return load.connection_limit or load.in_flight_limit
