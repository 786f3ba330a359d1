"""Files for a user's project: written whole, and never over what is there unless that is asked."""

from collections.abc import Sequence
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
    taken = [path.name for path, _ in pending if path.is_symlink() or path.exists()]
    if taken and existing is Existing.KEEP:
        raise UsageError(
            f"{folder} already has {' and '.join(taken)}; write elsewhere, or over it with --force"
        )
    try:
        if not folder.is_dir():
            whole.make_folder(folder)
        for path, text in pending:
            whole.write_whole(path, text.encode())
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written to ({error.strerror})") from error
    return paths


def _holds(path: Path, text: str) -> bool:
    try:
        return not path.is_symlink() and path.read_bytes() == text.encode()
    except OSError:
        return False
