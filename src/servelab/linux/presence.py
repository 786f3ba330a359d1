"""Who else measures on this machine: each run shows itself while it makes a trial.

A name in the abstract socket namespace needs no folder that all users may write, is seen by all who
share the network, and is gone with its process, however that ends. Who comes greets those who are
there, so that they know of it even where it leaves before they look.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKETS_FILE = Path("/proc/net/unix")
_PREFIX = "servelab-trial-"
_LONGEST_NAME_BYTES = 107


class Presence:
    """This run, as others see it."""

    def __init__(self, sign: socket.socket, *, name: str) -> None:
        self.name = name
        self._sign = sign
        self._greeted_by: set[bytes] = set()

    def greet(self, *, sockets_file: Path = SOCKETS_FILE) -> None:
        """Tell those who are there that one more is."""
        for other in names(sockets_file=sockets_file) or ():
            with suppress(OSError):  # it has just left, or hears no more for now
                self._sign.sendto(self.name.encode(), f"\0{other}")

    def others(self, *, sockets_file: Path = SOCKETS_FILE) -> int | None:
        """Count the runs that are there, or were since this one showed itself; None: unknown."""
        with suppress(OSError):  # nothing more has come
            while True:
                self._greeted_by.add(self._sign.recv(_LONGEST_NAME_BYTES))
        here = names(sockets_file=sockets_file)
        if here is None:
            return None
        known = {greeting.decode(errors="replace") for greeting in self._greeted_by}
        return len((here | known) - {self.name})


@contextmanager
def announced() -> Iterator[Presence]:
    """Be seen by other runs while the block lasts."""
    name = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sign:
        with suppress(OSError):  # a sandbox may forbid it; then nobody is disturbed by knowing
            sign.bind(f"\0{name}")
        presence = Presence(sign, name=name)
        presence.greet()
        yield presence


def names(*, sockets_file: Path = SOCKETS_FILE) -> frozenset[str] | None:
    """Return the names of the runs that show themselves; None where that cannot be told."""
    try:
        text = sockets_file.read_text(errors="replace")
    except OSError:
        return None
    words = (line.rpartition(" ")[2] for line in text.splitlines())
    return frozenset(word[1:] for word in words if word.startswith(f"@{_PREFIX}"))
