import pytest

from load_generator.outputs import nearest_ranks
from load_generator.services import HeavyTailed, Stalling

SECOND = 1_000_000_000
MS = 1_000_000
START = 17 * SECOND


@pytest.mark.parametrize(
    ("came_s", "went_s"),
    [(0, 0.005), (3.999, 4.004), (4, 5.005), (4.5, 5.005), (4.999, 5.005), (5, 5.005), (9, 10.005)],
)
def test_a_stalling_service_takes_nothing_up_in_the_last_second_of_five(
    came_s: float, went_s: float
) -> None:
    service = Stalling(start_ns=START)
    finish_ns = service.finish_ns(START + round(came_s * SECOND))
    assert finish_ns == START + round(went_s * SECOND)


def test_the_quantiles_of_a_stalling_service_are_known() -> None:
    service = Stalling(start_ns=START)
    quantiles = [service.quantile_s(share) for share in (0.5, 0.8, 0.9, 0.99)]
    assert quantiles == pytest.approx([0.005, 0.005, 0.505, 0.955])


def test_even_arrivals_over_whole_periods_have_the_stalling_services_quantiles() -> None:
    service = Stalling(start_ns=START)
    came_ns = range(START, START + 10 * SECOND, MS)
    said = nearest_ranks([(service.finish_ns(each) - each) / SECOND for each in came_ns])
    known = [service.quantile_s(share) for share in (0.5, 0.9, 0.99)]
    assert [said.p50_s, said.p90_s, said.p99_s] == pytest.approx(known, abs=0.0021)


def test_the_heavy_tail_has_paretos_quantiles_in_every_ten_thousand_requests() -> None:
    service = HeavyTailed()
    for _ in range(2):
        times_s = [service.finish_ns(START) - START for _ in range(10_000)]
        said = nearest_ranks([each / SECOND for each in times_s])
        assert said.p50_s == pytest.approx(0.002 * 2 ** (2 / 3), rel=0.001)
        assert said.p90_s == pytest.approx(0.002 * 10 ** (2 / 3), rel=0.001)
        assert said.p99_s == pytest.approx(0.002 * 100 ** (2 / 3), rel=0.005)
        assert min(times_s) >= 2 * MS


def test_one_seed_gives_one_order() -> None:
    def times(seed: int) -> list[int]:
        service = HeavyTailed(seed=seed)
        return [service.finish_ns(0) for _ in range(50)]

    assert times(1) == times(1)
    assert times(1) != times(2)
