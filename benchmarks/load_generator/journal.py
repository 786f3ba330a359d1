"""What was measured, one JSON line each, written the moment it exists."""

import os
from pathlib import Path

import msgspec
from msgspec import Struct


class Reading(Struct, frozen=True, kw_only=True):
    """One run of one generator."""

    generator: str
    ok: int
    failed: int
    wall_s: float
    cpu_s: float
    """User and system time that counts: servelab's and grpc.aio's from the first request on
    (servelab's until the records are on disk), of other programs the whole process's."""
    user_s: float
    """Of the whole process, its start-up included."""
    system_s: float
    start_up_cpu_s: float = 0.0
    """CPU time of the process outside ``cpu_s``."""
    storing_cpu_s: float = 0.0
    """servelab: CPU time of the parent, which follows the run and makes Parquet of its records."""
    resets_sent: int = 0
    """TCP resets that this machine sent meanwhile."""

    @property
    def cpu_us(self) -> float:
        """Return the CPU time of one correct answer, in microseconds."""
        return self.cpu_s / self.ok * 1e6


class CostRound(Struct, frozen=True, kw_only=True, tag="cost"):
    """Each generator once, one after another."""

    claim: str
    seconds: float
    machine: str
    readings: tuple[Reading, ...]
    """In the order in which they ran."""

    def of(self, generator: str) -> Reading:
        """Return the reading of one generator; StopIteration where it did not run."""
        return next(each for each in self.readings if each.generator == generator)


class TruthRow(Struct, frozen=True, kw_only=True, tag="truth"):
    """The response times that one generator reports of one service."""

    service: str
    generator: str
    seconds: float
    machine: str
    rate_per_s: float
    count: int
    failed: int
    p50_s: float
    p90_s: float
    p99_s: float
    paired_p50_s: float | None = None
    """servelab: of the end as the client saw it minus the end as the server logged it."""
    paired_p99_s: float | None = None


class DelayRun(Struct, frozen=True, kw_only=True, tag="delay"):
    """What the generator itself was late in one run."""

    seconds: float
    machine: str
    rate_per_s: float
    count: int
    failed: int
    p50_s: float
    p99_s: float
    max_s: float
    core_share: float


class MemoryRun(Struct, frozen=True, kw_only=True, tag="memory"):
    """The memory of one run at its peak."""

    case: str
    seconds: float
    machine: str
    connections: int
    records: int
    failed: int
    engine_bytes: int
    """Peak resident memory of the generating processes."""
    parent_growth_bytes: int
    """By how much the resident memory of their parent grew at most."""

    @property
    def together_bytes(self) -> int:
        """Return what the goal is about."""
        return self.engine_bytes + self.parent_growth_bytes


Line = CostRound | TruthRow | DelayRun | MemoryRun


class Journal:
    """A file of lines; one that was cut in half when a run was interrupted is passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, line: Line) -> None:
        """Append a line and have it on disk."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            end = b"" if file.read(1) in {b"", b"\n"} else b"\n"
            file.write(end + msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def lines(self) -> tuple[Line, ...]:
        """Read what there is."""
        if not self._path.exists():
            return ()
        return tuple(
            line
            for text in self._path.read_bytes().splitlines()
            if (line := _decode(text)) is not None
        )


_DECODER: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def _decode(text: bytes) -> Line | None:
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError:
        return None
