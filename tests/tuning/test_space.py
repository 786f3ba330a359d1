"""Where a race begins, and who stands beside whom."""

import msgspec

from servelab.model.tuning import Candidate, StackVariant
from servelab.model.variant import Axis, Variant
from servelab.tuning import space
from tests.tuning.races import PROCESSES, THREADS, of, way

GTHREAD = way("gthread", PROCESSES, THREADS)


def test_a_variant_begins_with_what_is_fixed_and_the_start_of_each_axis() -> None:
    fixed = (("worker_class", "gevent"), ("threads", None))
    variant = Variant(name="gevent", fixed=fixed, axes=(PROCESSES,))
    start = space.start(StackVariant(stack="gunicorn-gevent", variant=variant))
    assert start.settings == (*fixed, ("processes", 2))
    assert start.name == "gunicorn-gevent:worker_class=gevent,processes=2"


def test_neighbours_are_one_step_away_on_one_axis() -> None:
    found = space.neighbours(of("gthread", 2, 4), space=(GTHREAD,))
    assert set(found) == {
        of("gthread", 1, 4),
        of("gthread", 4, 4),
        of("gthread", 2, 1),
        of("gthread", 2, 16),
    }


def test_a_corner_has_fewer_neighbours() -> None:
    found = space.neighbours(of("gthread", 8, 1), space=(GTHREAD,))
    assert set(found) == {of("gthread", 4, 1), of("gthread", 8, 4)}


def test_a_benchmark_between_two_values_has_both_beside_it_and_no_other() -> None:
    found = space.neighbours(of("gthread", 5, 1), space=(GTHREAD,))
    assert set(found) == {of("gthread", 4, 1), of("gthread", 8, 1)}


def test_another_stack_has_no_part_in_it() -> None:
    assert space.neighbours(of("uwsgi", 2, 4), space=(GTHREAD,)) == ()


def test_words_are_neighbours_in_the_order_given() -> None:
    loop = way("uvicorn", Axis(setting="loop", values=("asyncio", None, "uvloop"), start=None))
    found = space.neighbours(space.start(loop), space=(loop,))
    assert [dict(each.settings)["loop"] for each in found] == ["asyncio", "uvloop"]


def test_what_lies_behind_goes_on_in_the_same_direction() -> None:
    found = space.beyond(of("gthread", 4, 4), origin=of("gthread", 2, 4), space=(GTHREAD,))
    assert found == (of("gthread", 8, 4),)


def test_more_is_a_step_up_on_any_axis() -> None:
    found = space.more(of("gthread", 2, 4), space=(GTHREAD,))
    assert set(found) == {of("gthread", 4, 4), of("gthread", 2, 16)}


def test_a_candidate_without_settings_is_named_by_its_stack() -> None:
    assert Candidate(stack="pywsgi").name == "pywsgi"


def test_a_way_behind_a_front_stays_there_and_is_none_of_those_without() -> None:
    behind = msgspec.structs.replace(GTHREAD, front="nginx")
    start = space.start(behind)
    assert start.name == "gthread:processes=2,threads=4+nginx"
    assert (start.way, behind.name, GTHREAD.name) == ("gthread+nginx", "gthread+nginx", "gthread")
    for found in (
        space.neighbours(start, space=(GTHREAD, behind)),
        space.more(start, space=(behind,)),
    ):
        assert {each.front for each in found} == {"nginx"}
    assert space.neighbours(start, space=(GTHREAD,)) == ()


def test_what_was_stored_before_there_were_fronts_has_none() -> None:
    stored = b'{"stack": "gthread", "settings": [["processes", 2]]}'
    assert msgspec.json.decode(stored, type=Candidate) == of("gthread", 2)
    way_stored = b'{"stack": "gthread", "variant": {"axes": []}}'
    assert msgspec.json.decode(way_stored, type=StackVariant) == way("gthread")
