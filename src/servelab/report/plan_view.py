"""A plan in words, before anything of it is measured."""

from collections.abc import Iterable, Sequence

from servelab.model.plan import Plan
from servelab.model.trial import PILOT_ROUND, Role, TrialSpec
from servelab.report import quantities, view


def text(plan: Plan, *, rounds: Sequence[tuple[TrialSpec, ...]], expected_s: float | None) -> str:
    """Return the plan with the order of its first rounds."""
    return "\n".join(_lines(plan, rounds=rounds, expected_s=expected_s)) + "\n"


def expectation(plan: Plan, *, expected_s: float | None) -> str:
    """Return how long a plan takes, as far as that is known before."""
    if expected_s is None:
        return (
            f"{plan.options.requests} requests for each deployment: how long they take is up to "
            "the servers."
        )
    expected = quantities.duration(expected_s)
    if plan.judging is None:
        return f"Expected to take {expected}, when all environments are built."
    sentence = f"{plan.judging.least_rounds} rounds, the least for a verdict, take about {expected}"
    limit_s = plan.budget.time_s
    if limit_s is None:
        return sentence + "."
    sentence += f"; the budget is {quantities.duration(limit_s)}"
    if expected_s > limit_s:
        return sentence + ", too little for a verdict: raise --budget."
    return sentence + "."


def _lines(
    plan: Plan, *, rounds: Sequence[tuple[TrialSpec, ...]], expected_s: float | None
) -> Iterable[str]:
    yield f"{plan.options.workload}: {_count(plan)}, {_each(plan)}."
    yield expectation(plan, expected_s=expected_s)
    for specs in rounds:
        yield ""
        yield "Pilots:" if specs[0].round == PILOT_ROUND else f"Round {specs[0].round}:"
        yield from (f"  {_name(spec)}" for spec in specs)
    if plan.rounds is None:
        yield ""
        yield "... until it is decided or the budget is spent."


def _count(plan: Plan) -> str:
    deployments = quantities.counted(len(plan.deployments), "deployment", "deployments")
    if plan.rounds is None:
        return f"{deployments}, in rounds until decided, seed {plan.seed}"
    return (
        f"{deployments} in {quantities.counted(plan.rounds, 'round', 'rounds')}, seed {plan.seed}"
    )


def _each(plan: Plan) -> str:
    options = plan.options
    warm_up = (
        "a warm-up as long as pilots show, then "
        if plan.warm_up_s is None
        else f"{plan.warm_up_s:g} s of warm-up, then "
        if plan.warm_up_s
        else ""
    )
    amount = f"{options.duration_s:g} s" if options.duration_s else f"{options.requests} requests"
    return f"each trial {warm_up}{amount} of {view.arrivals_in_words(options.load)}"


def _name(spec: TrialSpec) -> str:
    again = " (again, as control)" if spec.role is Role.CONTROL else ""
    return spec.deployment.name + again
