"""What is shown in little room can still be read."""

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from servelab.model.capacity import CurvePoint
from servelab.model.environment import Interpreter
from servelab.model.finding import Finding, Verdict
from servelab.model.trial import Histogram
from servelab.report import bars, doctor, listing, terminal, view
from servelab.report.capacity_view import CapacityPage
from servelab.report.layout import Layout, choose
from servelab.report.load_view import LoadPage
from servelab.report.view import Line, Row, Table

FAST = Row(
    stack="async-gevent-uwsgi",
    heading="4 processes * 2000 async cores",
    is_ranked=True,
    cells=(
        *("38.50", "96.3 %", "2510.3", "2700.1", "5000.2", "101.2", "80 MB"),
        *("none", "near the ceiling"),
    ),
)
SLOW = Row(
    stack="sync-devserver-threaded",
    heading="with threads",
    is_ranked=False,
    cells=(
        *("6.70\n6.51 to 6.93", "16.3 %", "12510.3", "22700.1", "25000.2", "171.2", "80 MB"),
        *("100 timeout, 3 reset", "threads contend, uneven workers"),
    ),
)
TABLE = Table(
    workload="cpu",
    verdict="Highest rate on cpu in this one round: async-gevent-uwsgi, 38.50 requests/s, 96.3 %.",
    columns=view.COLUMNS,
    rows=(FAST, SLOW),
    notes=("Neighbours in this table may change places when it is measured again.",),
)
TIMES = tuple(f"{number}.25" for number in range(100, 111))
PAGE = LoadPage(
    url="http://127.0.0.1:8000/",
    load="GET /; 50 callers, each waiting for its answer, connections kept",
    departures=(),
    is_good=True,
    verdict="OK: all 1000 answers were right, 10.00 requests/s",
    lines=(Line("Requests per second:", "10.00"), Line("Generator:", "12.0 % of a core " * 3)),
    columns=("mean", "50%", "60%", "70%", "75%", "80%", "90%", "95%", "99%", "99.9%", "max"),
    rows=(("response", *TIMES), ("connection wait", *TIMES), ("generator delay", *TIMES)),
    histogram=Histogram(edges_s=(0.001, 0.01, 0.1), counts=(900, 100)),
    samples=("wrong answer: " + "it was another one, " * 5,),
    warnings=("client-bound: the generator was the limit, " * 3,),
)


SEARCH = CapacityPage(
    heading="async-fastapi-process-pool 4 processes, cpu",
    objective="p99.9<50ms",
    is_confirmed=True,
    verdict="async-fastapi-process-pool 4 processes sustains 12345/s with p99.9<50ms: confirmed",
    columns=("trial", "step", "rate", "seconds", "p99.9 ms", "verdict"),
    rows=(
        ("1", "doubling", "6172.5/s", "18.8", "10.0", "pass"),
        ("12", "confirmation", "12345/s", "60.0", "1234.5", "fail: p99.9 was 1234.5 ms of 50 ms"),
        ("13", "ladder", "12345/s", "60.0", "-", "invalid: the generator was late by 12.5 ms"),
    ),
    curve=(
        CurvePoint(rate_per_s=6172.5, quantile_s=0.01, trials=1, passed=1),
        CurvePoint(rate_per_s=12345.0, quantile_s=1.2345, trials=10, passed=3),
    ),
    target_s=0.05,
    quantile="p99.9",
    notes=("Near the limit single trials pass and fail by chance; what is confirmed lies below.",),
)


@pytest.mark.parametrize("width", [40, 45, 50, 60, 70, 80, 120])
def test_a_search_fits_and_tells_every_trial_whole(width: int) -> None:
    console, shown = terminal_of(width)
    terminal.print_capacity(console, SEARCH, whole=True)
    lines = shown.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    text = re.sub(r"\s+", " ", shown.getvalue())
    assert "…" not in text
    for _, step, rate, seconds, quantile, verdict in SEARCH.rows:
        for figure in (step, rate, seconds, quantile):
            assert figure in text
        assert set(verdict.split()) <= set(text.split())
    assert text.count("| ") >= 1
    assert SEARCH.notes[0] in text


def test_at_40_columns_a_trial_of_a_search_has_two_lines() -> None:
    console, shown = terminal_of(40)
    terminal.print_capacity(console, SEARCH, whole=True)
    lines = shown.getvalue().splitlines()
    start = lines.index(" 12  12345/s  60.0 s  p99.9 1234.5 ms")
    assert lines[start + 1 : start + 3] == [
        "     confirmation, fail: p99.9 was",
        "     1234.5 ms of 50 ms",
    ]


def terminal_of(width: int) -> tuple[Console, StringIO]:
    shown = StringIO()
    console = Console(
        file=shown, force_terminal=True, width=width, color_system=None, highlight=False
    )
    return console, shown


def lines_of_table(width: int) -> list[str]:
    console, shown = terminal_of(width)
    terminal.print_table(console, TABLE)
    return shown.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 45, 50, 59, 60, 72, 80, 100, 120, 160, 176])
def test_a_table_fits_and_tells_every_essential_figure_whole(width: int) -> None:
    lines = lines_of_table(width)
    assert max(len(line.rstrip()) for line in lines) <= width
    text = re.sub(r"\s+", " ", " ".join(lines))
    for row in TABLE.rows:
        assert row.stack in text
        for column, cell in zip(TABLE.columns, row.cells, strict=True):
            if column.is_essential and not column.is_text:
                assert cell.split("\n")[0] in text
    for words in ("near the ceiling", "6.51 to 6.93", "Neighbours in this table"):
        assert words in text
    assert "…" not in text


def test_there_is_a_layout_for_each_width() -> None:
    assert [choose(TABLE, width=width) for width in (40, 60, 80, 120)] == [
        *(Layout.PARAGRAPHS, Layout.PARAGRAPHS, Layout.TALL, Layout.ESSENTIAL),
    ]


def test_at_40_columns_each_deployment_is_a_paragraph() -> None:
    lines = lines_of_table(40)
    start = lines.index("* sync-devserver-threaded")
    assert lines[start : start + 8] == [
        "* sync-devserver-threaded",
        "  with threads",
        "  requests/s  6.70 (6.51 to 6.93)",
        "  of ceiling  16.3 %",
        "  p50 ms      12510.3",
        "  failures    100 timeout, 3 reset",
        "  why         threads contend, uneven",
        "              workers",
    ]


def test_at_80_columns_words_stand_below_the_name() -> None:
    lines = [line.rstrip() for line in lines_of_table(80)]
    assert "   why: near the ceiling" in lines
    assert any(re.search(r"async-gevent-uwsgi +38\.50 +96\.3 % +2510\.3$", line) for line in lines)


@pytest.mark.parametrize("width", [40, 50, 60, 80, 120])
def test_load_alone_fits_and_tells_every_time_whole(width: int) -> None:
    console, shown = terminal_of(width)
    terminal.print_load(console, PAGE)
    lines = shown.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert all(shown.getvalue().count(time) >= len(PAGE.rows) for time in TIMES)


def test_bars_are_as_long_as_the_room_allows() -> None:
    histogram = Histogram(edges_s=(0.001, 0.01), counts=(7,))
    assert len(bars.rows(histogram)[0]) > len(bars.rows(histogram, width=40)[0]) == 40


def test_the_essence_of_a_row_is_not_broken_where_it_goes_to_a_file() -> None:
    shown = StringIO()
    terminal.print_table(Console(file=shown, width=terminal.WIDE, highlight=False), TABLE)
    assert TABLE.notes[0] in shown.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80])
def test_lists_and_findings_fit(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    console, shown = terminal_of(width)
    monkeypatch.setattr(terminal, "console", lambda: console)
    found = Finding(
        subject="governor", fact="it saves power on 2 CPUs", verdict=Verdict.BAD, advice="change it"
    )
    doctor.print_findings((found,))
    python = Interpreter(path=Path("/python"), version="3.11.0", is_free_threaded=False)
    listing.print_catalogue(python)
    text = shown.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    for words in ("it saves power on 2 CPUs", "change it", "async-fastapi-process-pool"):
        assert words in re.sub(r"\s+", " ", text)
