"""Faults of the network, of the generator's limits, and of names."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from servelab.cli import main
from servelab.explain import disturbance
from servelab.host.noise import Watch
from servelab.linux import netstat
from servelab.model.load import ClosedLoop, Connections
from tests.faults.conftest import DEADLINE_S
from tests.load.fault_server import right, serving
from tests.load.loads import plan_for, run

pytestmark = pytest.mark.live


@pytest.mark.skipif(netstat.listen_overflows() is None, reason="the kernel does not count it")
def test_fault_21_a_backlog_that_overflows_is_in_the_response_times_and_shown(
    tmp_path: Path,
) -> None:
    watch = Watch()
    before = netstat.listen_overflows()
    assert before is not None
    # The server accepts nobody until the queue has overflowed.
    with serving(
        right, backlog=3, accepts_once=lambda: (netstat.listen_overflows() or 0) > before
    ) as server:
        plan = plan_for(
            server.address,
            load=ClosedLoop(callers=8),
            requests=8,
            connections=Connections.FRESH,
        )
        with watch, watch.loading():
            result, records = run(plan, tmp_path)
    assert result.outcomes == {"ok": 8}
    assert sorted(server.received) == [b"%016d" % number for number in range(8)]
    tried_again = records.connection_wait_s > 0.9
    assert 1 <= tried_again.sum() <= 7
    assert (records.response_time_s[tried_again] > 0.9).all()
    assert (records.generator_delay_s < 0.9).all()
    noise = watch.noise()
    assert noise is not None
    assert noise.listen_overflows is not None
    assert noise.listen_overflows >= tried_again.sum()
    (shown,) = [
        each.text
        for each in disturbance.warnings(noise)
        if each.kind == disturbance.LISTEN_OVERFLOW
    ]
    assert shown.startswith(f"{noise.listen_overflows} connections found a listener's queue full")


def load_alone(folder: Path, *words: str, first: str = "") -> tuple[int, dict[str, Any]]:
    """Run `servelab load` as a program, after some preparation; return status and trial."""
    program = f"{first}\nfrom servelab.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program, "load", *words, "--json"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        cwd=folder,
    )
    assert done.stdout, done.stderr
    (trial,) = json.loads(done.stdout)["trials"]
    return done.returncode, trial


FEW_FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))"


def test_fault_22_a_generator_without_files_is_invalid_and_says_the_remedy(tmp_path: Path) -> None:
    with serving(right) as server:
        words = (f"http://{server.address}/", "-c", "100", "-n", "300")
        status, trial = load_alone(tmp_path, *words, first=FEW_FILES)
    assert status == 3
    assert trial["status"] == "invalid"
    assert "raise net.ipv4.ip_local_port_range or ulimit -n" in trial["reason"]
    require_short_of(trial, received=len(server.received))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have a network of its own")
def test_fault_22_a_generator_without_ports_is_invalid_and_says_the_remedy(tmp_path: Path) -> None:
    with network_with_ports("40000 40009", folder=tmp_path) as (way_in, address):
        words = (f"http://{address}/", "-c", "40", "-n", "120")
        status, trial = load_alone(tmp_path, *words, first=way_in)
    received = int((tmp_path / "received").read_text())
    assert status == 3
    assert trial["status"] == "invalid"
    assert "raise net.ipv4.ip_local_port_range or ulimit -n" in trial["reason"]
    require_short_of(trial, received=received)


def require_short_of(trial: dict[str, Any], *, received: int) -> None:
    ledger = trial["ledger"]
    assert set(ledger) == {"scheduled", "sent", "ok", "client resource"}
    assert ledger["client resource"] > 0
    assert ledger["ok"] == received
    assert ledger["ok"] + ledger["client resource"] == ledger["scheduled"]


SERVE_APART = """
import ctypes, fcntl, socket, struct, sys, threading
from pathlib import Path
if ctypes.CDLL(None).unshare(0x40000000) != 0:  # CLONE_NEWNET
    sys.exit()
with socket.socket() as one:
    flags = struct.unpack("16sh", fcntl.ioctl(one, 0x8913, struct.pack("16sh", b"lo", 0)))[1]
    fcntl.ioctl(one, 0x8914, struct.pack("16sh", b"lo", flags | 1))  # SIOCSIFFLAGS, IFF_UP
Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(sys.argv[1])
from tests.load.fault_server import Connection, FaultServer, right
server = FaultServer(right, Connection)
threading.Thread(target=server.run, daemon=True).start()
print(server.address.port, flush=True)
sys.stdin.readline()
Path(sys.argv[2]).write_text(str(len(server.received)))
"""
WAY_IN = """
import ctypes, os
there = os.open("/proc/{pid}/ns/net", os.O_RDONLY)
assert ctypes.CDLL(None).setns(there, 0x40000000) == 0
os.close(there)
"""


@contextmanager
def network_with_ports(limits: str, *, folder: Path) -> Iterator[tuple[str, str]]:
    """Have a network of its own with few ports, and a server in it; give the way in."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE_APART, limits, str(folder / "received")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            pytest.skip("no network of its own is to be had here")
        try:
            yield WAY_IN.format(pid=process.pid), f"127.0.0.1:{port}"
        finally:
            process.stdin.write("\n")
            process.stdin.flush()
            process.wait(DEADLINE_S)


def test_fault_33_a_name_that_resolves_slowly_and_differently_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    original = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host != "service.test":
            return original(host, port, *rest, **more)
        asked.append(host)
        time.sleep(0.3)
        return original("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.chdir(tmp_path)
    with serving(right) as server:
        port = server.address.port
        with socket.create_server(("127.0.0.2", port)) as elsewhere:
            elsewhere.settimeout(0)
            with pytest.raises(SystemExit) as ended:
                main(["load", f"http://service.test:{port}/", "-n", "40", "-c", "2",
                      "--connections", "fresh", "--json"])  # fmt: skip
            with pytest.raises(BlockingIOError):
                elsewhere.accept()
    (trial,) = json.loads(capsys.readouterr().out)["trials"]
    assert ended.value.code == 0
    assert asked == ["service.test"]
    assert trial["ledger"] == {"scheduled": 40, "sent": 40, "ok": 40}
    assert server.connections == 40


def test_fault_36_a_generator_too_slow_for_the_schedule_is_invalid_and_the_server_not_judged(
    tmp_path: Path,
) -> None:
    with serving(right) as server:
        status, trial = load_alone(
            tmp_path, f"http://{server.address}/",
            "--rate", "1000000", "--duration", "0.4", "-c", "2", "--timeout", "1",
        )  # fmt: skip
    assert status == 3
    assert trial["status"] == "invalid"
    assert trial["reason"].startswith("the generator")
    assert trial["ledger"]["ok"] <= server.answered
    assert len(server.received) == len(set(server.received))
    classes = sum(n for name, n in trial["ledger"].items() if name not in {"scheduled", "sent"})
    assert classes == trial["ledger"]["scheduled"]
