"""How much memory thousands of connections and millions of records take."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from load_generator import programs, targets
from load_generator.bench import Bench
from load_generator.costs import ECHO, TIMEOUT_S
from load_generator.journal import MemoryRun
from servelab.model.address import Address
from servelab.model.load import (
    ClosedLoop,
    Connections,
    LoadPlan,
    LoadProgress,
    Protocol,
    Request,
)

BASE_BYTES = 50_000_000
BYTES_PER_RECORD = 64
_RECORDS_PER_SECOND = 500_000
"""So that the usual ten seconds ask for five million records, which take about a minute."""
_SMALL_LOAD = 1000
_KIB = 1024
_RESET_PEAK = "5"


@dataclass(frozen=True, slots=True)
class Case:
    """So many callers, for so many requests or for a time."""

    name: str
    callers: int
    has_request_count: bool


CASES = (
    Case("connections", callers=10_000, has_request_count=False),
    Case("records", callers=64, has_request_count=True),
)


def measure(bench: Bench) -> None:
    """Measure the cases that the journal lacks."""
    held = {
        line.case
        for line in bench.journal.lines()
        if isinstance(line, MemoryRun) and line.seconds == bench.seconds
    }
    for case in CASES:
        if case.name not in held:
            with targets.nginx(bench) as address:
                run = _run(case, address=address, bench=bench)
            bench.journal.add(run)
            bench.say(f"memory, {case.name}: {run.together_bytes / 1e6:.0f} MB")


def _run(case: Case, *, address: Address, bench: Bench) -> MemoryRun:
    plan = LoadPlan(
        target=address,
        protocol=Protocol.HTTP,
        request=Request(path="/"),
        check=ECHO,
        load=ClosedLoop(callers=case.callers),
        requests=round(_RECORDS_PER_SECOND * bench.seconds) if case.has_request_count else None,
        duration_s=None if case.has_request_count else bench.seconds,
        connections=Connections.KEPT,
        timeout_s=TIMEOUT_S * 6,
    )
    _settle_libraries(plan, bench=bench)
    watch = Watch(known=children())
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    before_bytes = memory_bytes(os.getpid(), name="VmRSS")
    result = programs.generate_here(plan, bench=bench, on_progress=watch.look)
    growth_bytes = memory_bytes(os.getpid(), name="VmHWM") - before_bytes
    result.records.unlink()
    ok = result.outcomes.get("ok", 0)
    return MemoryRun(
        case=case.name,
        seconds=bench.seconds,
        machine=bench.machine,
        connections=result.connections_opened,
        records=sum(result.outcomes.values()),
        failed=result.scheduled - ok,
        engine_bytes=sum(watch.peaks.values()),
        parent_growth_bytes=growth_bytes,
    )


def _settle_libraries(plan: LoadPlan, *, bench: Bench) -> None:
    """Make a small load: what NumPy and pyarrow keep for good is not the load's."""
    small = msgspec.structs.replace(
        plan, load=ClosedLoop(callers=1), requests=_SMALL_LOAD, duration_s=None
    )
    programs.generate_here(small, bench=bench).records.unlink()


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at the memory of the processes that came after the known ones."""

    known: frozenset[int]
    peaks: dict[int, int] = field(default_factory=dict)

    def look(self, _progress: LoadProgress) -> None:
        """Note the peaks so far; the kernel keeps them, so that the last look sees them all."""
        for pid in children() - self.known:
            self.peaks[pid] = max(self.peaks.get(pid, 0), memory_bytes(pid, name="VmHWM"))


def children() -> frozenset[int]:
    """Return the pids of this process's children."""
    lists = Path("/proc/self/task").glob("*/children")
    return frozenset(int(pid) for each in lists for pid in each.read_text("ascii").split())


def memory_bytes(pid: int, *, name: str) -> int:
    """Read ``VmRSS`` (now) or ``VmHWM`` (at its peak); 0 of a process that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * _KIB if found else 0
