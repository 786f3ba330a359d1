"""A results folder: one run, its trials, and the files that belong to them."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from servelab.errors import StoreError
from servelab.model.host import HostFacts
from servelab.model.trial import Trial
from servelab.store import lines

TRIALS_FILE = "trials.jsonl"
RUN_FILE = "run.json"
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


class StoredRun(Struct, frozen=True, kw_only=True):
    """A run as read from its folder."""

    folder: Path
    facts: RunFacts
    trials: tuple[Trial, ...]
    broken: tuple[lines.BrokenLine, ...]


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

    def log_file(self, trial_id: str) -> Path:
        """Return the file for the output of a trial's server."""
        return self.path / "logs" / f"{trial_id}.log"

    def append(self, trial: Trial) -> None:
        """Store a finished trial; on return it is on the disk."""
        lines.append(self.trials_file, trial)


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
        (folder / RUN_FILE).write_bytes(
            msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"
        )
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be made ({error.strerror}); choose another folder with --out"
        ) from error
    # Servers run in folders of their own: what they are told must not depend on ours.
    return RunFolder(folder.absolute())


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
    found = (
        list(lines.read(folder / TRIALS_FILE, kind=Trial))
        if (folder / TRIALS_FILE).exists()
        else []
    )
    return StoredRun(
        folder=folder,
        facts=facts,
        trials=tuple(item for item in found if isinstance(item, Trial)),
        broken=tuple(item for item in found if isinstance(item, lines.BrokenLine)),
    )
