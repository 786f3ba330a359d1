"""A results folder: one run, its trials, and the files that belong to them."""

import contextlib
import fcntl
import os
import weakref
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from servelab.errors import StoreError
from servelab.model.capacity import CapacityOrder
from servelab.model.host import HostFacts
from servelab.model.plan import PLAN_FORMAT, Plan
from servelab.model.trial import FORMAT_VERSION, Trial
from servelab.model.tuning import TUNING_FORMAT, TuningOrder
from servelab.store import files, lines, redaction, typed_json, validity

TRIALS_FILE = "trials.jsonl"
RUN_FILE = "run.json"
PLAN_FILE = "plan.json"
END_FILE = "end.json"
CAPACITY_FILE = "capacity.json"
TUNING_FILE = "tuning.json"
DEPLOY_FOLDER = "deploy"
"""Of files to serve with what won."""
LIGHTER_FOLDER = "deploy-lighter"
"""Of the lightest that is equivalent to what won."""
MODULE_FOLDER = "application"
"""Of the module that names an application of the user's, where servers need one."""
RESULTS_ROOT = Path("servelab-results")
LARGEST_DOCUMENT_BYTES = 16 << 20
"""Of ``run.json``, ``plan.json``, ``tuning.json`` and ``end.json``."""
_PARTS = ("records", "logs")
_ORDERS = (PLAN_FILE, CAPACITY_FILE, TUNING_FILE, END_FILE)
"""What says how the trials of a run are to be read."""
_LEFTOVERS = ("*.new", "records/*.part", "records/*.raw*")
_MOST_NAMES = 10_000
_Document = TypeVar("_Document")


class RunFacts(Struct, frozen=True, kw_only=True):
    """What is the same for all trials of a run."""

    format: int = 1
    servelab: str
    """Version of the tool."""
    started_at: str
    arguments: list[str]
    """The command line, without the program."""
    host: HostFacts


class RunEnd(Struct, frozen=True, kw_only=True):
    """How a run ended; a run that was killed has none on the disk."""

    planned: int | None
    """Trials that were to be made; None where the figures were to decide."""
    interrupted: bool = False
    skipped: dict[str, str] = {}
    """Deployment -> why it could not run here."""


class StoredRun(Struct, frozen=True, kw_only=True):
    """A run as read from its folder."""

    folder: Path
    facts: RunFacts
    trials: tuple[Trial, ...]
    broken: tuple[lines.BrokenLine, ...]
    end: RunEnd
    plan: Plan | None = None
    """None where none was stored, as by load alone and by a search for capacity."""
    capacity: CapacityOrder | None = None
    """What was searched for, where the trials are those of a search for capacity."""
    tuning: TuningOrder | None = None
    """What was raced, where the trials are those of a race."""


class RunFolder:
    """Where a run that goes on writes, and nobody else as long as it does."""

    def __init__(self, path: Path, *, lock: int | None = None) -> None:
        self.path = path
        self._release = None if lock is None else weakref.finalize(self, os.close, lock)

    @property
    def trials_file(self) -> Path:
        """Return the file with one line a trial."""
        return self.path / TRIALS_FILE

    def records_file(self, trial_id: str) -> Path:
        """Return the file for the single requests of a trial."""
        return self.path / "records" / f"{trial_id}.parquet"

    def stop_records_file(self, trial_id: str) -> Path:
        """Return the file for the requests of the load under which a server was stopped."""
        return self.path / "records" / f"{trial_id}.stop.parquet"

    def log_file(self, trial_id: str) -> Path:
        """Return the file for the output of a trial's server."""
        return self.path / "logs" / f"{trial_id}.log"

    @property
    def module_folder(self) -> Path:
        """Return the folder of the module that names an application of the user's."""
        return self.path / MODULE_FOLDER

    def append(self, trial: Trial) -> Trial:
        """Store a finished trial without credentials; on return it is on the disk.

        Return it as it is stored.
        """
        stored = redaction.trial(trial)
        self._take_back_end()
        lines.append(self.trials_file, stored)
        return stored

    def _take_back_end(self) -> None:
        """Remove what an earlier end said: it holds no longer."""
        with contextlib.suppress(OSError):  # mostly, there is none
            os.unlink(self.path / END_FILE)  # noqa: PTH108 - as in `files`
            files.sync_folder(self.path)

    def keep_plan(self, plan: Plan) -> None:
        """Store what is to be measured, without credentials; raise StoreError."""
        _write(self.path / PLAN_FILE, redaction.plan(plan))

    def keep_order(self, order: CapacityOrder) -> None:
        """Store what a search for capacity is to find; raise StoreError."""
        _write(self.path / CAPACITY_FILE, order)

    def keep_race(self, order: TuningOrder) -> None:
        """Store what is raced and how, without credentials; raise StoreError."""
        _write(self.path / TUNING_FILE, redaction.race(order))

    def close(self, end: RunEnd) -> None:
        """Store how the run ended, and let others write here; raise StoreError."""
        skipped = {name: redaction.words(why) for name, why in end.skipped.items()}
        try:
            _write(self.path / END_FILE, msgspec.structs.replace(end, skipped=skipped))
        finally:
            if self._release is not None:
                self._release()


def create(path: Path | None, *, name: str, facts: RunFacts, now: datetime) -> RunFolder:
    """Make a new results folder; raise StoreError where it exists with results or cannot be made.

    Without a path it is ``servelab-results/<UTC time>-<name>``, with a number where two begin in
    one second.
    """
    try:
        folder = _make_default(name, now=now) if path is None else _make(path)
        # Servers run in folders of their own: what they are told must not depend on ours.
        made = RunFolder(folder.absolute(), lock=_lock(folder))
        if made.trials_file.exists():
            raise StoreError(f"{folder} already holds results; give another folder with --out")
        for part in _PARTS:
            _make(folder / part)
        # A command that ended before its first trial may have been another one.
        for order in _ORDERS:
            (folder / order).unlink(missing_ok=True)
    except OSError as error:
        place = path or RESULTS_ROOT
        raise StoreError(
            f"{place}: cannot be made ({error.strerror}); choose another folder with --out"
        ) from error
    _write(folder / RUN_FILE, facts)
    return made


def reopen(path: Path) -> RunFolder:
    """Return a folder to go on with; raise StoreError where there is nothing to go on with.

    A plan names programs and packages, so that only one's own is gone on with.
    """
    if _read_race(path) is None:
        _read_plan_strictly(path)
        file = path / PLAN_FILE
    else:
        file = path / TUNING_FILE
    try:
        if file.stat().st_uid != os.geteuid():
            raise StoreError(
                f"{file} belongs to another user, and what it says would be run; "
                "read it, and go on with a copy of your own"
            )
        folder = RunFolder(path.absolute(), lock=_lock(path))
        for part in _PARTS:
            _make(path / part)
        for pattern in _LEFTOVERS:
            for unfinished in path.glob(pattern):
                unfinished.unlink()
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be gone on with ({error.strerror}: {error.filename})"
        ) from error
    return folder


def holds_race(path: Path) -> bool:
    """Tell whether a folder's trials are those of a race; raise StoreError."""
    return _read_race(path) is not None


def _write(path: Path, value: Struct) -> None:
    """Write a value as readable JSON, whole or not at all; raise StoreError.

    What could not be read back is not written: its trials would be lost.
    """
    text = msgspec.json.format(typed_json.encode(value), indent=2) + b"\n"
    if len(text) > LARGEST_DOCUMENT_BYTES:
        raise StoreError(
            f"{path.name} would take {len(text) / 1e6:.0f} MB, and no more than "
            f"{LARGEST_DOCUMENT_BYTES / 1e6:.0f} MB are read back; ask fewer requests at a time"
        )
    try:
        files.write_whole(path, text)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); make room or choose another folder "
            "with --out"
        ) from error


def _make(folder: Path) -> Path:
    """Make a folder that may be there."""
    if not folder.is_dir():
        files.make_folder(folder)
    return folder


def _make_default(name: str, *, now: datetime) -> Path:
    """Make the folder of a run that begins now; of several that do, each gets its own."""
    stem = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{name}"
    for number in range(1, _MOST_NAMES):
        candidate = RESULTS_ROOT / (stem if number == 1 else f"{stem}-{number}")
        try:
            files.make_folder(candidate)
        except FileExistsError:
            continue
        return candidate
    raise StoreError(f"{RESULTS_ROOT} is full of folders named {stem}; give another with --out")


def _lock(folder: Path) -> int | None:
    """Return what keeps others from writing here until it is closed; StoreError where one does.

    None where the file system has no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(
            f"another servelab writes to {folder}; wait for it, or give another folder with --out"
        ) from None
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def latest() -> Path:
    """Return the newest results folder below the working directory."""
    runs = [path.parent for path in RESULTS_ROOT.glob(f"*/{RUN_FILE}")]
    if not runs:
        raise StoreError(
            f"no results in {RESULTS_ROOT}/; name a folder, or measure with: servelab run"
        )
    return max(runs, key=lambda run: (run / RUN_FILE).stat().st_mtime_ns)


def read(folder: Path) -> StoredRun:
    """Read a results folder; lines that cannot be believed are returned apart."""
    facts = _read_facts(folder)
    found = list(_once_each(_lines(folder / TRIALS_FILE), file=folder / TRIALS_FILE))
    trials = tuple(item for item in found if isinstance(item, Trial))
    return StoredRun(
        folder=folder,
        facts=facts,
        trials=trials,
        end=_read_end(folder / END_FILE, measured=len(trials)),
        capacity=_document_if_any(folder / CAPACITY_FILE, into=CapacityOrder),
        tuning=_read_race(folder),
        broken=tuple(item for item in found if isinstance(item, lines.BrokenLine)),
        plan=_read_plan(folder),
    )


def _read_facts(folder: Path) -> RunFacts:
    file = folder / RUN_FILE
    try:
        facts = _document(file, into=RunFacts)
    except OSError as error:
        raise StoreError(
            f"{folder} is not a results folder: {RUN_FILE}: {error.strerror}"
        ) from None
    if (objection := validity.objection(facts)) is not None:
        raise StoreError(f"{file} cannot be believed: {objection}")
    return facts


def _document(file: Path, *, into: type[_Document]) -> _Document:
    """Read a document as a type; raise OSError, or StoreError where it is none of it."""
    try:
        return typed_json.decode(
            files.read_whole(file, limit_bytes=LARGEST_DOCUMENT_BYTES), into=into
        )
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StoreError(f"{file} cannot be understood: {error}") from None


def _document_if_any(file: Path, *, into: type[_Document]) -> _Document | None:
    """Read a document that a run may lack; raise StoreError."""
    try:
        return _document(file, into=into)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{file}: cannot be read ({error.strerror})") from None


def _lines(file: Path) -> Iterable[Trial | lines.BrokenLine]:
    return lines.read(file, kind=Trial) if file.exists() else ()


def _once_each(
    found: Iterable[Trial | lines.BrokenLine], *, file: Path
) -> Iterator[Trial | lines.BrokenLine]:
    """Yield what was read; a trial that cannot be, or that was there before, as a broken line."""
    seen: set[str] = set()
    for number, item in enumerate(found, start=1):
        reason = None if isinstance(item, lines.BrokenLine) else _doubt(item, seen=seen)
        if reason is not None:
            yield lines.BrokenLine(file=file, number=number, reason=reason)
            continue
        if isinstance(item, Trial):
            seen.add(item.id)
        yield item


def _doubt(trial: Trial, *, seen: set[str]) -> str | None:
    if trial.format != FORMAT_VERSION:
        return f"it has format {trial.format}, and this servelab reads {FORMAT_VERSION}"
    if trial.id in seen:
        return "its trial was there before"
    return validity.objection_to_trial(trial)


def _read_plan(folder: Path) -> Plan | None:
    """Read the plan of a run; reports do without one that cannot be read."""
    try:
        return _read_plan_strictly(folder)
    except StoreError:
        return None


def _read_plan_strictly(folder: Path) -> Plan:
    file = folder / PLAN_FILE
    try:
        plan = _document(file, into=Plan)
    except OSError as error:
        raise StoreError(
            f"{folder} holds no plan to go on with: {PLAN_FILE}: {error.strerror}"
        ) from None
    if plan.format != PLAN_FORMAT:
        raise StoreError(f"{file} has format {plan.format}; this servelab reads {PLAN_FORMAT}")
    if (objection := validity.objection_to_plan(plan)) is not None:
        raise StoreError(f"{file} cannot be believed: {objection}")
    return plan


def _read_race(folder: Path) -> TuningOrder | None:
    """Read what was raced; None of a run that is no race; raise StoreError."""
    file = folder / TUNING_FILE
    order = _document_if_any(file, into=TuningOrder)
    if order is None:
        return None
    if order.format != TUNING_FORMAT:
        raise StoreError(f"{file} has format {order.format}; this servelab reads {TUNING_FORMAT}")
    if (objection := validity.objection_to_race(order)) is not None:
        raise StoreError(f"{file} cannot be believed: {objection}")
    return order


def _read_end(path: Path, *, measured: int) -> RunEnd:
    """Read how a run ended; one that left no word was cut short."""
    try:
        return _document(path, into=RunEnd)
    except (OSError, StoreError):
        return RunEnd(planned=measured, interrupted=True)
