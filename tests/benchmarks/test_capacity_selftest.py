"""The self-test of the search for capacity: its servers, and how its tables are made."""

import numpy as np
import pytest

import capacity_selftest as selftest
from capacity_simulation import (
    SLO,
    collapsing,
    constant,
    exponential,
    exponential_truth_per_s,
    found_truth_per_s,
    one_queue,
    search,
    servers,
)
from servelab import capacity


def test_a_queue_of_one_serves_in_order_and_waits_for_who_comes_first() -> None:
    ends_s = one_queue(np.array([0.0, 1.0, 1.5, 9.0]), np.array([2.0, 1.0, 1.0, 1.0]))
    assert ends_s.tolist() == [2.0, 3.0, 4.0, 10.0]


def test_servers_who_take_turns_are_servers_of_which_the_first_free_one_serves() -> None:
    random = np.random.default_rng(3)
    arrivals_s = np.sort(random.uniform(0, 100, 900))
    free_s, expected = [0.0] * 3, []
    for arrival_s in arrivals_s:
        first = min(range(3), key=free_s.__getitem__)
        free_s[first] = max(arrival_s, free_s[first]) + 0.3
        expected.append(free_s[first])
    found = constant(10.0, servers=3)(arrivals_s, 1.0, random)
    assert found == pytest.approx(np.array(expected))


def test_the_known_truth_of_a_simple_queue_is_found_from_long_runs() -> None:
    known = exponential_truth_per_s(100.0, slo=SLO)
    found = found_truth_per_s(exponential(100.0), slo=SLO, low=60, high=100)
    assert found == pytest.approx(known, rel=0.005)


def test_the_cliff_is_where_it_is_said_to_be() -> None:
    random = np.random.default_rng(3)

    def p99_s(rate_per_s: float) -> float:
        arrivals_s = np.arange(1, 60 * rate_per_s + 1) / rate_per_s
        return float(np.quantile(collapsing(300.0)(arrivals_s, 1.0, random) - arrivals_s, 0.99))

    assert p99_s(295) < SLO.target_s < p99_s(305)


def test_every_way_changes_constants_that_the_controller_has() -> None:
    assert all(hasattr(capacity, name) for way in selftest.WAYS.values() for name in way)


def test_a_row_has_errors_against_the_truth() -> None:
    server = servers()[2]
    found = [search(server, seed=1)]
    assert selftest.errors(found, server=server) == [
        pytest.approx((found[0].answer.confirmed_per_s or 0) / 300 - 1)
    ]
    assert selftest.row(server, found).startswith("300.0/s | ")


def test_only_the_named_table_is_renewed() -> None:
    page = "a\n<!-- x -->\nold\n<!-- end of x -->\n<!-- y -->\nkept\n<!-- end of y -->\n"
    renewed = selftest.renewed(page, name="x", table="new\n")
    assert (
        renewed
        == "a\n<!-- x -->\n\nnew\n\n<!-- end of x -->\n<!-- y -->\nkept\n<!-- end of y -->\n"
    )
