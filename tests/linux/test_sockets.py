import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from servelab.errors import CannotRunHere, PortBusy
from servelab.linux import ports, sockets
from servelab.linux.ports import PortRange
from servelab.linux.sockets import Listener
from servelab.model.address import LOOPBACK, Address

FIRST_PORT = 25200

TAIL = "00000000:00000000 00:00000000 00000000"


@contextmanager
def listening(host: str, *, port: int | None = None) -> Iterator[int]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        chosen = port or ports.next_free_port(FIRST_PORT)
        listener.bind((host, chosen))
        listener.listen()
        yield chosen


def test_addresses_of_both_families_are_decoded() -> None:
    lines = [
        f"   0: 0100007F:0BB8 00000000:0000 0A {TAIL}  1000        0 4711 1",
        f"   1: 00000000:0BB9 00000000:0000 0A {TAIL}     0        0 4712 1",
        f"   2: 0000000000000000FFFF00000100007F:0BBA {'0' * 32}:0000 0A {TAIL} 7 0 4713 1",
        f"   3: 00000000000000000000000001000000:0BBB {'0' * 32}:0000 0A {TAIL} 7 0 4714 1",
    ]
    assert list(sockets.parse_listeners(iter(lines))) == [
        Listener("127.0.0.1", 3000, 4711, 1000),
        Listener("0.0.0.0", 3001, 4712, 0),  # noqa: S104
        Listener("::ffff:127.0.0.1", 3002, 4713, 7),
        Listener("::1", 3003, 4714, 7),
    ]


def test_connections_after_the_listeners_are_not_read() -> None:
    def lines() -> Iterator[str]:
        yield f"   0: 0100007F:0BB8 00000000:0000 0A {TAIL}  0 0 1 1"
        yield f"   1: 0100007F:0BB8 0100007F:9999 06 {TAIL}  0 0 0 1"
        pytest.fail("it read on")

    assert len(list(sockets.parse_listeners(lines()))) == 1


@pytest.mark.parametrize(
    ("host", "takes"),
    [
        ("127.0.0.1", True),
        ("0.0.0.0", True),  # noqa: S104
        ("::", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:0.0.0.0", True),
        ("::1", False),
        ("127.0.0.2", False),
    ],
)
def test_a_listener_takes_connections_to_its_address_and_through_wildcards(
    host: str, *, takes: bool
) -> None:
    assert Listener(host, 3000, 1, 0).takes(Address(LOOPBACK, 3000)) is takes
    assert not Listener(host, 3001, 1, 0).takes(Address(LOOPBACK, 3000))


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("::", False)],
)
def test_a_loopback_listener_is_known(host: str, *, is_loopback: bool) -> None:
    assert Listener(host, 3000, 1, 0).is_loopback is is_loopback


def test_a_listener_is_found_with_its_process() -> None:
    with listening(LOOPBACK) as port:
        (found,) = sockets.with_owners(sockets.listeners(port=port))
        assert found.pids == (os.getpid(),)
        assert found.listener.inode in sockets.socket_inodes([os.getpid()])
        assert f"process {os.getpid()} (" in str(found)
    assert sockets.listeners(port=port) == ()


def test_a_listener_whose_process_is_hidden_is_named_by_its_user() -> None:
    hidden = sockets.OwnedListener(Listener(LOOPBACK, 1, 2, 0), ())
    assert str(hidden) == "a process of user root"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"])  # noqa: S104
def test_a_busy_port_is_passed_over_in_every_family(host: str) -> None:
    with listening(host) as port:
        address = Address(LOOPBACK, port)
        assert not ports.is_free(address)
        assert ports.next_free_port(port) > port
        with pytest.raises(PortBusy, match=f"Port {port} is taken: process {os.getpid()}"):
            ports.refuse_if_busy(address)


def test_a_port_with_connections_in_time_wait_is_free() -> None:
    with listening(LOOPBACK) as port, socket.create_connection((LOOPBACK, port)) as client:
        client.shutdown(socket.SHUT_WR)
    assert ports.can_bind(Address(LOOPBACK, port))


def test_a_free_port_lies_outside_the_ephemeral_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "ephemeral_range", lambda: PortRange(FIRST_PORT, FIRST_PORT + 9))
    assert ports.next_free_port(FIRST_PORT) > FIRST_PORT + 9


CLAIM = """
import sys
from servelab.linux import ports
first = int(sys.argv[1])
print(ports.claim_free_port(first), ports.claim_free_port(first), flush=True)
sys.stdin.readline()
"""


def test_processes_that_choose_at_once_choose_different_ports() -> None:
    words = [sys.executable, "-c", CLAIM, str(FIRST_PORT)]
    claimants = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    chosen = []
    for claimant in claimants:
        assert claimant.stdout is not None
        first, again = claimant.stdout.readline().split()
        assert first == again  # its own claim is no obstacle
        chosen.append(int(first))
    for claimant in claimants:
        claimant.communicate("\n")
    assert len(set(chosen)) == len(claimants)
    # A claim ends with its process, however it ended.
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert int(ended.stdout.split()[0]) <= min(chosen)


def test_no_free_port_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "ephemeral_range", lambda: PortRange(1, 65535))
    with pytest.raises(CannotRunHere, match=r"narrow net\.ipv4\.ip_local_port_range"):
        ports.next_free_port(3000)


def test_the_kernels_ephemeral_range_is_read() -> None:
    chosen: Callable[[], PortRange] = ports.ephemeral_range
    assert 0 < chosen().lowest < chosen().highest <= 65535


def test_listeners_on_a_unix_socket_are_found_by_their_whole_path() -> None:
    lines = [
        b"ffff8880: 00000002 00000000 00010000 0001 01 4711 /run/with two  spaces/a.sock\n",
        b"ffff8881: 00000003 00000000 00000000 0001 03 4712 /run/with two  spaces/a.sock\n",
        b"ffff8882: 00000002 00000000 00010000 0001 01 4713 /run/with two  spaces/a.sock2\n",
        b"ffff8883: 00000002 00000000 00010000 0001 01 4714 @/run/abstract\n",
        b"ffff8884: 00000003 00000000 00000000 0001 03 4715\n",
    ]
    path = Path("/run/with two  spaces/a.sock")
    assert list(sockets.parse_unix_listeners(lines, path=path)) == [4711]


@pytest.mark.live
def test_the_kernel_shows_who_listens_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "a b.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
        assert sockets.unix_inodes(path) == frozenset()
        listener.listen()
        (inode,) = sockets.unix_inodes(path)
        assert inode in sockets.socket_inodes((os.getpid(),))
    assert sockets.unix_inodes(path) == frozenset()
