"""Histograms lose no sample."""

import numpy as np
import pytest

from servelab.stats.histogram import histogram


def test_each_sample_is_in_the_bin_between_its_edges() -> None:
    found = histogram(np.array([0.001, 0.0011, 0.0019, 0.0101]))
    assert found is not None
    assert sum(found.counts) == 4
    assert found.counts[0] == 2
    assert found.edges_s[0] == pytest.approx(0.001)
    assert found.edges_s[1] == pytest.approx(0.001259, rel=1e-3)
    assert found.counts[-1] == 1
    assert found.edges_s[-2] <= 0.0101 < found.edges_s[-1]


def test_fault_32_what_lies_beyond_the_range_is_counted_in_the_outermost_bins() -> None:
    found = histogram(np.array([0.0, 1e-9, 5.0, 1e9]))
    assert found is not None
    assert sum(found.counts) == 4
    assert (found.counts[0], found.counts[-1]) == (2, 1)


def test_no_bin_at_either_end_is_empty_and_edges_are_one_more() -> None:
    samples = np.random.default_rng(7).lognormal(-5, 2, size=10_000)
    found = histogram(samples)
    assert found is not None
    assert sum(found.counts) == 10_000
    assert found.counts[0]
    assert found.counts[-1]
    assert len(found.edges_s) == len(found.counts) + 1
    assert list(found.edges_s) == sorted(found.edges_s)


def test_there_is_none_of_no_samples() -> None:
    assert histogram(np.array([])) is None
