"""Checksummed lines of JSON: what was written whole can be told from what was not."""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct

from servelab.errors import StoreError
from servelab.store import files

T = TypeVar("T", bound=Struct)

_SEAL = b',"checksum":"%08x"}'
_SEAL_LENGTH = len(_SEAL % 0)
LONGEST_LINE_BYTES = 16 << 20
LARGEST_FILE_BYTES = 1 << 30
MOST_BROKEN_LINES = 1000
"""A file with more of them is something else."""
_WAY_TO_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class BrokenLine(Struct, frozen=True, kw_only=True):
    """A line that cannot be believed."""

    file: Path
    number: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file.name}, line {self.number}: {self.reason}; it was skipped"


def seal(value: Struct) -> bytes:
    """Return a value as one line of JSON which ends with its own CRC-32."""
    body = msgspec.json.encode(value)
    return body[:-1] + _SEAL % zlib.crc32(body) + b"\n"


def append(path: Path, value: Struct) -> None:
    """Append a value and return only when it is on the disk; raise StoreError where it cannot be.

    A line that an earlier crash left unfinished is closed first, so that it spoils only itself.
    """
    try:
        descriptor = os.open(path, _WAY_TO_APPEND, 0o644)
        try:
            is_new = os.fstat(descriptor).st_size == 0
            files.write_all(descriptor, _missing_newline(descriptor) + seal(value))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            files.sync_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"{path}: the result could not be written ({error.strerror}); "
            "make room or choose another folder with --out"
        ) from error


def _missing_newline(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""


def read(path: Path, *, kind: type[T]) -> Iterator[T | BrokenLine]:
    """Yield each intact value of a file, and a BrokenLine for each that is not.

    Raise StoreError for what cannot be read, and for what looks like another file altogether.
    """
    broken = 0
    try:
        with files.open_regular(path, limit_bytes=LARGEST_FILE_BYTES) as file:
            for number, line in enumerate(_lines(file), start=1):
                item = _unseal(line, kind=kind, file=path, number=number)
                yield item
                broken += isinstance(item, BrokenLine)
                if broken > MOST_BROKEN_LINES:
                    raise StoreError(
                        f"{path}: more than {MOST_BROKEN_LINES} lines cannot be believed; see that "
                        "it is a file of results"
                    )
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from error


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's lines; of one that is too long for a line, only the beginning."""
    while line := file.readline(LONGEST_LINE_BYTES):
        rest = line
        while len(rest) == LONGEST_LINE_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE_BYTES)
        yield line


def _unseal(line: bytes, *, kind: type[T], file: Path, number: int) -> T | BrokenLine:
    sealed = line.rstrip(b"\n")
    body = sealed[:-_SEAL_LENGTH] + b"}"
    if sealed[-_SEAL_LENGTH:] != _SEAL % zlib.crc32(body):
        return BrokenLine(file=file, number=number, reason="its checksum does not fit")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        return BrokenLine(file=file, number=number, reason=f"not of this version's form: {reason}")
