"""Records are read as they were written, to the last nanosecond, in little memory."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from servelab.load import conversion
from servelab.load.conversion import convert
from servelab.load.generator import Records, read_records
from servelab.load.record import COLUMNS, NEVER, ROW
from servelab.model.outcome import Outcome

Row = tuple[int, ...]
NAMES = [name for name, _ in COLUMNS if name != "reserved"]
FARTHEST = 2**32 - 2
"""The farthest moment beyond a planned start that is held narrow."""
PLANNED, FINISHED = 3 * 10**15, 4 * 10**15


def read(rows: list[Row], folder: Path) -> Records:
    """Write rows as the engine does, and read them again."""
    (folder / "raw").write_bytes(b"".join(ROW.pack(*row) for row in rows))
    convert([folder / "raw"], folder / "records", expected=[len(rows)])
    return read_records(folder / "records")


def drawn_row(draw: random.Random, *, number: int, farthest: int) -> Row:
    planned = PLANNED + draw.randrange(10**9)
    moments = sorted(draw.choice((draw.randrange(10**6), farthest, 0)) for _ in range(4))
    taken, ready, sent, first = (planned + beyond for beyond in moments)
    if draw.random() < 0.2:
        sent = first = NEVER
        if draw.random() < 0.5:
            ready = NEVER
    finished = max(planned + draw.choice((0, 10**6, farthest)), taken, ready, sent)
    outcome = draw.choice((Outcome.OK, Outcome.OK, Outcome.TIMEOUT, Outcome.UNSENT))
    rest = (number, draw.randrange(2**32), draw.randrange(2**32), draw.randrange(2**32))
    return planned, taken, ready, sent, first, finished, *rest, draw.randrange(2**16), outcome


@pytest.mark.parametrize("farthest", [10**6, FARTHEST, FARTHEST + 1, 2**32, 10**12, -1])
@pytest.mark.parametrize("batch_rows", [7, 1 << 17])
def test_every_column_is_what_was_written(
    farthest: int, batch_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "_BATCH_ROWS", batch_rows)
    draw = random.Random(farthest)  # noqa: S311 - nothing here is a secret
    rows = [drawn_row(draw, number=number, farthest=farthest) for number in range(300)]
    rows.sort(key=lambda row: row[NAMES.index("finished_ns")])
    records = read(rows, tmp_path)

    assert len(records) == 300
    for place, name in enumerate(NAMES):
        assert records.column(name).tolist() == [row[place] for row in rows], name
        assert records.column(name).dtype == dict(COLUMNS)[name]
    assert records.sent == sum(row[-1] != Outcome.UNSENT for row in rows)


@pytest.mark.parametrize("farthest", [10**6, 10**12])
def test_times_are_those_of_single_requests(farthest: int, tmp_path: Path) -> None:
    draw = random.Random(farthest + 5)  # noqa: S311 - nothing here is a secret
    rows = [drawn_row(draw, number=number, farthest=farthest) for number in range(300)]
    records = read(rows, tmp_path)

    every = zip(*(records.column(name).tolist() for name in NAMES), strict=True)
    for index, (planned, taken, ready, sent, _, finished, *_) in enumerate(every):
        assert records.response_time_s[index] == (finished - planned) / 1e9
        sending = 0 if NEVER in {sent, ready} else sent - ready
        assert records.generator_delay_s[index] == (taken - planned + sending) / 1e9
        until = finished if ready == NEVER else ready
        assert records.connection_wait_s[index] == (until - taken) / 1e9
        trip = np.nan if sent == NEVER else (finished - sent) / 1e9
        assert np.array_equal(records.round_trip_time_s[index], trip, equal_nan=True)


@pytest.mark.parametrize("farthest", [10**6, 10**12])
def test_no_figure_changes_what_it_is_taken_from(farthest: int, tmp_path: Path) -> None:
    draw = random.Random(farthest)  # noqa: S311 - nothing here is a secret
    rows = [drawn_row(draw, number=number, farthest=farthest) for number in range(300)]
    records = read(rows, tmp_path)
    before = {name: records.column(name).tolist() for name in NAMES}
    for _ in range(2):
        _ = records.response_time_s, records.generator_delay_s
        _ = records.connection_wait_s, records.round_trip_time_s
    assert {name: records.column(name).tolist() for name in NAMES} == before


MEASURE = """
import sys
from pathlib import Path
import numpy, pyarrow.parquet
from servelab.load.generator import read_records
from servelab.measure import figures
from servelab.model.load import ClosedLoop

def kib(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

warm = read_records(Path(sys.argv[1]))
figures.response_times(warm), figures.response_time_histogram(warm)
Path("/proc/self/clear_refs").write_text("5")
before = kib("VmRSS")
records = read_records(Path(sys.argv[2]))
figures.response_times(records)
figures.response_time_histogram(records)
figures.parts_of_response_times(records)
figures.punctuality(records, load=ClosedLoop(callers=1))
print((kib("VmHWM") - before) * 1024, len(records))
"""
REQUESTS = 2_000_000
MOST_BYTES = 64 * REQUESTS + 40_000_000
"""What pyarrow keeps for itself, however much it read, is the second part."""


@pytest.mark.live
def test_millions_of_records_with_their_figures_take_64_bytes_each(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    rows = np.zeros(REQUESTS, dtype=list(COLUMNS))
    rows["planned_ns"] = np.arange(REQUESTS) * 1000 + FINISHED
    beyond = rows["planned_ns"]
    for name in ("taken_up_ns", "connection_ready_ns", "sent_ns", "first_byte_ns", "finished_ns"):
        beyond = beyond + draw.integers(0, 10**6, size=REQUESTS)
        rows[name] = beyond
    rows["finished_ns"][7] += 60 * 10**9
    rows["sequence"] = np.arange(REQUESTS)
    rows["outcome"][::100] = Outcome.TIMEOUT
    for name, some in (("few", rows[:1]), ("many", rows)):
        some.tofile(tmp_path / "raw")
        convert([tmp_path / "raw"], tmp_path / name, expected=[len(some)])

    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "few"), str(tmp_path / "many")],
        capture_output=True,
        text=True,
        check=True,
    )
    taken_bytes, found = map(int, done.stdout.split())
    assert found == REQUESTS
    assert taken_bytes <= MOST_BYTES
