"""Kill a process at each step in which it changes a folder, and tell what it had finished by then.

A boundary lies before each call that opens, writes, syncs, renames, makes or removes something in
the folder, and in the middle of each write. A child that has come to the wanted one stops and is
killed from outside, by SIGKILL; one that comes to its end was the last.
"""

import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

Tell = Callable[[str], None]
Job = Callable[[Path, Tell], None]

_ON_PATHS = ("mkdir", "unlink", "replace", "rename")
_ON_DESCRIPTORS = ("fsync", "close")
_STOPPED = "stopped before "


class Death(NamedTuple):
    """What one child had done when it ended."""

    folder: Path
    told: tuple[str, ...]
    before: str | None
    """The call that it did not come to; None where it ended by itself."""


def deaths(job: Job, *, below: Path, every: int = 1) -> Iterator[Death]:
    """Run a job again and again, killed one boundary later each time, until it ends by itself."""
    for boundary in count(0, every):
        death = _die(job, folder=below / f"{boundary:04}", boundary=boundary)
        yield death
        if death.before is None:
            return


def _die(job: Job, *, folder: Path, boundary: int) -> Death:
    ours, childs = os.pipe()
    child = os.fork()
    if child == 0:
        _run(job, folder=folder, boundary=boundary, report=childs)
    os.close(childs)
    told: list[str] = []
    before: str | None = None
    with os.fdopen(ours) as reports:
        for line in reports:
            text = line.rstrip("\n")
            if text.startswith(_STOPPED):
                before = text.removeprefix(_STOPPED)
                os.kill(child, signal.SIGKILL)  # not reaped yet: the number is still its own
            else:
                told.append(text)
    _, status = os.waitpid(child, 0)
    expected = 0 if before is None else -signal.SIGKILL
    if os.waitstatus_to_exitcode(status) != expected:
        raise AssertionError(f"the child ended with {status} at boundary {boundary}: {told[-3:]}")
    return Death(folder, tuple(told), before)


def _run(job: Job, *, folder: Path, boundary: int, report: int) -> None:
    status = 1
    try:
        write = os.write

        def tell(text: str) -> None:
            write(report, f"{text}\n".encode())

        _Boundaries(folder, stop_at=boundary, tell=tell).install()
        job(folder, tell)
        status = 0
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        os.writev(report, [f"{error!r}\n".encode()])
    finally:
        os._exit(status)


class _Boundaries:
    def __init__(self, folder: Path, *, stop_at: int, tell: Tell) -> None:
        self._folder = str(folder)
        self._stop_at = stop_at
        self._tell = tell
        self._reached = 0
        self._descriptors: set[int] = set()
        self._halfway: set[int] = set()

    def install(self) -> None:
        """Put a boundary before each call of interest; this process has no other life."""
        self._open, self._write = os.open, os.write
        os.open, os.write = self.open, self.write
        for name in _ON_PATHS:
            setattr(os, name, self._before_path(name, getattr(os, name)))
        for name in _ON_DESCRIPTORS:
            setattr(os, name, self._before_descriptor(name, getattr(os, name)))

    def _reach(self, what: str) -> None:
        if self._reached == self._stop_at:
            self._tell(f"{_STOPPED}{what}")
            while True:
                signal.pause()
        self._reached += 1

    def _is_ours(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.path.abspath(path).startswith(  # noqa: PTH100
            self._folder
        )

    def open(self, path: Any, flags: int, *rest: Any, **named: Any) -> int:
        """Open, after a boundary where it may make something."""
        if not self._is_ours(path):
            return self._open(path, flags, *rest, **named)
        if flags & os.O_CREAT:
            self._reach(f"open {Path(path).name}")
        descriptor = self._open(path, flags, *rest, **named)
        self._descriptors.add(descriptor)
        return descriptor

    def write(self, descriptor: int, content: Any) -> int:
        """Write the first half of it when called for the first time, then the rest."""
        if descriptor not in self._descriptors:
            return self._write(descriptor, content)
        if descriptor in self._halfway:
            self._halfway.remove(descriptor)
            self._reach("the rest of write")
            return self._write(descriptor, content)
        self._halfway.add(descriptor)
        self._reach("write")
        return self._write(descriptor, memoryview(content)[: max(1, len(content) // 2)])

    def _before_path(self, name: str, original: Any) -> Any:
        def call(path: Any, *rest: Any, **named: Any) -> Any:
            if self._is_ours(path):
                self._reach(f"{name} {Path(path).name}")
            return original(path, *rest, **named)

        return call

    def _before_descriptor(self, name: str, original: Any) -> Any:
        def call(descriptor: Any, *rest: Any) -> Any:
            if descriptor in self._descriptors:
                self._reach(name)
            if name == "close":
                self._descriptors.discard(descriptor)
            return original(descriptor, *rest)

        return call
