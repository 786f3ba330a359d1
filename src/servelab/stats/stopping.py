"""When there are enough rounds: pure, asked after each of them.

A 95 % interval that is looked at after every round, until it excludes equality, excludes it far
too often. So that looking costs nothing, an experiment ends early only where the answer would hold
at an error of 0.1 % (J. L. Haybittle, British Journal of Radiology 44, 1971; R. Peto et al.,
British Journal of Cancer 34, 1976), or where the intervals are as narrow as was asked for, which
their middle has no part in (Y. S. Chow & H. Robbins, Annals of Mathematical Statistics 36(2),
1965). Otherwise it goes on until its budget is spent, which was fixed before.
"""

from math import log1p

from servelab.model.verdict import Budget, Judging, NextStep
from servelab.stats.comparison import INTERIM_ERROR, Field, Values, final_error
from servelab.stats.pairs import Evidence

_JUDGING = Judging()


def next_step(
    values: Values,
    *,
    budget: Budget,
    elapsed_s: float = 0.0,
    twin: str | None = None,
    judging: Judging = _JUDGING,
) -> NextStep:
    """Return whether to make another round.

    `values` as for `judge`; `twin` is the control's second name, which plays no part: a control is
    judged once, at the end. `elapsed_s` is what the rounds took so far; another one is expected to
    take as long as their mean.
    """
    field = Field(values, twin=twin, direction=judging.direction)
    steps = _steps(field, judging=judging)
    if steps == {NextStep.DECIDED}:
        return NextStep.DECIDED
    if steps and NextStep.CONTINUE not in steps:
        return NextStep.NARROW
    rounds = max((len(each) for each in values.values()), default=0)
    return NextStep.SPENT if _is_spent(budget, rounds, elapsed_s) else NextStep.CONTINUE


def _steps(field: Field, *, judging: Judging) -> set[NextStep]:
    """Return what each comparison with the leader asks for; empty where there is none."""
    leader = field.leader(least_rounds=judging.least_rounds)
    if leader is None:
        return set()
    clear = field.levels(judging, error=INTERIM_ERROR)
    usual = field.levels(judging, error=final_error(judging))
    steps = set()
    for rival in (name for name in field.names if name != leader):
        pair, evidence = frozenset((leader, rival)), field.evidence(leader, rival)
        if evidence is None or evidence.count < judging.least_rounds:
            steps.add(NextStep.CONTINUE)
        else:
            steps.add(_step(evidence, clear=clear[pair], usual=usual[pair], judging=judging))
    return steps


def _step(evidence: Evidence, *, clear: float, usual: float, judging: Judging) -> NextStep:
    if evidence.error_of(log1p(judging.delta)) <= clear:
        return NextStep.DECIDED
    low, high = evidence.limits(usual)
    is_narrow = high - low <= 2 * log1p(judging.target)
    return NextStep.NARROW if is_narrow else NextStep.CONTINUE


def _is_spent(budget: Budget, rounds: int, elapsed_s: float) -> bool:
    if budget.rounds is not None and rounds >= budget.rounds:
        return True
    expected_s = elapsed_s * (rounds + 1) / rounds if rounds else 0.0
    return budget.time_s is not None and expected_s > budget.time_s
