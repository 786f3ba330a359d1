"""A results folder: one run, its trials, and the files that belong to them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from servelab.errors import StoreError
from servelab.model.capacity import CapacityOrder
from servelab.model.host import HostFacts
from servelab.model.plan import PLAN_FORMAT, Plan
from servelab.model.trial import FORMAT_VERSION, Trial
from servelab.store import lines, typed_json

TRIALS_FILE = "trials.jsonl"
RUN_FILE = "run.json"
PLAN_FILE = "plan.json"
END_FILE = "end.json"
CAPACITY_FILE = "capacity.json"
RESULTS_ROOT = Path("servelab-results")


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


class RunFolder:
    """Where a run that goes on writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

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

    def append(self, trial: Trial) -> None:
        """Store a finished trial; on return it is on the disk."""
        lines.append(self.trials_file, trial)

    def keep_plan(self, plan: Plan) -> None:
        """Store what is to be measured; raise StoreError."""
        _write(self.path / PLAN_FILE, plan)

    def keep_order(self, order: CapacityOrder) -> None:
        """Store what a search for capacity is to find; raise StoreError."""
        _write(self.path / CAPACITY_FILE, order)

    def close(self, end: RunEnd) -> None:
        """Store how the run ended; raise StoreError."""
        _write(self.path / END_FILE, end)


def create(path: Path | None, *, name: str, facts: RunFacts, now: datetime) -> RunFolder:
    """Make a new results folder; raise StoreError where it exists with results or cannot be made.

    Without a path it is ``servelab-results/<UTC time>-<name>``.
    """
    folder = path if path is not None else _free_default(name, now=now)
    if (folder / TRIALS_FILE).exists():
        raise StoreError(f"{folder} already holds results; give another folder with --out")
    try:
        for part in ("records", "logs"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        _write(folder / RUN_FILE, facts)
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be made ({error.strerror}); choose another folder with --out"
        ) from error
    # Servers run in folders of their own: what they are told must not depend on ours.
    return RunFolder(folder.absolute())


def reopen(path: Path) -> RunFolder:
    """Return a folder to go on with; raise StoreError where there is nothing to go on with."""
    _read_plan_strictly(path)
    return RunFolder(path.absolute())


def _write(path: Path, value: Struct) -> None:
    """Write a value as readable JSON, whole or not at all; raise StoreError."""
    unfinished = path.with_suffix(".new")
    try:
        unfinished.write_bytes(msgspec.json.format(typed_json.encode(value), indent=2) + b"\n")
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); make room or choose another folder "
            "with --out"
        ) from error


def _free_default(name: str, *, now: datetime) -> Path:
    stem = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{name}"
    candidate, number = RESULTS_ROOT / stem, 1
    while candidate.exists():
        number += 1
        candidate = RESULTS_ROOT / f"{stem}-{number}"
    return candidate


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
    try:
        facts = msgspec.json.decode((folder / RUN_FILE).read_bytes(), type=RunFacts)
    except OSError as error:
        raise StoreError(
            f"{folder} is not a results folder: {RUN_FILE}: {error.strerror}"
        ) from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StoreError(f"{folder / RUN_FILE} cannot be understood: {error}") from None
    file = folder / TRIALS_FILE
    found = [
        _of_this_version(item, file=file, number=number)
        for number, item in enumerate(_lines(file), start=1)
    ]
    trials = tuple(item for item in found if isinstance(item, Trial))
    return StoredRun(
        folder=folder,
        facts=facts,
        trials=trials,
        end=_read_end(folder / END_FILE, measured=len(trials)),
        capacity=_read_order(folder / CAPACITY_FILE),
        broken=tuple(item for item in found if isinstance(item, lines.BrokenLine)),
        plan=_read_plan(folder),
    )


def _lines(file: Path) -> Iterable[Trial | lines.BrokenLine]:
    return lines.read(file, kind=Trial) if file.exists() else ()


def _of_this_version(
    item: Trial | lines.BrokenLine, *, file: Path, number: int
) -> Trial | lines.BrokenLine:
    if isinstance(item, lines.BrokenLine) or item.format == FORMAT_VERSION:
        return item
    reason = f"it has format {item.format}, and this servelab reads {FORMAT_VERSION}"
    return lines.BrokenLine(file=file, number=number, reason=reason)


def _read_plan(folder: Path) -> Plan | None:
    """Read the plan of a run; reports do without one that cannot be read."""
    try:
        return _read_plan_strictly(folder)
    except StoreError:
        return None


def _read_plan_strictly(folder: Path) -> Plan:
    file = folder / PLAN_FILE
    try:
        plan = typed_json.decode(file.read_bytes(), into=Plan)
    except OSError as error:
        raise StoreError(
            f"{folder} holds no plan to go on with: {PLAN_FILE}: {error.strerror}"
        ) from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StoreError(f"{file} cannot be understood: {error}") from None
    if plan.format != PLAN_FORMAT:
        raise StoreError(f"{file} has format {plan.format}; this servelab reads {PLAN_FORMAT}")
    return plan


def _read_end(path: Path, *, measured: int) -> RunEnd:
    """Read how a run ended; one that left no word was cut short."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunEnd)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return RunEnd(planned=measured, interrupted=True)


def _read_order(path: Path) -> CapacityOrder | None:
    """Read what a search was to find; None of a run that is no search; raise StoreError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=CapacityOrder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} cannot be understood: {error}") from None
