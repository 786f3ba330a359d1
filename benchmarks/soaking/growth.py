"""What must not grow: memory and open files of servelab and of its generators."""

import os
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from servelab.linux import procfs

SAMPLE_S = 1.0
GROWTH_LIMIT_BYTES = 2_000_000
COMING_AND_GOING = 1
"""Files by which the median of a generator, whose connections are closed and opened, may differ."""
OWN = "servelab"


class Look(NamedTuple):
    """A process at one moment."""

    at_s: float
    memory_bytes: int
    files: int


class Looks:
    """This process and its generators over time; only between two starts of servers."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._next_s = 0.0
        self.by_name: dict[str, list[Look]] = {}

    def look(self) -> None:
        """Look, at most once a second."""
        at_s = time.monotonic() - self._began_s
        if at_s < self._next_s:
            return
        self._next_s = at_s + SAMPLE_S
        engines = [
            stat.pid
            for stat in procfs.all_stats().values()
            if stat.parent == os.getpid() and _is_engine(stat.pid)
        ]
        for name, pid in [(OWN, os.getpid()), *zip("AB", sorted(engines), strict=False)]:
            stat = procfs.read_stat(pid)
            if stat is not None and stat.is_alive:
                files = len(procfs.names_in(f"/proc/{pid}/fd"))
                label = name if name == OWN else f"generator {name}"
                self.by_name.setdefault(label, []).append(Look(at_s, stat.rss_bytes, files))

    def thirds(self, name: str, of: Callable[[Look], float]) -> tuple[float, float, float]:
        """Return the medians of a figure in each third."""
        looks = self.by_name[name]
        cuts = [len(looks) * part // 3 for part in range(4)]
        first, second, third = (
            median(of(look) for look in looks[begin:end]) for begin, end in pairwise(cuts)
        )
        return first, second, third

    def complaints(self) -> Iterator[str]:
        """Print the thirds; yield what grew."""
        for name in self.by_name:
            memory = self.thirds(name, lambda look: look.memory_bytes)
            files = self.thirds(name, lambda look: look.files)
            shown = " / ".join(f"{each / 1e6:.1f}" for each in memory)
            print(f"{name:12} memory {shown} MB, open files {files[0]:g} / {files[1]:g} / "
                  f"{files[2]:g}")  # fmt: skip
            if memory[2] - memory[1] > GROWTH_LIMIT_BYTES:
                yield f"{name} grew by {(memory[2] - memory[1]) / 1e6:.1f} MB"
            if files[2] > files[1] + (0 if name == OWN else COMING_AND_GOING):
                yield f"{name} has {files[2]:g} open files after {files[1]:g}"


def _is_engine(pid: int) -> bool:
    return b"servelab.load.engine" in (procfs.read_bytes(f"/proc/{pid}/cmdline") or b"")
