"""Results folders."""

import os
import threading
from pathlib import Path

import pytest
from tests.store.examples import FACTS, NOW, PLAN, new_folder, plan_with, trial

from servelab.errors import StoreError
from servelab.model.capacity import CapacityGoal, CapacityOrder
from servelab.model.slo import Slo
from servelab.store import folder, lines

GOAL = CapacityGoal(slo=Slo(quantile="p99", target_s=0.2), first_rate_per_s=20, lowest_rate_per_s=2)


def test_two_runs_in_one_second_get_two_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [folder.create(None, name="x", facts=FACTS, now=NOW).path.name for _ in range(2)]
    assert names == ["20260102T030405Z-x", "20260102T030405Z-x-2"]


def test_how_a_run_ended_is_kept_and_one_without_a_word_was_cut_short(tmp_path: Path) -> None:
    made = folder.create(tmp_path / "r", name="x", facts=FACTS, now=NOW)
    assert folder.read(made.path).end.interrupted
    end = folder.RunEnd(planned=3, skipped={"a": "no compiler"})
    made.close(end)
    assert folder.read(made.path).end == end


def test_a_folder_without_trials_is_a_run_without_trials(tmp_path: Path) -> None:
    made = folder.create(tmp_path / "r", name="x", facts=FACTS, now=NOW)
    run = folder.read(made.path)
    assert (run.facts, run.trials, run.broken) == (FACTS, (), ())


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_run_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(StoreError):
        folder.read(tmp_path)


def test_without_any_run_the_next_step_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="servelab run"):
        folder.latest()


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another folder with --out"):
        folder.create(tmp_path / "file" / "below", name="x", facts=FACTS, now=NOW)


def test_many_runs_that_begin_at_once_get_a_folder_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made: list[folder.RunFolder] = []
    together = threading.Barrier(16)

    def make() -> None:
        together.wait()
        made.append(new_folder(None))

    threads = [threading.Thread(target=make) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.path for each in made}) == 16


def test_two_runs_in_one_named_folder_are_one_too_many(tmp_path: Path) -> None:
    first = new_folder(tmp_path / "r")
    first.keep_plan(PLAN)
    with pytest.raises(StoreError, match="another servelab writes to"):
        new_folder(tmp_path / "r")
    with pytest.raises(StoreError, match="another servelab writes to"):
        folder.reopen(tmp_path / "r")
    first.close(folder.RunEnd(planned=1))
    folder.reopen(tmp_path / "r").close(folder.RunEnd(planned=1))


def test_a_folder_without_trials_forgets_whose_it_was_to_be(tmp_path: Path) -> None:
    first = new_folder(tmp_path / "r")
    first.keep_plan(PLAN)
    first.keep_order(CapacityOrder(goal=GOAL))
    first.close(folder.RunEnd(planned=7, interrupted=True, skipped={"a": "no compiler"}))
    new_folder(tmp_path / "r")
    found = folder.read(tmp_path / "r")
    assert (found.plan, found.capacity, found.tuning) == (None, None, None)
    assert (found.end.planned, found.end.skipped) == (0, {})


def test_a_folder_that_nobody_holds_any_more_is_free(tmp_path: Path) -> None:
    made = new_folder(tmp_path / "r")
    made.keep_plan(PLAN)
    del made
    assert folder.reopen(tmp_path / "r").path == tmp_path / "r"


def test_what_a_kill_left_half_written_is_gone_on_resume(tmp_path: Path) -> None:
    made = new_folder(tmp_path / "r")
    made.keep_plan(PLAN)
    made.append(trial("one"))
    left = ("end.json.new", "records/one.parquet.part", "records/two.parquet.raw0")
    for name in left:
        (tmp_path / "r" / name).write_bytes(b"x")
    made.close(folder.RunEnd(planned=2, interrupted=True))
    folder.reopen(tmp_path / "r")
    assert not any((tmp_path / "r" / name).exists() for name in left)
    assert [each.id for each in folder.read(tmp_path / "r").trials] == ["one"]


def test_an_end_holds_only_until_there_is_more(tmp_path: Path) -> None:
    made = new_folder(tmp_path / "r")
    made.keep_plan(PLAN)
    made.append(trial("one"))
    made.close(folder.RunEnd(planned=1))
    assert not folder.read(tmp_path / "r").end.interrupted
    folder.reopen(tmp_path / "r").append(trial("two"))
    assert folder.read(tmp_path / "r").end.interrupted


def test_a_trial_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    made = new_folder(tmp_path / "r")
    for name in ("one", "two", "one"):
        made.append(trial(name))
    run = folder.read(tmp_path / "r")
    assert [each.id for each in run.trials] == ["one", "two"]
    assert [(each.number, each.reason) for each in run.broken] == [
        (3, "its trial was there before")
    ]


@pytest.mark.parametrize("name", ["run.json", "plan.json", "end.json"])
def test_a_document_beyond_all_measure_is_not_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "LARGEST_DOCUMENT_BYTES", 4096)
    made = new_folder(tmp_path / "r")
    made.keep_plan(PLAN)
    made.close(folder.RunEnd(planned=0))
    with (tmp_path / "r" / name).open("ab") as file:
        file.truncate(1 << 30)
    if name == "run.json":
        with pytest.raises(StoreError, match="it is larger than"):
            folder.read(tmp_path / "r")
    else:
        run = folder.read(tmp_path / "r")
        assert (run.plan is None, run.end.interrupted) == (name == "plan.json", name == "end.json")


def test_lines_beyond_all_measure_are_not_read(tmp_path: Path) -> None:
    made = new_folder(tmp_path / "r")
    with made.trials_file.open("wb") as file:
        file.truncate(lines.LARGEST_FILE_BYTES + 1)
    with pytest.raises(StoreError, match="it is larger than 1024 MiB"):
        folder.read(tmp_path / "r")


@pytest.mark.parametrize("name", ["run.json", "plan.json", "end.json", "trials.jsonl"])
def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path, name: str) -> None:
    made = new_folder(tmp_path / "r")
    made.keep_plan(PLAN)
    (tmp_path / "r" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "r" / name)
    if name in {"run.json", "trials.jsonl"}:
        with pytest.raises(StoreError, match="no regular file"):
            folder.read(tmp_path / "r")
    else:
        assert folder.read(tmp_path / "r").trials == ()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    made = new_folder(tmp_path / "r")
    other = tmp_path / "of somebody else"
    other.write_text("mine\n")
    made.trials_file.symlink_to(other)
    with pytest.raises(StoreError, match="could not be written"):
        made.append(trial("one"))
    made.close(folder.RunEnd(planned=1))
    assert other.read_text() == "mine\n"


def test_the_plan_of_another_user_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = new_folder(tmp_path / "r")
    made.keep_plan(PLAN)
    made.close(folder.RunEnd(planned=1))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StoreError, match="belongs to another user"):
        folder.reopen(tmp_path / "r")


def test_credentials_of_requirements_are_not_stored(tmp_path: Path) -> None:
    made = new_folder(tmp_path / "r")
    made.keep_plan(plan_with("thing @ https://me:hunter2@index.example/thing.whl", "tokenizers==1"))
    stored = (tmp_path / "r" / "plan.json").read_text()
    assert "hunter2" not in stored
    assert "https://***@index.example/thing.whl" in stored
    assert "tokenizers==1" in stored
