"""Whether a server can be limited here, asked of the kernel before anything is measured."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servelab.errors import CannotRunHere
from servelab.launch.notes import SUFFIX, Note, notes_folder
from servelab.linux import cgroups
from servelab.linux.cgroups import CGROUPS_FILE, MOUNTS_FILE, CannotLimit, Folder
from servelab.model.limits import Limits

_REMEDY = (
    "run servelab in a delegated scope (systemd-run --user --scope -p Delegate=yes servelab ...), "
    "or as root"
)


def require(
    limits: Limits, *, cgroups_file: Path = CGROUPS_FILE, mounts_file: Path = MOUNTS_FILE
) -> None:
    """Make a limited group, run a program in it, remove it; CannotRunHere where that fails."""
    tag = secrets.token_hex(8)
    folders = folders_of(
        limits,
        name=f"servelab-{tag}",
        cgroups_file=cgroups_file,
        mounts_file=mounts_file,
    )
    try:
        with _noted(folders, tag=tag):
            cgroups.create(folders)
            subprocess.run(
                [sys.executable, "-I", "-S", "-c", _join_in_words(folders)],
                check=True,
                capture_output=True,
                text=True,
            )
    except OSError as error:
        raise _refusal(f"{error.filename or folders[0].path}: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        raise _refusal(error.stderr.strip().rpartition("\n")[2]) from None


@contextmanager
def _noted(folders: list[Folder], *, tag: str) -> Iterator[None]:
    """Remove the groups in the end; where this process is killed before, a note tells of them."""
    note = Note(str(notes_folder() / f"{tag}{SUFFIX}"))
    paths = [folder.path for folder in folders]
    note.begin(tag=tag, program="a check of limits", log=os.devnull, groups=paths)
    try:
        yield
    finally:
        if cgroups.remove(folders):
            note.remove()
        note.close()


def folders_of(
    limits: Limits,
    *,
    name: str,
    cgroups_file: Path = CGROUPS_FILE,
    mounts_file: Path = MOUNTS_FILE,
) -> list[Folder]:
    """Return the groups that limit a server, with room made for them; CannotRunHere."""
    try:
        folders = cgroups.plan(
            name,
            cpus=limits.cpus,
            memory_bytes=limits.memory_bytes,
            cgroups_file=cgroups_file,
            mounts_file=mounts_file,
        )
        cgroups.step_aside(folders)
    except CannotLimit as error:
        raise _refusal(str(error)) from None
    except OSError as error:
        raise _refusal(f"{error.filename}: {error.strerror}") from None
    return folders


def _join_in_words(folders: list[Folder]) -> str:
    """Return a program that does nothing but join: the right to it shows only when it is used."""
    files = [str(Path(folder.path) / "cgroup.procs") for folder in folders]
    return f"for file in {files!r}: open(file, 'w').write('0')"


def _refusal(fact: str) -> CannotRunHere:
    return CannotRunHere(f"cannot limit the server: {fact}; {_REMEDY}")
