"""The front: whom nobody beats in both rate and memory."""

from hypothesis import given
from hypothesis import strategies as st

from servelab.model.tuning import Candidate, Placed
from servelab.tuning import front


def placed(rate_per_s: float, peak_memory_bytes: int, name: str = "x") -> Placed:
    return Placed(
        candidate=Candidate(stack=name),
        rate_per_s=rate_per_s,
        peak_memory_bytes=peak_memory_bytes,
    )


def test_each_further_one_takes_more_and_does_more() -> None:
    light, heavy = placed(50, 10), placed(100, 30)
    assert front((heavy, placed(49, 20), placed(100, 40), light)) == (light, heavy)


def test_of_equals_one_stays() -> None:
    assert front((placed(50, 10, "a"), placed(50, 10, "b"))) == (placed(50, 10, "a"),)


def test_nobody_makes_an_empty_front() -> None:
    assert front(()) == ()


points = st.lists(st.builds(placed, st.floats(1, 9), st.integers(1, 9)), max_size=12)


@given(points)
def test_everyone_is_on_the_front_or_beaten_by_one_who_is(everyone: list[Placed]) -> None:
    found = front(everyone)
    assert all(
        any(
            best.rate_per_s >= each.rate_per_s and best.peak_memory_bytes <= each.peak_memory_bytes
            for best in found
        )
        for each in everyone
    )
    for one in found:
        assert not any(
            other != one
            and other.rate_per_s >= one.rate_per_s
            and other.peak_memory_bytes <= one.peak_memory_bytes
            for other in found
        )
