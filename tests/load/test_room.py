"""What answers may take together; their sizes are scaled down, the arithmetic is the same."""

from hypothesis import given
from hypothesis import strategies as st

from servelab.load.room import Room

CAPACITY_BYTES = 1000


def test_a_single_answer_may_take_all_there_is() -> None:
    room = Room(CAPACITY_BYTES)
    assert room.grow(0, CAPACITY_BYTES)
    assert not room.grow(CAPACITY_BYTES, CAPACITY_BYTES + 1)


def test_what_is_given_back_is_there_for_others() -> None:
    room = Room(CAPACITY_BYTES)
    assert room.grow(0, 900)
    room.give_back(900)
    room.give_back(0)
    assert room.taken_bytes == 0
    assert room.grow(0, 1000)


def test_an_ordinary_answer_does_not_suffer_from_an_endless_one() -> None:
    room = Room(CAPACITY_BYTES)
    assert room.grow(0, 990)
    assert room.grow(0, 20)
    assert room.grow(20, 400)
    assert not room.grow(990, 991)


@given(st.lists(st.tuples(st.integers(0, 63), st.integers(1, 50)), max_size=2000))
def test_no_order_of_growing_answers_takes_twice_the_room(steps: list[tuple[int, int]]) -> None:
    room = Room(CAPACITY_BYTES)
    held: dict[int, int] = {}
    for answer, more in steps:
        before = held.get(answer, 0)
        if room.grow(before, before + more):
            held[answer] = before + more
        else:
            room.give_back(before + more)
            held.pop(answer, None)
        assert room.taken_bytes == sum(held.values())
        assert room.taken_bytes < 2 * CAPACITY_BYTES + 50
