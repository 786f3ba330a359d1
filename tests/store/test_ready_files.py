"""Files for a user's project are written whole, and not over the user's own."""

from pathlib import Path

import pytest

from servelab.errors import StoreError, UsageError
from servelab.model.ready import TextFile
from servelab.store.ready_files import Existing, refuse_what_is_there, write_files

FILES = (TextFile(name="Procfile", text="web: x\n"), TextFile(name="x.service", text="[Unit]\n"))


def test_files_are_written_into_a_folder_that_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    paths = write_files(FILES, folder=folder)
    assert paths == (folder / "Procfile", folder / "x.service")
    assert [path.read_text() for path in paths] == ["web: x\n", "[Unit]\n"]
    assert sorted(each.name for each in folder.iterdir()) == ["Procfile", "x.service"]


def test_a_file_that_is_there_is_kept_and_nothing_else_is_written(tmp_path: Path) -> None:
    (tmp_path / "x.service").write_text("mine")
    with pytest.raises(UsageError, match=r"already has x\.service; .*--force"):
        write_files(FILES, folder=tmp_path)
    assert (tmp_path / "x.service").read_text() == "mine"
    assert not (tmp_path / "Procfile").exists()


def test_it_is_replaced_where_that_is_asked(tmp_path: Path) -> None:
    (tmp_path / "x.service").write_text("mine")
    write_files(FILES, folder=tmp_path, existing=Existing.REPLACE)
    assert (tmp_path / "x.service").read_text() == "[Unit]\n"


def test_a_file_of_the_users_is_not_taken_for_an_unfinished_one(tmp_path: Path) -> None:
    (tmp_path / "Procfile.new").write_text("mine")
    (tmp_path / "x.service.new").symlink_to(tmp_path / "gone")
    write_files(FILES, folder=tmp_path)
    assert (tmp_path / "Procfile.new").read_text() == "mine"
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        *("Procfile", "Procfile.new", "x.service", "x.service.new"),
    ]


def test_what_is_there_can_be_asked_for_beforehand(tmp_path: Path) -> None:
    refuse_what_is_there(["Procfile", "x.service"], folder=tmp_path / "new")
    (tmp_path / "x.service").symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match=r"already has x\.service; .*--force"):
        refuse_what_is_there(["Procfile", "x.service"], folder=tmp_path)


def test_a_second_time_with_the_same_answer_is_no_conflict(tmp_path: Path) -> None:
    write_files(FILES, folder=tmp_path)
    before = (tmp_path / "Procfile").stat().st_ino
    write_files(FILES, folder=tmp_path)
    assert (tmp_path / "Procfile").stat().st_ino == before


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("theirs")
    (tmp_path / "Procfile").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="already has Procfile"):
        write_files(FILES, folder=tmp_path)
    write_files(FILES, folder=tmp_path, existing=Existing.REPLACE)
    assert (tmp_path / "elsewhere").read_text() == "theirs"


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written to"):
        write_files(FILES, folder=tmp_path / "file")
