"""A file of variables as systemd reads it."""

import time

import pytest

from servelab.report import systemd_variables


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1\nB=two words \n", {"A": "1", "B": "two words"}),
        ("  A = 1\r\nB=\n", {"A": "1", "B": ""}),
        ("# A=1\n; B=1\nC=1", {"C": "1"}),
        # As dotenv does not read them:
        ("PORT=80 # web\n", {"PORT": "80 # web"}),
        ('A="80" # web\n', {"A": "80# web"}),
        ("export A=1\nB=2\n", {"B": "2"}),
        ('A="one\\ntwo"\n', {"A": "one\\ntwo"}),
        ("A=${B}\n", {"A": "${B}"}),
        # Quotes and escapes:
        ("A='one # $x \\n'\n", {"A": "one # $x \\n"}),
        ('A="say \\"x\\" \\$y \\\\"\n', {"A": 'say "x" $y \\'}),
        ("A='one'\"two\" three\n", {"A": "onetwothree"}),
        ("A='two\nlines'\nB=1\n", {"A": "two\nlines", "B": "1"}),
        ("A=it's\nB=1\n", {"A": "it's", "B": "1"}),
        ("A=one\\\ntwo\nB=a\\b\\ \n", {"A": "onetwo", "B": "ab "}),
        ('A="one\\\ntwo"\n', {"A": "onetwo"}),
        ("A='swallows\nB=1\n", {"A": "swallows\nB=1\n"}),
        ('A="swallows\nB=1\\', {"A": "swallows\nB=1"}),
        ("A=1\\", {"A": "1"}),
        ("# goes on \\\nA=1\nB=1\n", {"B": "1"}),
        # What no variable can be:
        ("a.b=1\na-b=1\n1A=1\nname\n=1\nA b=1\nC=\x1b[2J\nD=1\n", {"D": "1"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("", {}),
    ],
)
def test_it_is_read_by_systemds_rules(text: str, found: dict[str, str]) -> None:
    assert systemd_variables.read(text) == found


@pytest.mark.parametrize("sign", ["'", '"', "\\", "=", "#", " ", "A", "\n", "'\"", "A=\\ ", "x  "])
def test_no_text_keeps_it_busy(sign: str) -> None:
    begun = time.monotonic()
    systemd_variables.read("A=" + sign * 100_000)
    systemd_variables.read(sign * 100_000)
    assert time.monotonic() - begun < 20
