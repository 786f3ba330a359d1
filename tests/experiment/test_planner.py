"""Which trials a plan asks for next."""

from pathlib import Path

import msgspec
import pytest

from servelab import catalogue
from servelab.errors import UsageError
from servelab.experiment.plan import Past, Planner, interpreter_of
from servelab.model.environment import Interpreter
from servelab.model.load import ClosedLoop, Connections, Load, OpenLoop
from servelab.model.plan import Plan, RunOptions
from servelab.model.trial import PILOT_ROUND, Role, Trial, TrialSpec, TrialStatus
from servelab.model.verdict import Budget, Judging
from servelab.model.warm_up import Settling, Steadiness, WarmUp

STACKS = ("sync-devserver", "sync-devserver-threaded", "async-fastapi:processes=1")


def planner(
    *,
    stacks: tuple[str, ...] = STACKS[:2],
    rounds: int | None = 3,
    seed: int = 0,
    warm_up_s: float | None = 1.0,
    judging: Judging | None = None,
    budget: Budget | None = None,
    load: Load | None = None,
) -> Planner:
    deployments = [catalogue.find_deployments(stack)[0] for stack in stacks]
    options = RunOptions(
        workload="cpu",
        load=load or ClosedLoop(callers=4),
        requests=None,
        duration_s=10.0,
        timeout_s=60.0,
        interpreter=Interpreter(path=Path("/python"), version="3.11.0"),
    )
    plan = Plan(
        deployments=tuple(each.name for each in deployments),
        options=options,
        rounds=rounds,
        seed=seed,
        warm_up_s=warm_up_s,
        judging=judging,
        budget=budget or Budget(rounds=100),
    )
    return Planner(plan, deployments=deployments)


def test_a_deployment_is_measured_on_the_interpreter_that_it_names() -> None:
    own, other = (
        Interpreter(path=Path("/python") / version, version=version)
        for version in ("3.11.0", "3.13.0")
    )
    options = RunOptions(workload="cpu", timeout_s=60.0, interpreter=own, interpreters=(own, other))
    first, second, third = (
        catalogue.find_deployments(f"{STACKS[0]}{python}")[0] for python in ("", "@3.13", "@3.12")
    )
    assert interpreter_of(first, options=options) == own
    assert interpreter_of(second, options=options) == other
    with pytest.raises(UsageError, match=r"the plan holds no Python 3\.12"):
        interpreter_of(third, options=options)


def made(spec: TrialSpec, *, rate_per_s: float = 100.0, cut_s: float = 0.0) -> Trial:
    settling = WarmUp(
        cut_s=cut_s,
        length_s=20.0,
        after=Steadiness(settling=Settling.STEADY, seconds=20, rate_per_s=rate_per_s),
    )
    return Trial(
        id=spec.id,
        deployment=spec.deployment.name,
        stack=spec.deployment.stack,
        heading=spec.deployment.heading,
        workload=spec.workload,
        round=spec.round,
        role=spec.role,
        status=TrialStatus.OK,
        command="",
        started_at="",
        load=spec.load,
        connections=Connections.FRESH,
        timeout_s=60.0,
        ledger={"scheduled": 1, "sent": 1, "ok": 1},
        throughput_per_s=rate_per_s,
        interpreter="3.11.0",
        settling=settling if spec.is_pilot else None,
    )


def played(of: Planner, *, rates: dict[str, float] | None = None, most: int = 100) -> Past:
    """Make all that is asked for, round by round."""
    past = Past()
    while (specs := of.next_trials(past)) and specs[0].round <= most:
        trials = tuple(
            made(spec, rate_per_s=(rates or {}).get(spec.deployment.stack, 100.0)) for spec in specs
        )
        past = msgspec.structs.replace(past, trials=(*past.trials, *trials))
    return past


def names(past: Past, *, round_number: int) -> list[str]:
    return [trial.deployment for trial in past.trials if trial.round == round_number]


def test_each_round_has_every_deployment_once_in_an_order_of_its_own() -> None:
    past = played(planner(stacks=STACKS, rounds=20))
    orders = [tuple(names(past, round_number=number)) for number in range(1, 21)]
    assert len(past.trials) == 60
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert len(set(orders)) > 1


def test_one_seed_one_order_another_seed_another() -> None:
    def orders(seed: int) -> list[str]:
        past = played(planner(stacks=STACKS, rounds=10, seed=seed))
        return [trial.id for trial in past.trials]

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)


def test_a_single_round_keeps_the_order_in_which_deployments_were_named() -> None:
    past = played(planner(stacks=STACKS, rounds=1, warm_up_s=0.0))
    assert [trial.stack for trial in past.trials] == [name.partition(":")[0] for name in STACKS]


def test_what_is_missing_of_a_round_is_asked_for_and_nothing_twice() -> None:
    of = planner(stacks=STACKS)
    first, *rest = of.next_trials(Past())
    again = of.next_trials(Past(trials=(made(first),)))
    assert [spec.id for spec in again] == [spec.id for spec in rest]


def test_a_deployment_that_cannot_run_is_left_out_of_every_round() -> None:
    of = planner()
    past = Past(skipped=frozenset({of.next_trials(Past())[0].deployment.name}))
    assert len(of.next_trials(past)) == 1


def test_pilots_come_first_and_the_longest_of_their_cuts_is_the_warm_up_of_all() -> None:
    of = planner(warm_up_s=None)
    pilots = of.next_trials(Past())
    assert {spec.round for spec in pilots} == {PILOT_ROUND}
    assert {spec.warm_up_s for spec in pilots} == {0.0}
    past = Past(trials=(made(pilots[0], cut_s=3.0), made(pilots[1], cut_s=1.0)))
    assert {spec.warm_up_s for spec in of.next_trials(past)} == {3.0}


def test_arrivals_are_the_same_within_a_round_and_differ_between_rounds() -> None:
    of = planner(load=OpenLoop(rate_per_s=10.0, seed=5))
    rounds = of.preview(2)
    seeds = [
        {spec.load.seed for spec in specs if isinstance(spec.load, OpenLoop)} for specs in rounds
    ]
    assert seeds == [{5}, {6}]


def test_a_comparison_measures_its_first_deployment_twice_in_each_round() -> None:
    of = planner(rounds=None, judging=Judging())
    specs = of.next_trials(Past())
    assert sorted(spec.role.value for spec in specs) == ["candidate", "candidate", "control"]
    (control,) = (spec for spec in specs if spec.role is Role.CONTROL)
    assert control.deployment.stack == STACKS[0]
    assert len({spec.id for spec in specs}) == 3


def test_a_comparison_ends_once_it_is_decided_and_not_before_eight_rounds() -> None:
    of = planner(rounds=None, judging=Judging())
    past = played(of, rates={STACKS[0]: 100.0, STACKS[1]: 200.0})
    assert max(trial.round for trial in past.trials) == 8


def test_a_comparison_ends_when_its_budget_is_spent() -> None:
    of = planner(rounds=None, judging=Judging(least_rounds=50), budget=Budget(rounds=12))
    assert max(trial.round for trial in played(of).trials) == 12


def test_a_comparison_with_nothing_left_to_compare_ends() -> None:
    of = planner(rounds=None, judging=Judging())
    past = Past(skipped=frozenset({catalogue.find_deployments(STACKS[1])[0].name}))
    first_round = tuple(made(spec) for spec in of.next_trials(past))
    assert not of.next_trials(msgspec.structs.replace(past, trials=first_round))


@pytest.mark.parametrize("rounds", [1, 4])
def test_the_number_of_trials_is_known_before(rounds: int) -> None:
    of = planner(rounds=rounds, warm_up_s=None)
    assert of.count == len(played(of).trials) == 2 + 2 * rounds
