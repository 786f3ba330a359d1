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
