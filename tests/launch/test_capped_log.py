"""The file that takes a server's output, written, cut and read at once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servelab.launch.capped_log import CappedLog

LIMIT_BYTES = 2048
NEWS = 1000
WRITE_AND_CUT = """
import itertools, os, sys
from servelab.launch.capped_log import CappedLog

limit_bytes = int(sys.argv[2])
log = CappedLog(sys.argv[1], limit_bytes=limit_bytes)
for number in itertools.count():
    os.write(log.descriptor, b"line %010d\\n" % number)
    if os.fstat(log.descriptor).st_size > limit_bytes:
        log.trim()
"""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[CappedLog]:
    capped = CappedLog(str(tmp_path / "server.log"), limit_bytes=LIMIT_BYTES)
    yield capped
    os.close(capped.descriptor)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


def line(number: int) -> bytes:
    """Return one of 16 bytes, so that the place of the cut is the end of one."""
    return b"line %010d\n" % number


def lines(numbers: range) -> bytes:
    return b"".join(map(line, numbers))


def test_what_fits_is_left_alone(log: CappedLog, file: Path) -> None:
    os.write(log.descriptor, lines(range(100)))
    log.trim()

    assert file.read_bytes() == lines(range(100))


def test_the_first_and_the_last_are_kept_and_the_file_stays_below_its_limit(
    log: CappedLog, file: Path
) -> None:
    os.write(log.descriptor, lines(range(5000)))
    log.trim()

    content = file.read_bytes()
    assert len(content) < LIMIT_BYTES
    first, last = content.split(b"\n[... output beyond the limit left out ...]\n")
    assert lines(range(5000)).startswith(first)
    assert lines(range(5000)).endswith(last)
    assert len(first) > len(last) >= LIMIT_BYTES // 4


def test_a_file_that_somebody_removed_is_cut_all_the_same(log: CappedLog, file: Path) -> None:
    os.write(log.descriptor, lines(range(5000)))
    file.unlink()
    log.trim()

    assert os.fstat(log.descriptor).st_size < LIMIT_BYTES


def test_whoever_reads_while_it_is_cut_sees_no_earlier_line_at_its_end(file: Path) -> None:
    file.touch()
    words = [sys.executable, "-c", WRITE_AND_CUT, str(file), str(LIMIT_BYTES)]
    latest, news = 0, 0
    with subprocess.Popen(words) as writer:
        try:
            while news < NEWS:
                *_, last = file.read_bytes().splitlines() or [b""]
                if last.startswith(b"line"):
                    number = int(last.split()[1])
                    assert number >= latest
                    news += number > latest
                    latest = number
                assert writer.poll() is None
        finally:
            writer.kill()
