"""Who else measures on this machine: each run shows itself while it makes a trial.

A name in the abstract socket namespace needs no folder that all users may write, is seen by all who
share the network, and is gone with its process, however that ends.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKETS_FILE = Path("/proc/net/unix")
_PREFIX = "servelab-trial-"


@contextmanager
def announced() -> Iterator[str]:
    """Be seen by other runs while the block lasts; yield the own name."""
    name = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sign:
        with suppress(OSError):  # a sandbox may forbid it; then nobody is disturbed by knowing
            sign.bind(f"\0{name}")
        yield name


def others(name: str, *, sockets_file: Path = SOCKETS_FILE) -> int | None:
    """Count the runs that show themselves, but for the one of this name."""
    try:
        text = sockets_file.read_text(errors="replace")
    except OSError:
        return None
    words = (line.rpartition(" ")[2] for line in text.splitlines())
    return len({word for word in words if word.startswith(f"@{_PREFIX}")} - {f"@{name}"})
