from itertools import pairwise
from pathlib import Path

import pytest

from load_generator import report, truth
from load_generator.journal import DelayRun, Line, MemoryRun, TruthRow
from tests.benchmarks.test_journal import cost_round, reading

PAGE = Path(__file__).parents[2] / "docs" / "generator.md"


def kept_rounds(*ours_s: float) -> list[Line]:
    return [
        cost_round(reading("servelab", cpu_s=each, storing_cpu_s=0.05), reading("wrk", cpu_s=0.4))
        for each in ours_s
    ]


def truth_row(generator: str, *times_s: float, paired_p99_s: float | None = None) -> TruthRow:
    p50_s, p90_s, p99_s = times_s
    return TruthRow(
        service="stalling",
        generator=generator,
        seconds=10.0,
        machine="2 CPUs",
        rate_per_s=200.0,
        count=12_000,
        failed=0,
        p50_s=p50_s,
        p90_s=p90_s,
        p99_s=p99_s,
        paired_p50_s=paired_p99_s and 0.0001,
        paired_p99_s=paired_p99_s,
    )


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_the_cost_table_has_the_median_of_the_pairs_ratios_its_interval_and_a_verdict() -> None:
    lines = kept_rounds(0.40, 0.44, 0.42, 0.46, 0.41, 0.45)
    head, _, row = rows(report.TABLES["kept"](lines, seconds=10.0))
    told = dict(zip(head, row, strict=True))
    assert told["against"] == "wrk"
    assert told["pairs"] == "6"
    assert told["servelab, µs"] == "8.60"
    assert told["other, µs"] == "8.00"
    assert told["ratio"] == "1.075"
    assert told["95 % interval"] == "1.000-1.150"
    assert (told["goal"], told["met"]) == ("1.2", "yes")
    assert told["ratio with Parquet"] == "1.200"


def test_too_few_pairs_decide_nothing() -> None:
    head, _, row = rows(report.TABLES["kept"](kept_rounds(0.4), seconds=10.0))
    told = dict(zip(head, row, strict=True))
    assert (told["95 % interval"], told["met"]) == ("1 are too few", "undecided")


def test_rounds_of_another_length_are_left_out() -> None:
    assert report.TABLES["kept"](kept_rounds(0.4), seconds=1.0) == report.NOT_MEASURED


@pytest.mark.parametrize(("said_s", "was_s"), [(0.00539, 0.005), (0.00461, 0.005), (0.509, 0.5)])
def test_a_time_is_true_within_two_percent_or_four_tenths_of_a_millisecond(
    said_s: float, was_s: float
) -> None:
    assert report.is_true(said_s, was_s=was_s)


@pytest.mark.parametrize(("said_s", "was_s"), [(0.00541, 0.005), (0.00459, 0.005), (0.489, 0.5)])
def test_a_time_further_off_is_not_true(said_s: float, was_s: float) -> None:
    assert not report.is_true(said_s, was_s=was_s)


def test_servelab_is_held_against_the_servers_log_and_the_others_against_the_formula() -> None:
    lines = [
        truth_row(truth.ANALYTIC, 0.005, 0.505, 0.955),
        truth_row(truth.LOGGED, 0.005, 0.520, 0.955),
        truth_row("servelab", 0.0052, 0.521, 0.955, paired_p99_s=0.0003),
        truth_row("wrk", 0.005, 0.006, 0.955),
    ]
    told = {row[1]: row[-1] for row in rows(report.TABLES["truth"](lines, seconds=10.0))[2:]}
    assert told == {
        truth.ANALYTIC: "-",
        truth.LOGGED: "-",
        "servelab": "yes/yes/yes",
        "wrk": "yes/no/yes",
    }
    assert "| 0.100 | 0.300 | 0.4 | yes |" in report.TABLES["paired"](lines, seconds=10.0)


def test_memory_is_held_against_fifty_megabytes_and_64_bytes_a_record() -> None:
    run = MemoryRun(
        case="records",
        seconds=10.0,
        machine="2 CPUs",
        connections=64,
        records=5_000_000,
        failed=0,
        engine_bytes=30_000_000,
        parent_growth_bytes=340_000_001,
    )
    assert "| 370 | 370 | no |" in report.TABLES["memory"]([run], seconds=10.0)


def test_the_delay_table_tells_the_median_of_the_runs() -> None:
    runs = [
        DelayRun(
            seconds=10.0,
            machine="2 CPUs",
            rate_per_s=2000,
            count=20_000,
            failed=0,
            p50_s=50e-6,
            p99_s=number * 10e-6,
            max_s=0.001,
            core_share=0.1,
        )
        for number in (9, 10, 11, 12, 13, 14)
    ]
    assert "| p99 | 115 | 90-140 | 150 | yes |" in report.TABLES["delay"](runs, seconds=10.0)


def test_the_page_has_a_place_for_each_table_and_renewing_it_twice_changes_nothing() -> None:
    page = PAGE.read_text(encoding="utf-8")
    lines = kept_rounds(0.4, 0.5)
    once = report.renewed(page, lines=lines, seconds=10.0)
    assert "1.125" in once
    assert report.renewed(once, lines=lines, seconds=10.0) == once
    places = [once.index(f"<!-- table: {name} -->") for name in report.TABLES]
    assert all(earlier != later for earlier, later in pairwise(sorted(places)))


def test_a_page_without_a_place_for_a_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 places"):
        report.renewed("nothing", lines=[], seconds=10.0)
