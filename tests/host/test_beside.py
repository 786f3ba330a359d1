import os
import subprocess
import sys

import pytest

from servelab.errors import UsageError
from servelab.host import beside
from servelab.host.beside import Member
from servelab.linux.procfs import Identity, ProcessStat
from servelab.model.beside import BesideProgram
from tests.host.test_noise import process

HERE = os.getpid()


def stats(*processes: ProcessStat) -> dict[int, ProcessStat]:
    return {each.pid: each for each in processes}


@pytest.fixture(autouse=True)
def _any_process_may_run_on_two_of_four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servelab.host.beside.os.sched_getaffinity", lambda _pid: {2, 3})


def test_processes_of_servelab_itself_belong_to_no_program_whatever_they_are_called() -> None:
    running = stats(
        process(1, parent=0, name="init"),
        process(HERE, parent=1, name="python3"),
        process(HERE + 1, parent=HERE, name="python3"),
        process(HERE + 2, parent=1, name="python3"),
    )
    found = beside.members_of(("python3",), stats=running, allowed=frozenset({2, 3}))
    assert {each.pid for each in found} == {HERE + 2}
    below_init = beside.members_of(("pid:1",), stats=running, allowed=frozenset({2, 3}))
    assert {each.pid for each in below_init} == {1, HERE + 2}


def test_a_process_that_two_names_fit_counts_for_the_first() -> None:
    running = stats(process(7, name="redis-server"), process(8, parent=7, name="module"))
    found = beside.members_of(("module", "pid:7"), stats=running, allowed=frozenset({2, 3}))
    assert {each.pid: member.name for each, member in found.items()} == {8: "module", 7: "pid:7"}


@pytest.mark.parametrize(("allowed", "share"), [({2, 3}, 1.0), ({0, 1, 2}, 0.5), ({0, 1}, 0.0)])
def test_a_process_takes_of_our_cpus_as_many_as_are_among_its_own(
    allowed: set[int], share: float
) -> None:
    running = stats(process(7, name="postgres"))
    (member,) = beside.members_of(("postgres",), stats=running, allowed=frozenset(allowed)).values()
    assert member.share == share


def test_nothing_is_looked_for_where_nothing_is_named() -> None:
    assert beside.members_of((), stats={}, allowed=frozenset()) == {}
    beside.require(())


def test_what_each_program_took_is_told_also_of_one_that_is_gone() -> None:
    of_postgres = Member("postgres", 1.0)
    found = beside.use_of(
        ("postgres", "redis-server"),
        members={
            Identity(7, 7): of_postgres,
            Identity(8, 8): of_postgres,
            Identity(9, 9): Member("redis-server", 1.0),
        },
        used_s={Identity(7, 7): 1.5, Identity(8, 8): 2.5, Identity(30, 30): 5.0},
        seconds=10.0,
        cpus=2,
    )
    assert found.programs == (
        BesideProgram(name="postgres", cpu_s=4.0, shared_cpu_s=4.0, processes=2),
        BesideProgram(name="redis-server", cpu_s=0.0, shared_cpu_s=0.0, processes=0),
    )
    assert (found.cpu_s, found.cores) == (4.0, 0.4)


@pytest.mark.live
def test_a_program_that_runs_is_found_and_one_that_does_not_is_refused_with_a_guess() -> None:
    sleeper = [sys.executable, "-S", "-c", "print('up', flush=True); input()"]
    named = "servelab-test-db"
    with subprocess.Popen(
        [named, *sleeper[1:]],
        executable=sleeper[0],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as ours:
        assert ours.stdout is not None
        ours.stdout.readline()
        # It is below this process, which stands for servelab here.
        with pytest.raises(UsageError, match="no other process has this number"):
            beside.require((f"pid:{ours.pid}",))
        with pytest.raises(UsageError, match=r"--beside servelab-test-db: no other program"):
            beside.require((named,))
        ours.communicate(b"")
    beside.require((f"pid:{os.getppid()}",))
    with pytest.raises(UsageError, match=r"no unit of this name .* systemctl status no-such"):
        beside.require(("no-such.service",))


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = stats(process(7, name="postgres"), process(8, name="redis-server"))
    monkeypatch.setattr("servelab.host.beside.procfs.all_stats", lambda: running)
    with pytest.raises(UsageError, match=r"--beside redis: .* did you mean redis-server\?"):
        beside.require(("postgres", "redis"))
    with pytest.raises(UsageError, match=r"did you mean postgres\?"):
        beside.require(("postgresql",))
    with pytest.raises(UsageError, match=r"see what runs with: ps -e"):
        beside.require(("mysqld",))
