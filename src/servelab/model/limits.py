"""What a server may use at most."""

import re

from msgspec import Struct

LEAST_CPUS = 0.01
"""The kernel gives no less than 1 ms in each period of 100 ms."""
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Limits(Struct, frozen=True, kw_only=True):
    """CPU time and memory of a server's process tree; None is no limit."""

    cpus: float | None = None
    """Cores' worth of CPU time."""
    memory_bytes: int | None = None

    def __str__(self) -> str:
        parts = [
            *([f"{self.cpus:g} core{'' if self.cpus == 1 else 's'}"] if self.cpus else []),
            *([mebibytes(self.memory_bytes)] if self.memory_bytes else []),
        ]
        return ", ".join(parts)


def mebibytes(count: int) -> str:
    """Return bytes as they are typed in a limit, such as ``512 MiB``."""
    return f"{count / (1 << 20):g} MiB"


def parse_memory(text: str) -> int:
    """Return the bytes of ``512m`` or ``2g``, of 1024 as in container engines; ValueError."""
    matched = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)([bkmg]?)", text.strip().lower())
    if matched is None:
        raise ValueError(f"{text!r} is no amount of memory")
    return round(float(matched[1]) * _UNITS[matched[2]])
