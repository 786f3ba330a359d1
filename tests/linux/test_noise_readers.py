"""What the kernel counts of disturbances, from written files of many machines."""

import subprocess
import sys
from pathlib import Path

import pytest

from servelab.linux import netstat, presence, pressure, processors, throttling
from servelab.linux.procfs import PAGE_BYTES, TICKS_PER_S
from servelab.linux.throttling import Throttling

STAT = """\
cpu  60 6 60 600 60 6 60 16 0 0
cpu0 10 1 10 100 10 1 10 5 3 0
cpu1 20 2 20 200 20 2 20 5 0 0
cpu2 30 3 30 300 30 3 30 6 0 0
intr 17303203 0 0
ctxt 17
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file"
    path.write_text(text)
    return path


def test_only_the_cpus_that_are_allowed_are_added_up(tmp_path: Path) -> None:
    found = processors.read({0, 2}, stat_file=written(tmp_path, STAT))
    assert found is not None
    assert found.idle_s * TICKS_PER_S == pytest.approx(100 + 10 + 300 + 30)
    assert found.soft_interrupts_s * TICKS_PER_S == pytest.approx(40)
    assert found.steal_s * TICKS_PER_S == pytest.approx(11)
    # Guest time, the ninth field, is in user time already.
    assert found.total_s * TICKS_PER_S == pytest.approx(147 + 432)
    assert found.are_interrupts_apart


def test_a_cpu_that_is_not_shown_makes_the_whole_unknown(tmp_path: Path) -> None:
    assert processors.read({0, 3}, stat_file=written(tmp_path, STAT)) is None
    assert processors.read({0}, stat_file=tmp_path / "missing") is None
    assert processors.read({0}, stat_file=written(tmp_path, "cpu0 1 2 x\n")) is None


def test_memory_stall_is_what_some_process_waited(tmp_path: Path) -> None:
    text = (
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"
    )
    assert pressure.memory_stall_s(pressure_file=written(tmp_path, text)) == 2.5
    assert pressure.memory_stall_s(pressure_file=written(tmp_path, "some odd")) is None
    assert pressure.memory_stall_s(pressure_file=tmp_path / "none") is None


def test_swapping_is_counted_in_bytes(tmp_path: Path) -> None:
    file = written(tmp_path, "nr_free_pages 7\npswpin 3\npswpout 9\n")
    assert pressure.swapped_in_bytes(vmstat_file=file) == 3 * PAGE_BYTES
    assert pressure.swapped_in_bytes(vmstat_file=written(tmp_path, "pswpin many\n")) is None


def test_available_memory_is_in_bytes(tmp_path: Path) -> None:
    file = written(tmp_path, "MemTotal:  900 kB\nMemFree:  5 kB\nMemAvailable:     700 kB\n")
    assert pressure.available_bytes(meminfo_file=file) == 700 * 1024
    odd = written(tmp_path, "MemAvailable: much\n")
    assert pressure.available_bytes(meminfo_file=odd) is None
    assert pressure.available_bytes(meminfo_file=tmp_path / "none") is None


def cgroups(tmp_path: Path, *, version: int) -> tuple[Path, Path]:
    """Write a hierarchy mounted below the test's folder; return its two files."""
    kind, membership = {
        1: ("cgroup cgroup rw,cpu,cpuacct", "4:cpu,cpuacct:/outer/inner\n3:memory:/elsewhere\n"),
        2: ("cgroup2 cgroup2 rw", "0::/outer/inner\n"),
    }[version]
    inner = tmp_path / "mount" / "outer" / "inner"
    inner.mkdir(parents=True)
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"31 23 0:28 / {tmp_path / 'mount'} rw,relatime - {kind}\n")
    groups = tmp_path / "cgroup"
    groups.write_text(membership)
    return groups, mounts


@pytest.mark.parametrize(("version", "stopped"), [(1, "throttled_time 3000000000"),
                                                  (2, "throttled_usec 3000000")])  # fmt: skip
def test_throttling_is_read_up_to_the_mount(tmp_path: Path, version: int, stopped: str) -> None:
    groups, mounts = cgroups(tmp_path, version=version)
    outer = tmp_path / "mount" / "outer"
    (outer / "cpu.stat").write_text(f"nr_periods 40\nnr_throttled 4\n{stopped}\n")
    # The inner group has no quota: its file may lack the counts altogether.
    (outer / "inner" / "cpu.stat").write_text("usage_usec 12\n")
    found = throttling.read(cgroups_file=groups, mounts_file=mounts)
    assert found == {outer: Throttling(40, 4, 3.0)}


def test_odd_cgroup_files_show_no_throttling(tmp_path: Path) -> None:
    odd = written(tmp_path, "no colons here\n")
    assert throttling.read(cgroups_file=odd, mounts_file=odd) == {}


def test_throttling_gained_is_a_difference() -> None:
    assert Throttling(50, 7, 4.0).since(Throttling(40, 4, 3.0)) == Throttling(10, 3, 1.0)


def test_overflows_are_found_by_their_name(tmp_path: Path) -> None:
    text = (
        "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 5 17 18\n"
        "IpExt: InNoRoutes\nIpExt: 0\n"
    )
    assert netstat.listen_overflows(netstat_file=written(tmp_path, text)) == 17
    other = written(tmp_path, "TcpExt: Other\nTcpExt: 5\n")
    assert netstat.listen_overflows(netstat_file=other) is None
    assert netstat.listen_overflows(netstat_file=tmp_path / "none") is None


def test_another_run_is_seen_while_it_lasts_whatever_ends_it() -> None:
    other = (
        "from servelab.linux import presence\n"
        "import time\n"
        "with presence.announced():\n"
        "    print('here', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with presence.announced() as own:
        before = own.others()
        assert before is not None
        with subprocess.Popen([sys.executable, "-c", other], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            with_other = own.others()
            assert with_other is not None
            assert f"servelab-trial-{process.pid}-" in presence.SOCKETS_FILE.read_text()
            assert with_other >= 1
            process.kill()
            process.wait()
        assert f"servelab-trial-{process.pid}-" not in presence.SOCKETS_FILE.read_text()


def test_runs_are_found_by_their_names(tmp_path: Path) -> None:
    table = written(
        tmp_path,
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "0000000000000000: 00000002 00000000 00000000 0002 01 11 @servelab-trial-7-aa\n"
        "0000000000000000: 00000002 00000000 00000000 0002 01 12 @servelab-trial-8-bb\n"
        "0000000000000000: 00000002 00000000 00000000 0002 01 13 /run/servelab-trial-9\n"
        "0000000000000000: 00000002 00000000 00000000 0002 01 14\n",
    )
    both = frozenset({"servelab-trial-7-aa", "servelab-trial-8-bb"})
    assert presence.names(sockets_file=table) == both
    assert presence.names(sockets_file=tmp_path / "none") is None
    with presence.announced() as own:
        assert own.others(sockets_file=tmp_path / "none") is None


def test_a_run_knows_of_one_that_came_and_left_since(tmp_path: Path) -> None:
    nobody = written(tmp_path, "")
    with presence.announced() as own:
        before = own.others(sockets_file=nobody)
        assert before is not None
        with presence.announced():
            pass
        assert (own.others(sockets_file=nobody) or 0) > before
