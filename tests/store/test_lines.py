"""Checksummed lines: what was written whole is read, what was not is told apart."""

from pathlib import Path

import msgspec
import pytest

from servelab.errors import StoreError
from servelab.store import lines


class Thing(msgspec.Struct, frozen=True):
    name: str
    number: int = 0


def intact(path: Path) -> list[Thing]:
    return [item for item in lines.read(path, kind=Thing) if isinstance(item, Thing)]


def test_what_is_appended_is_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "things.jsonl"
    things = [Thing("a", 1), Thing("ü\n", 2), Thing("", 3)]
    for thing in things:
        lines.append(path, thing)
    assert list(lines.read(path, kind=Thing)) == things


def test_a_last_line_cut_at_any_byte_spoils_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "things.jsonl"
    lines.append(path, Thing("first"))
    whole = path.read_bytes()
    second = lines.seal(Thing("second"))
    for length in range(len(second)):
        path.write_bytes(whole + second[:length])
        expected = [Thing("first")]
        if length == len(second) - 1:  # all but the line break
            expected.append(Thing("second"))
        assert intact(path) == expected
        lines.append(path, Thing("third"))
        assert intact(path) == [*expected, Thing("third")]


def test_a_changed_byte_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "things.jsonl"
    line = lines.seal(Thing("value", 7))
    for position in range(len(line) - 1):
        changed = bytearray(line)
        changed[position] ^= 1
        path.write_bytes(bytes(changed))
        assert intact(path) == []


def test_a_sealed_line_of_another_form_is_reported_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "things.jsonl"
    lines.append(path, Thing("fine"))

    class Other(msgspec.Struct):
        name: int

    lines.append(path, Other(3))
    fine, broken = lines.read(path, kind=Thing)
    assert fine == Thing("fine")
    assert isinstance(broken, lines.BrokenLine)
    assert (broken.number, "not of this version's form" in broken.reason) == (2, True)


def test_a_folder_in_the_way_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="could not be written"):
        lines.append(tmp_path, Thing("x"))


def test_a_line_beyond_all_measure_is_one_broken_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE_BYTES", 100)
    path = tmp_path / "things.jsonl"
    lines.append(path, Thing("first"))
    with path.open("ab") as file:
        file.write(b"x" * 1050 + b"\n")
    lines.append(path, Thing("last"))
    first, broken, last = lines.read(path, kind=Thing)
    assert (first, last) == (Thing("first"), Thing("last"))
    assert isinstance(broken, lines.BrokenLine)
    assert broken.number == 2


def test_zeros_that_a_power_cut_left_at_the_end_spoil_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "things.jsonl"
    lines.append(path, Thing("first"))
    with path.open("ab") as file:
        file.write(bytes(4096))
    assert intact(path) == [Thing("first")]
    lines.append(path, Thing("second"))
    assert intact(path) == [Thing("first"), Thing("second")]


def test_a_file_of_nothing_but_broken_lines_is_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_BROKEN_LINES", 10)
    path = tmp_path / "things.jsonl"
    path.write_bytes(b"\n" * 10)
    assert intact(path) == []
    path.write_bytes(b"\n" * 11)
    with pytest.raises(StoreError, match="see that it is a file of results"):
        intact(path)
