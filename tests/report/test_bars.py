"""Histograms on a terminal."""

from servelab.model.trial import Histogram
from servelab.report import bars


def test_each_bin_is_a_row_with_edges_count_and_a_bar_to_scale() -> None:
    shown = bars.rows(Histogram(edges_s=(0.001, 0.0015, 0.01, 0.2), counts=(4, 0, 2)))
    assert shown == (
        "1.00 - 1.50  4  " + "█" * 40,
        "1.50 - 10.0  0",
        "10.0 -  200  2  " + "█" * 20,
    )


def test_a_cell_is_shown_in_eighths() -> None:
    shown = bars.rows(Histogram(edges_s=(1, 2, 3), counts=(320, 3)))
    assert shown[1].endswith("  3  ▍")


def test_whatever_was_counted_leaves_a_trace() -> None:
    shown = bars.rows(Histogram(edges_s=(1, 2, 3), counts=(1_000_000, 1)))
    assert shown[1].endswith("  1  ▏")


def test_a_terminal_without_block_elements_gets_plain_signs() -> None:
    shown = bars.rows(Histogram(edges_s=(1, 2, 3), counts=(40, 1)), blocks=bars.WHOLE)
    assert shown[0].endswith("#" * 40)
    assert all(row.isascii() for row in shown)


def test_many_bins_are_joined_without_losing_a_count() -> None:
    counts = tuple(range(1, 62))
    shown = bars.rows(Histogram(edges_s=tuple(float(n) for n in range(62)), counts=counts))
    assert len(shown) <= bars.MOST_ROWS
    assert sum(int(row.split()[3]) for row in shown) == sum(counts)
    assert shown[0].startswith("0.000")
    assert shown[-1].split()[2] == "61000"
