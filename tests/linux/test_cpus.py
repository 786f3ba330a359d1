import os
from pathlib import Path

import pytest

from servelab.linux.cpus import CpuAllowance, cpu_allowance, host_cpus, quota_cores, siblings
from servelab.model.placement import cpu_list, parse_cpu_list


def mounts(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(
        "22 1 0:20 / /proc rw - proc proc rw\n" + "".join(f"{line}\n" for line in lines)
    )
    return file


def cgroups(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "cgroup"
    file.write_text(text)
    return file


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def v2(tmp_path: Path, *, root: str = "/") -> Path:
    return mounts(tmp_path, f"30 1 0:26 {root} {tmp_path}/v2 rw - cgroup2 cgroup rw")


def test_the_tightest_quota_of_the_hierarchy_counts(tmp_path: Path) -> None:
    write(tmp_path / "v2" / "a" / "b", cpu__max="max 100000\n")
    write(tmp_path / "v2" / "a", cpu__max="150000 100000\n")
    write(tmp_path / "v2", cpu__max="400000 100000\n")
    own = cgroups(tmp_path, "0::/a/b\n")
    assert quota_cores(cgroups_file=own, mounts_file=v2(tmp_path)) == 1.5


def test_a_part_of_the_hierarchy_that_is_mounted_in_a_container_is_found(tmp_path: Path) -> None:
    write(tmp_path / "v2", cpu__max="50000 100000\n")
    own = cgroups(tmp_path, "0::/docker/abc\n")
    found = quota_cores(cgroups_file=own, mounts_file=v2(tmp_path, root="/docker/abc"))
    assert found == 0.5


def test_a_quota_of_version_1_is_read_from_the_cpu_controller(tmp_path: Path) -> None:
    write(tmp_path / "v1" / "a", cpu__cfs_quota_us="200000\n", cpu__cfs_period_us="100000\n")
    write(tmp_path / "v1", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    table = mounts(
        tmp_path,
        f"30 1 0:26 / {tmp_path}/memory rw - cgroup cgroup rw,memory",
        f"31 1 0:27 / {tmp_path}/v1 rw - cgroup cgroup rw,cpu,cpuacct",
    )
    own = cgroups(tmp_path, "5:memory:/m\n4:cpu,cpuacct:/a\n0::/\n")
    assert quota_cores(cgroups_file=own, mounts_file=table) == 2.0


@pytest.mark.parametrize("text", ["", "0::/\n", "4:cpu:/a\n"])
def test_no_quota_is_no_limit(tmp_path: Path, text: str) -> None:
    own = cgroups(tmp_path, text)
    assert quota_cores(cgroups_file=own, mounts_file=v2(tmp_path)) is None


def test_a_kernel_without_cgroups_has_no_limit(tmp_path: Path) -> None:
    assert quota_cores(cgroups_file=tmp_path / "none", mounts_file=tmp_path / "none") is None


def test_the_smaller_of_cpus_and_quota_limits_the_work() -> None:
    assert CpuAllowance(frozenset({0, 1}), None).cores == 2.0
    assert CpuAllowance(frozenset({0, 1}), 0.5).cores == 0.5
    assert CpuAllowance(frozenset({0, 1}), 8.0).cores == 2.0


def test_this_machines_allowance_can_be_read() -> None:
    assert cpu_allowance().cpus == os.sched_getaffinity(0)
    assert cpu_allowance().cores > 0


def test_threads_of_one_core_are_told_by_the_kernel(tmp_path: Path) -> None:
    for cpu, threads in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        write(tmp_path / f"cpu{cpu}" / "topology", thread_siblings_list=f"{threads}\n")
    assert siblings(frozenset({0, 1, 2, 3}), root=tmp_path) == ((0, 2), (1, 3))
    assert siblings(frozenset({0, 1, 2}), root=tmp_path) == ((0, 2),)
    assert siblings(frozenset({0, 1}), root=tmp_path / "hidden") == ()


def test_this_machines_cpus_can_be_read() -> None:
    found = host_cpus()
    assert set(found.allowed) == os.sched_getaffinity(0)
    assert set(found.allowed) <= set(found.online)


@pytest.mark.parametrize(
    ("text", "cpus"), [("0", (0,)), ("0-3,6", (0, 1, 2, 3, 6)), ("6,0-1\n", (0, 1, 6))]
)
def test_a_list_of_cpus_is_read_and_written_as_the_kernel_does(
    text: str, cpus: tuple[int, ...]
) -> None:
    assert parse_cpu_list(text) == cpus
    assert parse_cpu_list(cpu_list(cpus)) == cpus


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "3-1", "1,,2", "1-2-3", "0x1", "0-999999"])
def test_what_is_no_list_of_cpus_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no list of CPUs"):
        parse_cpu_list(text)
