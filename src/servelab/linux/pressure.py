"""Whether memory is short: pressure stall information, swapping, and what is left."""

from pathlib import Path

from servelab.linux.procfs import PAGE_BYTES

PRESSURE_FILE = Path("/proc/pressure/memory")
VMSTAT_FILE = Path("/proc/vmstat")
MEMINFO_FILE = Path("/proc/meminfo")


def memory_stall_s(*, pressure_file: Path = PRESSURE_FILE) -> float | None:
    """Read for how long since boot some process waited for memory; None where it is not counted.

    The kernel's accounting of it can be switched off, or be closed to a container.
    """
    try:
        for line in pressure_file.read_text(encoding="ascii").splitlines():
            kind, *fields = line.split()
            values = dict(field.split("=") for field in fields)
            if kind == "some":
                return int(values["total"]) / 1e6
    except (OSError, ValueError, LookupError):
        return None
    return None


def swapped_in_bytes(*, vmstat_file: Path = VMSTAT_FILE) -> int | None:
    """Read how much was fetched from swap space since boot; None where it is not counted."""
    try:
        for line in vmstat_file.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "pswpin":
                return int(value) * PAGE_BYTES
    except (OSError, ValueError):
        return None
    return None


def available_bytes(*, meminfo_file: Path = MEMINFO_FILE) -> int | None:
    """Read how much memory the machine could still give without swapping; None where unknown."""
    try:
        for line in meminfo_file.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    except (OSError, ValueError, LookupError):
        return None
    return None
