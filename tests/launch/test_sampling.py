import pytest

from servelab.launch.sampling import CpuTimes, Snapshot, sampled
from servelab.linux.procfs import ProcessStat
from servelab.model.address import Address
from servelab.model.usage import MemoryKind

from .conftest import DEADLINE_S, Launch, ask


def stat(pid: int, *, parent: int = 1, own_s: float = 0.0, children_s: float = 0.0) -> ProcessStat:
    return ProcessStat(
        pid=pid,
        name="x",
        state="S",
        parent=parent,
        session=1,
        user_s=own_s,
        system_s=0.0,
        children_user_s=children_s,
        children_system_s=0.0,
        threads=1,
        start_ticks=pid,
        rss_bytes=0,
    )


def test_the_time_of_a_process_is_conserved_when_its_parent_waits_for_it() -> None:
    root, master, worker = stat(10, own_s=9), stat(11, own_s=1), stat(12, own_s=2)
    before = Snapshot(root, {each.identity: each for each in (master, worker)})
    heir = stat(11, own_s=1, children_s=2)
    after = Snapshot(root, {heir.identity: heir})
    assert before.cpu == after.cpu == CpuTimes(3, 0)


def test_the_time_of_an_orphan_is_inherited_by_the_root_whose_own_does_not_count() -> None:
    root = stat(10, own_s=9, children_s=3)
    assert Snapshot(root, {}).cpu == CpuTimes(3, 0)


@pytest.mark.live
def test_the_time_of_threads_and_ended_children_is_found(launch: Launch, address: Address) -> None:
    with launch("works") as server:
        server.wait_ready(lambda: ask(address, question=b"hello"), timeout_s=DEADLINE_S)
        with sampled(server.supervisor_pid, interval_s=0.05) as sampler:
            assert ask(address, question=b"burn", timeout_s=DEADLINE_S) is None
        usage = sampler.usage
    # .3 s in a child that was waited for, .6 s in one that the kernel reaped, .9 s in a thread.
    assert 1.7 < usage.cpu_s < 2.3
    # The parent ignores the signal after the first only; a sample may see that too late.
    assert 0.4 < usage.unwaited_cpu_s < 1.0
    assert usage.peak_memory_bytes > 64 << 20
    assert 0 < usage.final_memory_bytes < usage.peak_memory_bytes
    assert usage.memory_kind is MemoryKind.PROPORTIONAL
    assert 0 < usage.course[-1].memory_bytes < usage.final_memory_bytes  # without pages of files
    assert usage.peak_threads >= 2
    assert usage.peak_processes >= 2
    assert usage.voluntary_switches > 0
    assert usage.processes[0].pid == server.pid
    assert usage.processes[0].cpu_s == pytest.approx(0.9, abs=0.2)


@pytest.mark.live
def test_a_tree_that_is_gone_at_the_end_keeps_its_last_values(
    launch: Launch, address: Address
) -> None:
    with launch("healthy") as server:
        server.wait_ready(lambda: ask(address), timeout_s=DEADLINE_S)
        with sampled(server.supervisor_pid, interval_s=0.05) as sampler:
            server.stop()
        assert sampler.usage.peak_processes == 1
        assert sampler.usage.peak_memory_bytes > 0
