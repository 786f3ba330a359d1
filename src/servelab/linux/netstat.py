"""What the network stack counted since boot, in this network namespace."""

from itertools import pairwise
from pathlib import Path

NETSTAT_FILE = Path("/proc/net/netstat")


def listen_overflows(*, netstat_file: Path = NETSTAT_FILE) -> int | None:
    """Read how many connections found a listener's queue full; None where it is not counted."""
    try:
        lines = netstat_file.read_text(encoding="ascii").splitlines()
        for names, values in pairwise(lines):
            if names.startswith("TcpExt:") and values.startswith("TcpExt:"):
                counted = dict(zip(names.split(), values.split(), strict=True))
                return int(counted["ListenOverflows"])
    except (OSError, ValueError, LookupError):
        return None
    return None
