"""A race in words, before anything of it is measured."""

import msgspec

from servelab.cli import race_space
from servelab.experiment import expectation
from servelab.model.tuning import Candidate, Tuning
from servelab.report import race_plan_view
from tests.report.own_runs import SERVICE, race_order


def lines(*benchmarks: Candidate) -> list[str]:
    space = race_space.lay_out(SERVICE, only=("gunicorn-sync",), cpu_count=2)
    order = race_order(Tuning(space=space.ways, benchmarks=benchmarks or space.benchmarks))
    return race_plan_view.text(order, expected=expectation.of_race(order)).splitlines()


def test_folklore_is_told_with_its_rule() -> None:
    assert lines()[-1].endswith("processes=5: folklore, 2 x cores + 1, raced beside them")


def test_a_benchmark_that_is_no_folklore_is_not_called_so() -> None:
    (folklore,) = race_space.lay_out(SERVICE, only=("gunicorn-sync",), cpu_count=2).benchmarks
    other = msgspec.structs.replace(folklore, settings=(("processes", 7),))
    assert lines(other)[-1] == "  gunicorn-sync:processes=7: a benchmark, raced beside them"
