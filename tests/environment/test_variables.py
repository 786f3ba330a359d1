from pathlib import Path

import pytest

from servelab.environment import user_variables
from servelab.errors import UsageError

FILE = """\
# a comment
PLAIN=value
export EXPORTED=yes
QUOTED="two words # no comment"
SINGLE='$PLAIN'
MANY="first
second"
COMBINED=${PLAIN}/more
EMPTY=
ONLY_A_NAME
LAST=3 # a comment
"""


def test_a_file_is_read_as_python_dotenv_does(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(FILE)
    assert user_variables(project=tmp_path) == {
        "PLAIN": "value",
        "EXPORTED": "yes",
        "QUOTED": "two words # no comment",
        "SINGLE": "$PLAIN",
        "MANY": "first\nsecond",
        "COMBINED": "value/more",
        "EMPTY": "",
        "LAST": "3",
    }


def test_what_is_given_by_hand_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB=2\n")
    read = user_variables(["B=x=y", "C="], project=tmp_path)
    assert read == {"A": "1", "B": "x=y", "C": ""}


def test_without_a_file_there_is_only_what_is_given(tmp_path: Path) -> None:
    assert user_variables(["A=1"], project=tmp_path) == {"A": "1"}


@pytest.mark.parametrize("text", ["A", "=1", "1A=2", "A B=1", ""])
def test_what_is_no_variable_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="write --env-var NAME=VALUE"):
        user_variables([text], project=tmp_path)


def test_a_wrong_line_is_named_but_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n'hunter2' 'hunter2'=\n")
    with pytest.raises(UsageError, match="line 2, is no NAME=VALUE") as error:
        user_variables(project=tmp_path)
    assert "hunter2" not in str(error.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        user_variables(project=tmp_path)


@pytest.mark.parametrize("line", ['A="x\0y"', "A\0B=x", "'A=B'=x"])
def test_what_no_process_can_be_given_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line)
    with pytest.raises(UsageError, match=r"a sign that no variable can have|is no NAME=VALUE"):
        user_variables(project=tmp_path)
