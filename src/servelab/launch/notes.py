"""A note of what runs for whom, which outlives those who wrote it; standard library only.

Supervisor and guard keep one note for each server: lines of JSON, the first one says whose it is,
the others which processes were seen. They hold a lock on it, which the kernel drops when the last
of them is gone, however it went. A note without a lock is thus one whose writers were all killed,
or whose machine lost its power; `leftovers` reads those. In good order a note goes with its server.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from servelab.linux import procfs

SUFFIX = ".jsonl"
NOTE_FORMAT = 1

_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE_LINK = Path("/proc/self/ns/pid")


class Place(NamedTuple):
    """Where process numbers mean what they say: one boot of one kernel, one pid namespace."""

    host: str
    boot_id: str
    pid_namespace: str


def place() -> Place:
    """Return where this process is; empty where the kernel does not tell."""
    boot_id = namespace = ""
    with suppress(OSError):
        boot_id = _BOOT_FILE.read_text(encoding="ascii").strip()
    with suppress(OSError):
        namespace = str(_NAMESPACE_LINK.readlink())
    return Place(os.uname().nodename, boot_id, namespace)


def notes_folder(variables: Mapping[str, str] | None = None) -> Path:
    """Return where notes are kept: below SERVELAB_STATE, or in the user's state folder."""
    given = os.environ if variables is None else variables
    if own := given.get("SERVELAB_STATE"):
        return Path(own).absolute() / "servers"
    # The specification of these folders says that a relative path is to be ignored.
    shared = given.get("XDG_STATE_HOME", "")
    home = Path(given.get("HOME") or "/") / ".local" / "state"
    return (Path(shared) if shared.startswith("/") else home) / "servelab" / "servers"


class Note:
    """One server's note; where it cannot be written, nothing is noted, and nothing else suffers."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._known: set[procfs.Identity] = set()

    def begin(self, *, tag: str, program: str, log: str, groups: Iterable[str]) -> None:
        """Make the note, locked before anybody can find it."""
        if not self._path:
            return
        unfinished = f"{self._path}.new"
        with suppress(OSError):
            Path(self._path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(
                unfinished, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write(
                {
                    "format": NOTE_FORMAT,
                    **place()._asdict(),
                    "tag": tag,
                    "program": program,
                    "log": log,
                    "groups": list(groups),
                    "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                }
            )
            Path(unfinished).replace(self._path)

    def add(self, processes: Iterable[procfs.Identity]) -> None:
        """Note processes that were not noted yet."""
        new = [each for each in processes if each not in self._known]
        self._known.update(new)
        if new:
            self._write({"processes": new})

    def sync(self) -> None:
        """Have it survive a power cut."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.fdatasync(self._descriptor)

    def remove(self) -> None:
        """Take it away: nothing is left to find."""
        if self._path:
            with suppress(OSError):
                Path(self._path).unlink()

    def close(self) -> None:
        """Write no more, and hold it no longer."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, line: Mapping[str, object]) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                os.write(self._descriptor, json.dumps(line).encode() + b"\n")
