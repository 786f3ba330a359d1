"""What earlier runs left that were killed together with all who watched over their servers.

A process is named, and killed, only where number and start time are those that were noted in this
boot of this machine, or where it carries the random tag of the run; or where it descends from such
a process. Nothing is removed unasked but notes of which nothing is left.
"""

import fcntl
import os
import signal
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from servelab.launch.notes import NOTE_FORMAT, SUFFIX, Place, notes_folder, place
from servelab.launch.supervisor import RUN_VARIABLE
from servelab.linux import cgroups, procfs
from servelab.linux.procfs import Identity
from servelab.model.leftover import Leftover, LeftProcess, Removal
from servelab.store.folder import END_FILE, PLAN_FILE, RUN_FILE, TUNING_FILE

_LARGEST_NOTE_BYTES = 4 << 20
_PATIENCE_S = 5.0
_PAUSE_S = 0.02
_GROUP_PREFIX = "servelab-"
_HALF_WRITTEN = ("records/*.raw[0-9]*", "records/*.part", "*.new")


class _Head(Struct, frozen=True, kw_only=True):
    """The first line of a note."""

    format: int
    host: str
    boot_id: str
    pid_namespace: str
    tag: str
    program: str
    log: str
    groups: tuple[str, ...]
    started_at: str

    @property
    def place(self) -> Place:
        return Place(self.host, self.boot_id, self.pid_namespace)


class _Seen(Struct, frozen=True, kw_only=True):
    """Every other line."""

    processes: tuple[tuple[int, int], ...]


def find(folder: Path | None = None, *, here: Place | None = None) -> tuple[Leftover, ...]:
    """Return what is left, the oldest first; forget the notes of which nothing is.

    What ran on another machine or in another container, whose processes cannot be seen from
    here, is passed over and stays noted.
    """
    itself = here or place()
    notes = [note for file in _files(folder or notes_folder()) if (note := _read(file))]
    going_on = {_results_of(note.head.log) for note in notes if note.is_held}
    found = [
        _leftover(note, here=itself, going_on=going_on)
        for note in notes
        if not note.is_held and _is_ours(note.head, here=itself)
    ]
    for leftover in found:
        if _is_nothing(leftover):
            leftover.note.unlink(missing_ok=True)
    left = [leftover for leftover in found if not _is_nothing(leftover)]
    return tuple(sorted(left, key=lambda leftover: leftover.started_at))


def remove(leftover: Leftover) -> Removal:
    """Kill its processes, remove its control groups and half-written files, then its note."""
    killed = _kill(leftover)
    are_groups_gone = cgroups.remove([cgroups.Folder(each, "", [], []) for each in leftover.groups])
    for file in leftover.files:
        with suppress(OSError):
            file.unlink()
    is_complete = not _living(leftover) and are_groups_gone
    if is_complete:
        leftover.note.unlink(missing_ok=True)
    return Removal(leftover=leftover, killed=killed, is_complete=is_complete)


# ---- finding


class _Note(Struct, frozen=True, kw_only=True):
    file: Path
    head: _Head
    seen: tuple[Identity, ...]
    is_held: bool
    """Somebody who watches over the server lives."""


def _files(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from sorted(each for each in folder.iterdir() if each.suffix == SUFFIX)


def _read(file: Path) -> _Note | None:
    """Read a note as far as it can be believed; what a power cut garbled is left out."""
    is_held = False
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_held = True
        first, *rest = os.read(descriptor, _LARGEST_NOTE_BYTES).split(b"\n")
        head = msgspec.json.decode(first, type=_Head)
    except (OSError, msgspec.MsgspecError):
        return None
    finally:
        os.close(descriptor)
    seen = tuple(Identity(*each) for line in rest for each in _processes_in(line))
    return _Note(file=file, head=head, seen=seen, is_held=is_held)


def _processes_in(line: bytes) -> tuple[tuple[int, int], ...]:
    try:
        return msgspec.json.decode(line, type=_Seen).processes
    except msgspec.MsgspecError:
        return ()


def _is_ours(head: _Head, *, here: Place) -> bool:
    """Tell whether what was noted can be judged from here."""
    if head.format != NOTE_FORMAT or head.host != here.host or not here.boot_id:
        return False
    return head.boot_id != here.boot_id or head.pid_namespace == here.pid_namespace


def _leftover(note: _Note, *, here: Place, going_on: Collection[Path | None]) -> Leftover:
    head = note.head
    results = _results_of(head.log)
    # A run that somebody has gone on with is his: what is half-written there is being written.
    is_cut_short = results is not None and results not in going_on and _is_unfinished(results)
    unfinished = results if is_cut_short else None
    leftover = Leftover(
        note=note.file,
        tag=head.tag,
        program=head.program,
        started_at=head.started_at,
        log=Path(head.log),
        is_from_another_boot=head.boot_id != here.boot_id,
        groups=tuple(each for each in head.groups if _is_our_group(each)),
        files=_half_written(unfinished),
        unfinished=unfinished,
    )
    if leftover.is_from_another_boot:
        return leftover
    living = _tree(note.seen, tag=head.tag)
    return msgspec.structs.replace(leftover, processes=tuple(_named(living)))


def _is_nothing(leftover: Leftover) -> bool:
    is_cut_short = leftover.is_from_another_boot and leftover.unfinished is not None
    return not (leftover.processes or leftover.groups or leftover.files or is_cut_short)


def _tree(known: Iterable[Identity], *, tag: str) -> frozenset[Identity]:
    """Return what lives of these processes, of those with the tag, and of those below both.

    Never this process, nor those that it was started by, whatever a note says.
    """
    stats = procfs.all_stats()
    roots = {each for each in known if each.pid in stats and procfs.is_same(each)}
    roots |= {stat.identity for stat in procfs.tagged(RUN_VARIABLE, value=tag)}
    own_line = set(procfs.ancestry(os.getpid(), stats=stats))
    roots = {each for each in roots if each.pid not in own_line}
    below = procfs.descendants([each.pid for each in roots], stats=stats)
    return frozenset(roots | {stat.identity for stat in below if stat.is_alive})


def _named(processes: Iterable[Identity]) -> Iterator[LeftProcess]:
    for each in sorted(processes):
        stat = procfs.read_stat(each.pid)
        if stat is not None and stat.identity == each:
            yield LeftProcess(pid=each.pid, start_ticks=each.start_ticks, name=stat.name)


def _is_our_group(path: str) -> bool:
    return Path(path).name.startswith(_GROUP_PREFIX) and (Path(path) / "cgroup.procs").exists()


def _results_of(log: str) -> Path | None:
    folder = Path(log).parent.parent
    return folder if (folder / RUN_FILE).is_file() else None


def _is_unfinished(results: Path) -> bool:
    is_planned = any((results / name).is_file() for name in (PLAN_FILE, TUNING_FILE))
    return is_planned and not (results / END_FILE).is_file()


def _half_written(results: Path | None) -> tuple[Path, ...]:
    if results is None:
        return ()
    found = (file for pattern in _HALF_WRITTEN for file in results.glob(pattern))
    return tuple(sorted(found))


# ---- removing


def _kill(leftover: Leftover) -> int:
    killed: set[Identity] = set()
    deadline = time.monotonic() + _PATIENCE_S
    while (living := _living(leftover)) and time.monotonic() < deadline:
        killed |= {each for each in living if procfs.send_signal(each, number=signal.SIGKILL)}
        time.sleep(_PAUSE_S)
    return len(killed)


def _living(leftover: Leftover) -> frozenset[Identity]:
    if leftover.is_from_another_boot:
        return frozenset()
    known = [Identity(each.pid, each.start_ticks) for each in leftover.processes]
    return _tree(known, tag=leftover.tag)
