"""A loop that only writes, killed at each boundary of write, sync and rename."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.examples import PLAN, new_folder, trial
from tests.store.killed import Death, Tell, deaths

from servelab.errors import StoreError
from servelab.store import folder

pytestmark = pytest.mark.live

NAMES = ("one", "two", "three")
CHECKOUT = Path(__file__).parents[2]


def write(path: Path, tell: Tell) -> None:
    """Write a whole run, and tell of each step once it is done."""
    made = new_folder(path)
    tell("made")
    made.keep_plan(PLAN)
    tell("planned")
    for name in NAMES:
        made.append(trial(name))
        tell(name)
    made.close(folder.RunEnd(planned=len(NAMES)))
    tell("closed")


def all_deaths(below: Path) -> Iterator[Death]:
    """Have them in a process with one thread, which may fork."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.test_killed", str(below)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        check=True,
    )
    for line in done.stdout.splitlines():
        where, told, before = json.loads(line)
        yield Death(Path(where), tuple(told), before)


def stored_ids(path: Path) -> list[str]:
    return [each.id for each in folder.read(path).trials]


def go_on(death: Death) -> None:
    """Do what `--resume` does, or begin anew where nothing can be gone on with."""
    try:
        again = folder.reopen(death.folder)
    except StoreError:
        assert "planned" not in death.told
        again = new_folder(death.folder)
        again.keep_plan(PLAN)
    made = stored_ids(death.folder)
    for name in NAMES:
        if name not in made:
            again.append(trial(name))
    again.close(folder.RunEnd(planned=len(NAMES)))


def test_every_finished_trial_is_kept_once_wherever_a_kill_falls(tmp_path: Path) -> None:
    boundaries = []
    for death in all_deaths(tmp_path):
        boundaries.append(death.before)
        finished = [name for name in death.told if name in NAMES]
        if "made" in death.told:
            run = folder.read(death.folder)
            found = [each.id for each in run.trials]
            # What was being written may be there or not; what was told is there.
            assert found in (finished, list(NAMES[: len(finished) + 1])), death
            assert len(run.broken) <= 1
            assert run.end.interrupted or len(found) == len(NAMES), death
            assert ("planned" not in death.told) or run.plan == PLAN
        if "closed" in death.told:
            assert not folder.read(death.folder).end.interrupted
        go_on(death)
        run = folder.read(death.folder)
        assert [each.id for each in run.trials] == list(NAMES)
        assert run.end == folder.RunEnd(planned=len(NAMES))
        assert sorted(each.name for each in death.folder.iterdir()) == [
            *("end.json", "logs", "plan.json", "records", "run.json", "trials.jsonl"),
        ]
    assert boundaries.count("the rest of write") == 3 + len(NAMES)
    assert {"write", "fsync", "replace end.json.new", "open trials.jsonl", None} <= set(boundaries)


if __name__ == "__main__":
    for death in deaths(write, below=Path(sys.argv[1])):
        print(json.dumps([os.fspath(death.folder), death.told, death.before]))  # noqa: T201
