"""Ports that a server can have: free, and outside the range of outgoing connections."""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from servelab.errors import CannotRunHere, PortBusy
from servelab.linux import sockets
from servelab.model.address import LOOPBACK, Address

DEFAULT_PORT = 3000
HIGHEST_PORT = 65535

_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LISTEN_LIMIT_FILE = Path("/proc/sys/net/core/somaxconn")


class PortRange(NamedTuple):
    """Ports from the lowest to the highest, both included."""

    lowest: int
    highest: int

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.lowest <= port <= self.highest


def ephemeral_range() -> PortRange:
    """Read the ports that the kernel gives to outgoing connections.

    A server's port must lie outside: there, a poll of a closed port can connect to itself.
    """
    try:
        lowest, highest = _RANGE_FILE.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return PortRange(32768, 60999)
    return PortRange(int(lowest), int(highest))


def next_free_port(first: int = DEFAULT_PORT, *, host: str = LOOPBACK) -> int:
    """Return this port, or the next one which is free and not ephemeral; CannotRunHere."""
    return next(_free_ports(first, host=host))


def claim_free_port(first: int = DEFAULT_PORT, *, host: str = LOOPBACK) -> int:
    """Return the next free port that no other servelab has claimed; CannotRunHere.

    Between the choice and the server's listening there is time for another servelab to choose the
    same; so this process claims it until it ends.
    """
    return next(port for port in _free_ports(first, host=host) if _is_claimed(port))


_claims: dict[int, int] = {}
"""Port -> the descriptor that holds the claim; the kernel drops it with this process."""


def _is_claimed(port: int) -> bool:
    """Claim a port; tell whether it is this process's now.

    A name of an abstract socket belongs to one process of a network, as a port does, and leaves no
    file behind.
    """
    if port in _claims:
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
        try:
            claim.bind(f"\0servelab-port-{port}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        _claims[port] = claim.detach()
    return True


def _free_ports(first: int, *, host: str) -> Iterator[int]:
    ephemeral = ephemeral_range()
    for port in range(first, HIGHEST_PORT + 1):
        if port not in ephemeral and is_free(Address(host, port)):
            yield port
    raise CannotRunHere(
        f"No port from {first} up is free outside the range of outgoing connections "
        f"({ephemeral.lowest}-{ephemeral.highest}); "
        "narrow net.ipv4.ip_local_port_range or name a lower port with --port."
    )


def is_free(address: Address) -> bool:
    """Tell whether a server could listen here and would be the only one."""
    return not owners(address) and can_bind(address)


def owners(address: Address) -> tuple[sockets.OwnedListener, ...]:
    """Return the listeners that take connections to the address, wildcards included."""
    return sockets.with_owners(
        [each for each in sockets.listeners(port=address.port) if each.takes(address)]
    )


def can_bind(address: Address) -> bool:
    """Tell whether the address can be bound: by a socket that shares it with nobody.

    SO_REUSEADDR, because connections of an earlier trial may rest in TIME_WAIT; not SO_REUSEPORT,
    which would let another program answer a part of the requests.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def refuse_if_busy(address: Address) -> None:
    """Raise PortBusy, naming the owner, where the address belongs to somebody."""
    if found := owners(address):
        owner = found[0]
        raise PortBusy(
            f"Port {address.port} is taken: {owner} listens on {owner.listener}; "
            "stop it, or choose another port with --port."
        )
    if not can_bind(address):
        raise PortBusy(
            f"Port {address.port} cannot be bound on {address.host}: it is reserved, or bound by "
            "a program that does not listen yet; choose another port with --port."
        )


def listen_limit() -> int:
    """Read the longest backlog that the kernel gives to a listening socket."""
    try:
        return int(_LISTEN_LIMIT_FILE.read_text(encoding="ascii"))
    except FileNotFoundError:
        return socket.SOMAXCONN
