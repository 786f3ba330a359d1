"""Folders for what must not outlive its block, and the removal of what a killed process left."""

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "servelab-scratch-"
_NAME = re.compile(rf"{_PREFIX}\w{{8}}", re.ASCII)
"""As ``tempfile`` makes it: no folder that a person named is ever taken for one of ours."""
_STALE_AFTER_S = 60.0
"""A younger folder may be one that its maker has not locked yet."""


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder among the temporary files; it is gone with the block.

    Where servelab is killed inside, the next one that makes such a folder removes it: its lock,
    held by nobody, tells that it is stale.
    """
    remove_stale()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        path = Path(name)
        descriptor = _locked(path)
        try:
            yield path
        finally:
            if descriptor is not None:
                os.close(descriptor)


def remove_stale(*, among: Path | None = None, older_than_s: float = _STALE_AFTER_S) -> None:
    """Remove the folders that killed processes of this user left among the temporary files."""
    with suppress(OSError):
        for path in (among or Path(tempfile.gettempdir())).glob(f"{_PREFIX}*"):
            if _NAME.fullmatch(path.name):
                _remove_if_stale(path, before_s=time.time() - older_than_s)


def _remove_if_stale(path: Path, *, before_s: float) -> None:
    with suppress(OSError):
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return
        descriptor = _locked(path) if found.st_mtime < before_s else None
        if descriptor is not None:
            try:
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def _locked(path: Path) -> int | None:
    """Return a descriptor that holds the folder's lock; None where another one does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
