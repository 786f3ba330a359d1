"""Results folders."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from servelab.errors import StoreError
from servelab.model.host import HostFacts
from servelab.store import folder

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FACTS = folder.RunFacts(
    servelab="0",
    started_at="2026-01-02T03:04:05Z",
    arguments=["run"],
    host=HostFacts(
        cpu_model="c", cpus=2, cpus_allowed=2, memory_bytes=1, architecture="a", kernel="k"
    ),
)


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
