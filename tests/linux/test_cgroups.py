"""Limited control groups, on written trees of both versions."""

import os
import shutil
from pathlib import Path

import pytest

from servelab.linux import cgroups
from servelab.linux.cgroups import CannotLimit, Folder, GroupFigures

from .test_cpus import cgroups as own_groups
from .test_cpus import mounts, write

HALF_A_CORE, HALF_A_GIBIBYTE = 0.5, 512 << 20


def version_1(tmp_path: Path) -> dict[str, Path]:
    """Write two hierarchies with a group ``own``; return what `plan` needs."""
    write(tmp_path / "cpu" / "own", cgroup__procs="")
    write(tmp_path / "memory" / "own", cgroup__procs="")
    table = mounts(
        tmp_path,
        f"30 1 0:26 / {tmp_path}/cpu rw - cgroup cgroup rw,cpu,cpuacct",
        f"31 1 0:27 / {tmp_path}/memory rw - cgroup cgroup rw,memory",
        f"32 1 0:28 / {tmp_path}/unified rw - cgroup2 cgroup2 rw",
    )
    own = own_groups(tmp_path, "5:memory:/own\n4:cpu,cpuacct:/own\n0::/\n")
    return {"cgroups_file": own, "mounts_file": table}


def group(path: Path, *, processes: str = "", enabled: str = "", is_root: bool = False) -> Path:
    write(
        path,
        cgroup__procs=processes,
        cgroup__controllers="cpu memory pids\n",
        cgroup__subtree_control=enabled,
    )
    if not is_root:
        write(path, cgroup__type="domain\n")
    return path


def version_2(tmp_path: Path, *, own: str) -> dict[str, Path]:
    table = mounts(tmp_path, f"30 1 0:26 / {tmp_path}/v2 rw - cgroup2 cgroup2 rw")
    return {"cgroups_file": own_groups(tmp_path, f"0::{own}\n"), "mounts_file": table}


def test_version_1_has_a_group_in_each_hierarchy_below_our_own(tmp_path: Path) -> None:
    folders = cgroups.plan(
        "new", cpus=HALF_A_CORE, memory_bytes=HALF_A_GIBIBYTE, **version_1(tmp_path)
    )
    assert folders == [
        Folder(
            str(tmp_path / "cpu/own/new"),
            "",
            [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")],
            [],
        ),
        Folder(
            str(tmp_path / "memory/own/new"),
            "",
            [("memory.limit_in_bytes", "536870912")],
            [("memory.memsw.limit_in_bytes", "536870912")],
        ),
    ]


def test_only_what_is_limited_gets_a_group(tmp_path: Path) -> None:
    (folder,) = cgroups.plan("new", cpus=2.0, memory_bytes=None, **version_1(tmp_path))
    assert folder.path.endswith("cpu/own/new")
    assert ("cpu.cfs_quota_us", "200000") in folder.limits


def test_version_2_has_one_group_with_both_limits_in_a_scope_of_our_own(tmp_path: Path) -> None:
    group(tmp_path / "v2", is_root=True)
    scope = group(tmp_path / "v2" / "scope", processes=f"{os.getpid()}\n")
    folders = cgroups.plan(
        "new",
        cpus=HALF_A_CORE,
        memory_bytes=HALF_A_GIBIBYTE,
        **version_2(tmp_path, own="/scope"),
    )
    assert folders == [
        Folder(
            str(scope / "new"),
            "+cpu +memory",
            [("cpu.max", "50000 100000"), ("memory.max", "536870912")],
            [("memory.swap.max", "0")],
        )
    ]
    # A kernel moves the process out of the scope's list when it is written to the leaf's.
    cgroups.step_aside(folders)
    assert (scope / "servelab-itself" / "cgroup.procs").read_text() == str(os.getpid())


def test_the_group_is_made_where_no_stranger_has_to_move(tmp_path: Path) -> None:
    group(tmp_path / "v2", is_root=True, processes=f"{_stranger()}\n")
    parent = group(tmp_path / "v2" / "slice", enabled="cpu memory pids\n")
    group(parent / "session", processes=f"{os.getpid()}\n{_stranger()}\n")
    (folder,) = cgroups.plan(
        "new", cpus=1.0, memory_bytes=None, **version_2(tmp_path, own="/slice/session")
    )
    assert folder.path == str(parent / "new")
    assert folder.enable == ""
    assert folder.limits == [("cpu.max", "100000 100000")]
    cgroups.step_aside([folder])
    assert not (parent / "servelab-itself").exists()


def test_the_root_of_version_2_may_have_processes(tmp_path: Path) -> None:
    top = group(tmp_path / "v2", is_root=True, processes=f"{os.getpid()}\n{_stranger()}\n")
    (folder,) = cgroups.plan("new", cpus=1.0, memory_bytes=None, **version_2(tmp_path, own="/"))
    assert folder.path == str(top / "new")
    cgroups.step_aside([folder])
    assert not (top / "servelab-itself").exists()


@pytest.mark.parametrize("version", [1, 2])
def test_a_place_that_is_not_ours_to_write_is_named(version: int, tmp_path: Path) -> None:
    group(tmp_path / "v2" / "scope", processes=f"{os.getpid()}\n")
    if version == 1:
        own = version_1(tmp_path)
        (tmp_path / "cpu/own/cgroup.procs").unlink()
    else:
        own = version_2(tmp_path, own="/scope")
        (tmp_path / "v2/scope/cgroup.procs").unlink()
    with pytest.raises(CannotLimit, match=r"/cgroup\.procs is not writable"):
        cgroups.plan("new", cpus=1.0, memory_bytes=None, **own)


def test_a_machine_without_the_controllers_is_told(tmp_path: Path) -> None:
    own = version_2(tmp_path, own="/scope")
    with pytest.raises(CannotLimit, match="scope has no control groups for cpu and memory"):
        cgroups.plan("new", cpus=1.0, memory_bytes=1 << 30, **own)
    nothing = {"cgroups_file": tmp_path / "none", "mounts_file": tmp_path / "none"}
    with pytest.raises(CannotLimit, match="this machine has no control groups for cpu"):
        cgroups.plan("new", cpus=1.0, memory_bytes=None, **nothing)


def test_creating_enables_limits_and_joins(tmp_path: Path) -> None:
    scope = group(tmp_path / "scope")
    folder = Folder(
        str(scope / "new"), "+cpu", [("cpu.max", "50000 100000")], [("memory.swap.max", "0")]
    )
    cgroups.create([folder])
    assert (scope / "cgroup.subtree_control").read_text() == "+cpu"
    assert (scope / "new" / "cpu.max").read_text() == "50000 100000"
    assert not (scope / "new" / "memory.swap.max").exists()
    cgroups.join([folder])
    assert (scope / "new" / "cgroup.procs").read_text() == "0"


def test_what_cannot_be_made_whole_is_not_made(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "nowhere" / "bad"
    folders = [Folder(str(path), "", [], []) for path in (good, bad)]
    with pytest.raises(FileNotFoundError):
        cgroups.create(folders)
    assert not good.exists()


def test_counts_of_both_versions_are_added_up(tmp_path: Path) -> None:
    write(tmp_path / "cpu", cpu__stat="nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000\n")
    write(tmp_path / "memory", memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    first = [Folder(str(tmp_path / name), "", [], []) for name in ("cpu", "memory")]
    expected = GroupFigures(periods=9, throttled_periods=3, throttled_s=1.5, oom_kills=2)
    assert cgroups.figures(first) == expected
    write(
        tmp_path / "v2",
        cpu__stat="usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 1500000\n",
        memory__events="low 0\nmax 7\noom 2\noom_kill 2\n",
    )
    assert cgroups.figures([Folder(str(tmp_path / "v2"), "", [], [])]) == expected
    assert cgroups.figures([Folder(str(tmp_path / "gone"), "", [], [])]) is None


def test_a_group_that_goes_while_it_is_read_has_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "cpu", cpu__stat="nr_periods 9\nnr_throttled 3\nthrottled_time 1\n")
    read = cgroups._counts

    def read_and_remove(file: Path) -> dict[str, int]:
        found = read(file)
        shutil.rmtree(tmp_path / "cpu", ignore_errors=True)
        return found

    monkeypatch.setattr(cgroups, "_counts", read_and_remove)
    assert cgroups.figures([Folder(str(tmp_path / "cpu"), "", [], [])]) is None


def _stranger() -> int:
    """Return the number of a process that is neither below us nor above us."""
    return 1 << 22
