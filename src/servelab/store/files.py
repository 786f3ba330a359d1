"""Whole files and folders, made so that a crash or a power cut leaves the old or the new."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

UNFINISHED = ".new"
"""Ends the name that a file has before it is whole."""
_CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EACCES})
"""What file systems say that have no way, or no leave, to sync a folder."""


def write_whole(path: Path, content: bytes, *, unfinished_ending: str = UNFINISHED) -> None:
    """Write a file, whole or not at all; on return it is on the disk. OSError.

    A file with that ending behind the name is taken for what an earlier attempt left.
    """
    unfinished = path.with_name(path.name + unfinished_ending)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(unfinished, flags, 0o644)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    put_in_place(unfinished, path)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it, in as many steps as the kernel takes."""
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def put_in_place(finished: Path, path: Path) -> None:
    """Rename a file that is on the disk, and have the new name there, too."""
    os.replace(finished, path)  # noqa: PTH105 - the calls that matter stand side by side
    sync_folder(path.parent)


def sync(path: Path) -> None:
    """Have a file's content on the disk."""
    _sync(path, flags=os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk, where its file system can."""
    try:
        _sync(path, flags=os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _sync(path: Path, *, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it; FileExistsError where it is there."""
    if not path.parent.is_dir():
        with suppress(FileExistsError):
            make_folder(path.parent)
    os.mkdir(path)  # noqa: PTH102 - as above
    sync_folder(path.parent)


def open_regular(path: Path, *, limit_bytes: int) -> BinaryIO:
    """Open a file to read; OSError where it is larger, or something that could go on for ever."""
    # Not blocking: nobody may ever write into a pipe that lies where a file should be.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size <= limit_bytes:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISREG(found.st_mode):
        raise OSError(errno.EFBIG, f"it is larger than {limit_bytes >> 20} MiB")
    raise OSError(errno.EINVAL, "it is no regular file")


def read_whole(path: Path, *, limit_bytes: int) -> bytes:
    """Return what a file holds; OSError where that is more than so many bytes."""
    with open_regular(path, limit_bytes=limit_bytes) as file:
        # Once more: it may have grown since.
        return file.read(limit_bytes)
