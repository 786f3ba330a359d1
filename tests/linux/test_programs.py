from pathlib import Path

import pytest

from servelab.linux import programs
from servelab.linux.procfs import ProcessStat

POSTGRES = "/usr/lib/postgresql/17/bin/postgres"


class Machine:
    """A folder that looks like ``/proc``, and what its stat files would say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stats: dict[int, ProcessStat] = {}

    def run(
        self,
        pid: int,
        name: str,
        *,
        parent: int = 1,
        arguments: str = "",
        file: str = "",
        group: str = "/init.scope",
        rss_bytes: int = 4096,
    ) -> None:
        self.stats[pid] = ProcessStat(
            pid=pid,
            name=name,
            state="S",
            parent=parent,
            session=1,
            user_s=0.0,
            system_s=0.0,
            children_user_s=0.0,
            children_system_s=0.0,
            threads=1,
            start_ticks=pid,
            rss_bytes=rss_bytes,
        )
        folder = self.root / str(pid)
        folder.mkdir()
        (folder / "cmdline").write_bytes(arguments.replace(" ", "\0").encode() + b"\0")
        (folder / "cgroup").write_text(f"0::{group}\n")
        if file:
            (folder / "exe").symlink_to(file)

    def matching(self, name: str) -> set[int]:
        found = programs.matching(name, stats=self.stats, proc=str(self.root))
        return {stat.pid for stat in found}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Look as Debian does with a PostgreSQL, a Redis and a search engine in Java."""
    here = Machine(tmp_path)
    unit = "/system.slice/system-postgresql.slice/postgresql@17-main.service"
    here.run(2, "kthreadd", parent=0, rss_bytes=0)
    here.run(3, "postgres", parent=2, rss_bytes=0)
    here.run(10, "postgres", arguments=f"{POSTGRES} -D /var/lib", file=POSTGRES, group=unit)
    here.run(11, "postgres", parent=10, arguments="postgres:_17/main:_walwriter", group=unit)
    here.run(12, "backup.sh", parent=11, arguments="/bin/sh /usr/bin/backup.sh", group=unit)
    here.run(20, "redis-server", group="/system.slice/redis-server.service")
    here.run(30, "java", arguments="/usr/bin/java -jar search.jar", group="/user.slice")
    here.run(40, "prometheus-redi", arguments="prometheus-redis-exporter")
    here.run(50, "MainThread", arguments="node shop.js", file="/opt/node (deleted)")
    here.run(60, "worker", file="/opt/bin/search-engine (deleted)")
    return here


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("postgres", {10, 11, 12}),
        ("redis-server", {20}),
        ("prometheus-redis-exporter", {40}),
        ("node", {50}),
        ("search-engine", {60}),
        ("backup.sh", {12}),
        ("postgre", set()),
        ("pid:11", {11, 12}),
        ("pid:99", set()),
        ("pid:0", set()),
        ("pid:x", set()),
    ],
)
def test_a_program_is_what_its_processes_are_called_with_all_that_is_below_them(
    machine: Machine, name: str, found: set[int]
) -> None:
    assert machine.matching(name) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("postgresql@17-main.service", {10, 11, 12}),
        ("postgresql.service", {10, 11, 12}),
        ("system-postgresql.slice", {10, 11, 12}),
        ("postgresql@15-main.service", set()),
        ("redis-server.service", {20}),
        ("redis.service", set()),
        ("user.slice", {30}),
        ("system.slice", {10, 11, 12, 20}),
    ],
)
def test_a_unit_is_its_control_group_and_a_template_each_of_its_instances(
    machine: Machine, name: str, found: set[int]
) -> None:
    assert machine.matching(name) == found


def test_the_older_control_groups_name_units_too(machine: Machine) -> None:
    (machine.root / "30" / "cgroup").write_text(
        "4:cpu,cpuacct:/system.slice/search.service\n1:name=systemd:/system.slice/search.service\n"
    )
    assert machine.matching("search.service") == {30}


def test_a_process_that_has_just_ended_fits_by_its_name_alone(machine: Machine) -> None:
    for file in ("cmdline", "cgroup"):
        (machine.root / "20" / file).unlink()
    assert machine.matching("redis-server") == {20}
    assert machine.matching("redis-server.service") == set()


def test_threads_of_the_kernel_are_no_programs(machine: Machine) -> None:
    assert 3 not in machine.matching("postgres")
    assert "kthreadd" not in programs.names(list(machine.stats.values()))
