"""What is on the disk before a step is said to be done: the order of the calls that see to it."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.store.examples import PLAN, new_folder, trial

from servelab.errors import StoreError
from servelab.load.conversion import convert
from servelab.load.record import ROW, Recorder
from servelab.store import files, folder


class Journal:
    """Notes each call that changes or syncs something, by the name of what it is about."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entries: list[str] = []
        self._names: dict[int, str] = {}
        self._originals = {
            name: getattr(os, name) for name in ("open", "write", "fsync", "replace", "mkdir")
        }
        for name in self._originals:
            monkeypatch.setattr(os, name, getattr(self, name))

    def open(self, path: Any, *rest: Any, **named: Any) -> int:
        descriptor: int = self._originals["open"](path, *rest, **named)
        self._names[descriptor] = Path(path).name
        return descriptor

    def write(self, descriptor: int, content: Any) -> int:
        self.entries.append(f"write {self._names.get(descriptor)}")
        written: int = self._originals["write"](descriptor, content)
        return written

    def fsync(self, descriptor: int) -> None:
        self.entries.append(f"sync {self._names.get(descriptor)}")
        self._originals["fsync"](descriptor)

    def replace(self, old: Any, new: Any) -> None:
        self.entries.append(f"rename {Path(old).name} to {Path(new).name}")
        self._originals["replace"](old, new)

    def mkdir(self, path: Any, *rest: Any) -> None:
        self.entries.append(f"make {Path(path).name}")
        self._originals["mkdir"](path, *rest)


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    return Journal(monkeypatch)


def whole(name: str, *, place: str) -> list[str]:
    new = f"{name}.new"
    return [f"write {new}", f"sync {new}", f"rename {new} to {name}", f"sync {place}"]


def test_a_new_folder_and_those_above_it_have_their_names_on_the_disk(
    tmp_path: Path, journal: Journal
) -> None:
    new_folder(tmp_path / "above" / "run")
    assert journal.entries == [
        *("make above", f"sync {tmp_path.name}", "make run", "sync above"),
        *("make records", "sync run", "make logs", "sync run"),
        *whole("run.json", place="run"),
    ]


def test_plan_and_end_are_synced_before_they_take_their_names_and_these_after(
    tmp_path: Path, journal: Journal
) -> None:
    made = new_folder(tmp_path / "run")
    journal.entries.clear()
    made.keep_plan(PLAN)
    made.close(folder.RunEnd(planned=1))
    assert journal.entries == [
        *whole("plan.json", place="run"),
        *whole("end.json", place="run"),
    ]


def test_a_line_is_synced_and_with_the_first_one_the_name_of_its_file(
    tmp_path: Path, journal: Journal
) -> None:
    made = new_folder(tmp_path / "run")
    journal.entries.clear()
    made.append(trial("one"))
    assert journal.entries == ["write trials.jsonl", "sync trials.jsonl", "sync run"]
    journal.entries.clear()
    made.append(trial("two"))
    assert journal.entries == ["write trials.jsonl", "sync trials.jsonl"]


def test_records_are_on_the_disk_before_a_trial_can_name_them(
    tmp_path: Path, journal: Journal
) -> None:
    raw = Recorder(tmp_path / "raw")
    raw.keep(ROW.pack(1, 1, 1, 1, 1, 2, 0, 0, 0, 0, 200, 0))
    raw.close()
    journal.entries.clear()
    convert([tmp_path / "raw"], tmp_path / "it.parquet", expected=[1])
    assert journal.entries == [
        "sync it.parquet.part",
        "rename it.parquet.part to it.parquet",
        f"sync {tmp_path.name}",
    ]


def test_a_folder_that_cannot_be_synced_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    files.sync_folder(tmp_path)


def test_a_file_that_cannot_be_synced_is_not_said_to_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = new_folder(tmp_path / "run")

    def refuse(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match="Input/output error"):
        made.append(trial("one"))
