"""How long a plan or a race will take, as far as that is known before it begins."""

import msgspec
import pytest
from tests.report.own_runs import PYTHON, SERVICE, deployment

from servelab.cli import race_space
from servelab.experiment import expectation
from servelab.model.plan import Plan, RunOptions
from servelab.model.tuning import Tuning, TuningOrder

OPTIONS = RunOptions(
    workload=SERVICE.label, service=SERVICE, duration_s=10.0, timeout_s=60, interpreter=PYTHON
)


def order() -> TuningOrder:
    ways = race_space.lay_out(SERVICE, only=("waitress",), cpu_count=2).ways
    return TuningOrder(
        tuning=Tuning(space=ways, most_s=900), options=OPTIONS, cpu_count=2, warm_up_s=1.0
    )


def test_a_slow_start_that_was_measured_is_reckoned_with() -> None:
    usual = expectation.of_race(order())
    slow = expectation.of_race(order(), beside_load_s=20.0)
    assert slow.trial_s == 31.0 + expectation.OWN_S
    assert slow.round_s - slow.ceiling_s == 32.0 * slow.entrants
    assert slow.trials is not None
    assert usual.trials is not None
    assert slow.trials < usual.trials / 2


def test_what_a_trial_takes_beside_its_load_is_guessed_where_nothing_was_rehearsed() -> None:
    assert expectation.of_race(order()).trial_s == 11.0 + expectation.BESIDE_LOAD_S
    quick = expectation.of_race(order(), beside_load_s=0.3)
    assert quick.trial_s == pytest.approx(11.3 + expectation.OWN_S)


def test_rounds_of_a_try_take_as_long_as_its_rehearsal_says() -> None:
    deployments = [deployment("waitress"), deployment("cheroot")]
    plan = Plan(
        deployments=tuple(each.name for each in deployments),
        options=OPTIONS,
        rounds=3,
        warm_up_s=1.0,
    )

    def seconds(beside_load_s: float | None) -> float:
        found = expectation.seconds(
            plan, deployments=deployments, rounds=3, cores=2, beside_load_s=beside_load_s
        )
        assert found is not None
        return found

    assert seconds(22.0) - seconds(None) == pytest.approx(3 * 2 * 20.0)


def test_the_ceiling_of_a_users_application_is_reckoned_with_once() -> None:
    deployments = [deployment("waitress"), deployment("cheroot")]
    plan = Plan(deployments=("waitress", "cheroot"), options=OPTIONS, warm_up_s=1.0)

    def seconds(rounds: int) -> float:
        found = expectation.seconds(plan, deployments=deployments, rounds=rounds, cores=2)
        assert found is not None
        return found

    of_a_round = seconds(3) - seconds(2)
    assert of_a_round == pytest.approx(2 * (11.0 + expectation.BESIDE_LOAD_S))
    assert seconds(1) > of_a_round


def test_where_a_number_of_requests_decides_nothing_is_said() -> None:
    plan = Plan(
        deployments=("waitress",),
        options=msgspec.structs.replace(OPTIONS, duration_s=None),
        rounds=1,
        warm_up_s=1.0,
    )
    found = expectation.seconds(
        plan, deployments=[deployment("waitress")], rounds=1, cores=2, beside_load_s=20.0
    )
    assert found is None
