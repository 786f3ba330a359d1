import pytest

from load_generator.outputs import (
    Counts,
    Quantiles,
    ab_counts,
    ab_quantiles,
    h2load_counts,
    h2load_quantiles,
    locust_row,
    nearest_ranks,
    wrk_counts,
    wrk_quantiles,
)

WRK = """Running 10s test @ http://127.0.0.1:28700/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   604.47us  512.04us  19.91ms   98.61%
    Req/Sec   111.43k     5.60k  120.55k    71.00%
  Latency Distribution
     50%  563.00us
     75%  601.00us
     90%    1.67ms
     99%    1.10s
  1108851 requests in 10.00s, 188.23MB read
Requests/sec: 110834.64
Transfer/sec:     18.81MB
"""
WRK_ERRORS = """  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 51
"""
AB = """Concurrency Level:      16
Time taken for tests:   10.000 seconds
Complete requests:      1000
Failed requests:        7
   (Connect: 0, Receive: 0, Length: 7, Exceptions: 0)
Non-2xx responses:      3
Keep-Alive requests:    1000
Percentage of the requests served within a certain time (ms)
  50%      5
  66%      5
  90%    505
  95%    700
  98%    900
  99%    955
 100%   1004 (longest request)
"""
H2LOAD = """finished in 10.00s, 141010.10 req/s, 5.52MB/s
requests: 1410101 total, 1410165 started, 1410101 done, 1410090 succeeded, 5 failed, 4 errored, 2 timeout
status codes: 1410101 2xx, 0 3xx, 0 4xx, 0 5xx
"""  # noqa: E501 - a line of h2load's
LOCUST = """Type,Name,Request Count,Failure Count,Median Response Time,50%,90%,99%,100%
GET,/,900,3,5,6,7,8,9
,Aggregated,1000,4,5,5,510,960,1000
"""


def test_wrks_requests_without_a_complaint_are_all_ok() -> None:
    assert wrk_counts(WRK) == Counts(ok=1108851, failed=0)


def test_wrks_bad_statuses_are_not_ok_and_socket_errors_are_failures_too() -> None:
    assert wrk_counts(WRK + WRK_ERRORS) == Counts(ok=1108800, failed=61)


def test_wrks_quantiles_have_units_of_their_own() -> None:
    said = wrk_quantiles(WRK)
    assert [said.p50_s, said.p90_s, said.p99_s] == pytest.approx([563e-6, 1.67e-3, 1.10])


def test_abs_failures_and_bad_statuses_are_not_ok() -> None:
    assert ab_counts(AB) == Counts(ok=990, failed=10)
    assert ab_quantiles(AB) == Quantiles(0.005, 0.505, 0.955)


def test_h2loads_three_kinds_of_failures_are_added() -> None:
    assert h2load_counts(H2LOAD) == Counts(ok=1410090, failed=11)


def test_h2loads_quantiles_come_from_its_log() -> None:
    log = "".join(f"1700000000000000\t200\t{time_us}\n" for time_us in range(100, 0, -1))
    assert h2load_quantiles(log) == Quantiles(50e-6, 90e-6, 99e-6)


def test_locusts_sum_is_what_counts() -> None:
    assert locust_row(LOCUST) == (Counts(ok=996, failed=4), Quantiles(0.005, 0.51, 0.96))


@pytest.mark.parametrize("read", [wrk_counts, wrk_quantiles, ab_counts, h2load_counts, locust_row])
def test_an_output_without_the_numbers_is_an_error(read: object) -> None:
    assert callable(read)
    with pytest.raises(ValueError, match="no "):
        read("Segmentation fault")


def test_a_quantile_is_a_value_that_happened() -> None:
    assert nearest_ranks([3.0, 1.0, 2.0]) == Quantiles(2.0, 3.0, 3.0)
    with pytest.raises(ValueError, match="no samples"):
        nearest_ranks([])
