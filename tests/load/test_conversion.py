"""The engines' files become one."""

from itertools import chain
from pathlib import Path

import pytest

from servelab.load import conversion
from servelab.load.conversion import convert
from servelab.load.generator import read_records
from servelab.load.record import ROW
from servelab.model.outcome import Outcome


def write(path: Path, ends_ns: list[int], *, index: int, count: int) -> None:
    path.write_bytes(
        b"".join(
            ROW.pack(
                *(end_ns - 10, end_ns - 9, end_ns - 8, end_ns - 7, end_ns, end_ns),
                *(index + number * count, 1, 16, 0, 200, Outcome.OK),
            )
            for number, end_ns in enumerate(ends_ns)
        )
    )


@pytest.mark.parametrize("batch_rows", [1, 3, 1000])
def test_records_of_several_engines_come_in_the_order_in_which_they_ended(
    batch_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "_BATCH_ROWS", batch_rows)
    ends_ns = [[10, 20, 30, 90, 91], [11, 12, 13, 14], [], [95]]
    raws = [tmp_path / str(index) for index in range(len(ends_ns))]
    for index, raw in enumerate(raws):
        write(raw, ends_ns[index], index=index, count=len(raws))

    counts = convert(raws, tmp_path / "records", expected=[5, 4, 0, 1])
    records = read_records(tmp_path / "records")

    assert list(records.finished_ns) == sorted(chain.from_iterable(ends_ns))
    assert counts.rows == counts.distinct == 10
    assert counts.outcomes == {Outcome.OK: 10}
    assert counts.response_time_sum_ns == 100


def test_a_number_that_comes_twice_is_noticed(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write(raw, [10], index=0, count=1)
    raw.write_bytes(raw.read_bytes() * 2)

    counts = convert([raw], tmp_path / "records", expected=[2])

    assert (counts.rows, counts.distinct) == (2, 1)


def test_no_records_at_all_make_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"")

    counts = convert([tmp_path / "raw"], tmp_path / "records", expected=[0])

    assert counts.rows == 0
    assert len(read_records(tmp_path / "records")) == 0
