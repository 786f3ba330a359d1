"""Where the environments lie, what they take, and how to be rid of them."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from msgspec import DecodeError, Struct

from servelab.errors import CannotRunHere
from servelab.store.typed_json import decode, encode

MARKER = "complete.json"
"""Written into an environment when it is whole; one without it is built again."""

Progress = Callable[[str], None]
Kept = TypeVar("Kept")

_LOCKS = ".locks"


class CachedEnvironment(Struct, frozen=True, kw_only=True):
    """An environment in the cache."""

    name: str
    directory: Path
    size_bytes: int
    """Of its files, each counted once; some may be shared with the cache of uv."""
    is_complete: bool


def cache_directory(variables: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the environments: below SERVELAB_CACHE, or in the user's cache."""
    given = os.environ if variables is None else variables
    if own := given.get("SERVELAB_CACHE"):
        return Path(own).absolute() / "environments"
    # The specification of these folders says that a relative path is to be ignored.
    shared = given.get("XDG_CACHE_HOME", "")
    home = Path(shared) if shared.startswith("/") else Path(given.get("HOME") or "~") / ".cache"
    return home.expanduser() / "servelab" / "environments"


def entries(cache: Path | None = None) -> tuple[CachedEnvironment, ...]:
    """List the environments, by name."""
    folder = cache or cache_directory()
    if not folder.is_dir():
        return ()
    found = sorted(each for each in folder.iterdir() if each.is_dir() and each.name != _LOCKS)
    return tuple(
        CachedEnvironment(
            name=each.name,
            directory=each,
            size_bytes=_size_bytes(each),
            is_complete=(each / MARKER).is_file(),
        )
        for each in found
    )


def clear(cache: Path | None = None) -> int:
    """Remove all environments but those being built; return how many bytes they had."""
    folder = cache or cache_directory()
    freed = 0
    for entry in entries(folder):
        with try_lock(folder, name=entry.name) as is_ours:
            if is_ours:
                # The marker first, so that an interrupted removal leaves nothing that looks whole.
                (entry.directory / MARKER).unlink(missing_ok=True)
                shutil.rmtree(entry.directory, ignore_errors=True)
                freed += entry.size_bytes
    return freed


def mark_complete(directory: Path, *, kept: object) -> None:
    """Write what is kept of an environment into it, as the last thing, so that all is whole."""
    marker = directory / MARKER
    written = marker.with_suffix(".new")
    with written.open("wb") as file:
        file.write(encode(kept))
        file.flush()
        os.fsync(file.fileno())
    written.rename(marker)


def kept_of(directory: Path, *, into: type[Kept]) -> Kept | None:
    """Return what is kept of a whole environment; None where it is not whole, or not readable."""
    try:
        return decode((directory / MARKER).read_bytes(), into=into)
    except (OSError, DecodeError):
        return None


@contextmanager
def alone(directory: Path, *, on_progress: Progress, others: str) -> Iterator[None]:
    """Lock an environment while the block lasts, after any other builder.

    `others` says in the progress what another one does meanwhile.
    """
    with try_lock(directory.parent, name=directory.name) as is_ours:
        if is_ours:
            yield
            return
    on_progress(f"waiting for another servelab that {others}")
    with _wait_for_lock(directory.parent, name=directory.name):
        yield


@contextmanager
def try_lock(cache: Path, *, name: str) -> Iterator[bool]:
    """Lock an environment while the block lasts; yield False where another builder has it."""
    descriptor = _open_lock(cache, name=name)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@contextmanager
def _wait_for_lock(cache: Path, *, name: str) -> Iterator[None]:
    """Lock an environment while the block lasts, after any other builder."""
    descriptor = _open_lock(cache, name=name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_lock(cache: Path, *, name: str) -> int:
    folder = cache / _LOCKS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotRunHere(
            f"The cache folder {cache} cannot be written ({error.strerror}); "
            "set SERVELAB_CACHE to a folder of yours."
        ) from error


def _size_bytes(directory: Path) -> int:
    sizes: dict[tuple[int, int], int] = {}
    for folder, _, files in os.walk(directory):
        for name in files:
            try:
                status = os.lstat(os.path.join(folder, name))  # noqa: PTH118  # tens of thousands
            except FileNotFoundError:  # whoever builds or serves renames files
                continue
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())
