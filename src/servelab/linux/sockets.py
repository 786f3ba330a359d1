"""Listening TCP sockets of this network namespace, and whose they are."""

import os
import pwd
import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from servelab.linux import procfs
from servelab.model.address import Address

_LISTEN = "0A"
_UNIX_FIELDS = 8
_ACCEPTS_CONNECTIONS = 1 << 16
"""``__SO_ACCEPTCON`` of the kernel's net.h."""


class Listener(NamedTuple):
    """A listening TCP socket."""

    host: str
    port: int
    inode: int
    user_id: int

    @property
    def user(self) -> str:
        """Return the name of the user who made it, or the number where there is no name."""
        try:
            return pwd.getpwuid(self.user_id).pw_name
        except KeyError:
            return str(self.user_id)

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach it."""
        return _ipv4_or_ipv6(self.host).is_loopback

    def takes(self, address: Address) -> bool:
        """Tell whether it may get connections that are made to the address.

        A listener on ``::`` may, or may not, take IPv4 as well; the kernel does not show which,
        so it counts as one that does.
        """
        if self.port != address.port:
            return False
        own, asked = _ipv4_or_ipv6(self.host), _ipv4_or_ipv6(address.host)
        if own.is_unspecified:
            return own.version == asked.version or own.version == IPv6Address(0).version
        return own == asked or asked.is_unspecified

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class OwnedListener(NamedTuple):
    """A listener with the processes that hold it, as far as they can be seen."""

    listener: Listener
    pids: tuple[int, ...]

    def __str__(self) -> str:
        user = f"user {self.listener.user}"
        if not self.pids:
            return f"a process of {user}"
        stat = procfs.read_stat(self.pids[0])
        name = f" ({stat.name})" if stat else ""
        return f"process {self.pids[0]}{name} of {user}"


def listeners(*, port: int | None = None) -> tuple[Listener, ...]:
    """List the listening sockets, on one port or on all."""
    found = [*_read("/proc/net/tcp"), *_read("/proc/net/tcp6")]
    return tuple(each for each in found if port is None or each.port == port)


def unix_inodes(path: Path) -> frozenset[int]:
    """Return the inodes of the sockets that listen at a path."""
    with suppress(FileNotFoundError), open("/proc/net/unix", "rb") as lines:  # noqa: PTH123  # a path of /proc
        next(lines, None)
        return frozenset(parse_unix_listeners(lines, path=path))
    return frozenset()


def parse_unix_listeners(lines: Iterable[bytes], *, path: Path) -> Iterator[int]:
    """Yield the inodes of those lines of ``/proc/net/unix`` whose sockets listen at a path."""
    wanted = os.fsencode(path)
    for line in lines:
        # Num, users, protocol, flags, type, state, inode, path; a path may hold spaces.
        fields = line.rstrip(b"\n").split(maxsplit=7)
        is_named = len(fields) == _UNIX_FIELDS and fields[7] == wanted
        if is_named and int(fields[3], 16) & _ACCEPTS_CONNECTIONS:
            yield int(fields[6])


def parse_listeners(lines: Iterator[str]) -> Iterator[Listener]:
    """Parse the lines of ``/proc/net/tcp`` or ``tcp6``, their heading left out."""
    for line in lines:
        fields = line.split()
        # Listening sockets come first, so that thousands in TIME_WAIT need not be read.
        if fields[3] != _LISTEN:
            return
        host, _, port = fields[1].partition(":")
        yield Listener(_decode_host(host), int(port, 16), int(fields[9]), int(fields[7]))


def socket_inodes(pids: Collection[int]) -> frozenset[int]:
    """Return the inodes of all sockets that these processes hold, as far as we may look."""
    return frozenset(inode for pid in pids for inode in _socket_inodes(pid))


def with_owners(found: Collection[Listener]) -> tuple[OwnedListener, ...]:
    """Look up who holds these listeners, among all processes that we may look into."""
    wanted = {listener.inode for listener in found}
    holders: dict[int, list[int]] = {}
    for pid in procfs.process_ids() if wanted else ():
        for inode in wanted & set(_socket_inodes(pid)):
            holders.setdefault(inode, []).append(pid)
    return tuple(OwnedListener(each, _pids(holders, each.inode)) for each in found)


def _pids(holders: Mapping[int, list[int]], inode: int) -> tuple[int, ...]:
    return tuple(sorted(holders.get(inode, ())))


def _read(path: str) -> Iterator[Listener]:
    with suppress(FileNotFoundError), open(path, encoding="ascii") as lines:  # noqa: PTH123  # a path of /proc
        next(lines, None)
        yield from parse_listeners(iter(lines))


def _socket_inodes(pid: int) -> Iterator[int]:
    folder = f"/proc/{pid}/fd"
    for name in procfs.names_in(folder):
        with suppress(OSError):
            target = os.readlink(f"{folder}/{name}")  # noqa: PTH115  # thousands of them
            if target.startswith("socket:["):
                yield int(target[8:-1])


def _decode_host(digits: str) -> str:
    # Words of 32 bits, each in the byte order of the machine.
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, packed)


def _ipv4_or_ipv6(host: str) -> IPv4Address | IPv6Address:
    address = ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
