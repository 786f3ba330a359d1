"""Files for a user's project: written whole, and never over what is there unless that is asked."""

import itertools
import os
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path

from servelab.errors import StoreError, UsageError
from servelab.model.ready import TextFile
from servelab.store import files as whole


class Existing(Enum):
    """What happens to a file that is there already."""

    KEEP = "keep"
    REPLACE = "replace"


def write_files(
    files: Sequence[TextFile], *, folder: Path, existing: Existing = Existing.KEEP
) -> tuple[Path, ...]:
    """Write files into a folder, which is made where it is missing; return their paths.

    A file that is there with the same text is left. Raise UsageError, before anything is written,
    where one with another text is to be kept, and StoreError where one cannot be written.
    """
    paths = tuple(folder / file.name for file in files)
    pending = [
        (path, file.text)
        for path, file in zip(paths, files, strict=True)
        if not _holds(path, file.text)
    ]
    if existing is Existing.KEEP:
        refuse_what_is_there((path.name for path, _ in pending), folder=folder)
    try:
        if not folder.is_dir():
            whole.make_folder(folder)
        for path, text in pending:
            whole.write_whole(path, text.encode(), unfinished_ending=_free_ending(path))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written to ({error.strerror})") from error
    return paths


def refuse_what_is_there(names: Iterable[str], *, folder: Path) -> None:
    """Raise UsageError where a folder has files of these names."""
    taken = [name for name in names if os.path.lexists(folder / name)]
    if taken:
        raise UsageError(
            f"{folder} already has {' and '.join(taken)}; write elsewhere, or over it with --force"
        )


def _free_ending(path: Path) -> str:
    """Return an ending for an unfinished file's name that no file of the user's has."""
    tried = (
        f".{number}{whole.UNFINISHED}" if number else whole.UNFINISHED
        for number in itertools.count()
    )
    return next(each for each in tried if not os.path.lexists(f"{path}{each}"))


def _holds(path: Path, text: str) -> bool:
    try:
        return not path.is_symlink() and path.read_bytes() == text.encode()
    except OSError:
        return False
