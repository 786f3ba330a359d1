"""The race: who runs, who is dropped and why, who joins, when it ends."""

from collections import Counter
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servelab.model.slo import Slo
from servelab.model.trial import Role
from servelab.model.tuning import (
    Candidate,
    End,
    LossCause,
    Measured,
    Outcome,
    RaceEnding,
    Round,
    Tuned,
    Tuning,
)
from servelab.model.verdict import Better, CannotTell, Doubt, Equivalent
from servelab.tuning import answer, next_round
from tests.tuning.races import (
    MB,
    PROCESSES,
    THREADS,
    Rate,
    failed,
    of,
    race,
    rounds_of,
    way,
)

GRID = way("gthread", PROCESSES, THREADS)
THREE = tuple(way(stack) for stack in ("a", "b", "c"))


def hill(candidate: Candidate) -> float:
    """Best at 8 processes with 1 thread."""
    (_, processes), (_, threads) = candidate.settings
    assert isinstance(processes, int)
    assert isinstance(threads, int)
    return 100.0 * processes / (1 + 0.2 * threads)


def drawn(*what: object, below: int) -> int:
    return crc32(repr(what).encode()) % below


def wobble(candidate: Candidate, number: int) -> float:
    """Add what is different in each trial, and no more than 1 %."""
    return 1 + 0.01 * (drawn(candidate.name, number, below=201) / 100 - 1)


def lone(*stacks: tuple[str, float]) -> tuple[Tuning, dict[str, float]]:
    return Tuning(space=tuple(way(stack) for stack, _ in stacks)), dict(stacks)


def raced(*stacks: tuple[str, float]) -> tuple[list[Measured], RaceEnding, Tuned]:
    tuning, rates = lone(*stacks)
    past, ending = race(tuning, rate=lambda each, _: rates[each.stack])
    return past, ending, answer(past, tuning=tuning)


def test_the_first_round_has_every_start_and_benchmark_and_one_of_them_twice() -> None:
    folklore = of("gthread", 5, 1)
    tuning = Tuning(space=(GRID, *THREE), benchmarks=(folklore,))
    asked = next_round((), tuning=tuning)
    assert isinstance(asked, Round)
    candidates = [e.candidate for e in asked.entrants if e.role is Role.CANDIDATE]
    assert len(candidates) == len(set(candidates)) == 5
    assert {of("gthread", 2, 4), folklore} <= set(candidates)
    assert [e.role for e in asked.entrants].count(Role.CONTROL) == 1


def test_a_start_without_a_field_brings_its_neighbours() -> None:
    asked = next_round((), tuning=Tuning(space=(GRID,)))
    assert isinstance(asked, Round)
    assert len({e.candidate for e in asked.entrants}) == 5


def test_orders_differ_between_rounds_and_follow_from_the_seed() -> None:
    def orders(seed: int) -> list[list[str]]:
        tuning = Tuning(space=tuple(way(f"s{n}") for n in range(8)), seed=seed)
        past, _ = race(tuning, rate=lambda *_: 100.0)
        names: dict[int, list[str]] = {}
        for each in past:
            names.setdefault(each.round, []).append(each.candidate.stack)
        return list(names.values())

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)
    assert len({tuple(order) for order in orders(1)[:3]}) == 3


def test_the_race_climbs_to_a_peak_that_is_steps_away() -> None:
    tuning = Tuning(space=(GRID,))
    past, _ = race(tuning, rate=lambda each, n: hill(each) * wobble(each, n))
    assert answer(past, tuning=tuning).winner == of("gthread", 8, 1)


def test_a_stack_that_begins_with_too_little_has_more_tried() -> None:
    tuning = Tuning(space=(way("a"), way("b"), way("c"), GRID))

    def rate(each: Candidate, number: int) -> float:
        waits = {4: 30.0, 16: 150.0}.get(int(dict(each.settings).get("threads") or 0), 10.0)
        return (waits if each.stack == "gthread" else 100.0) * wobble(each, number)

    past, _ = race(tuning, rate=rate)
    winner = answer(past, tuning=tuning).winner
    assert winner is not None
    assert dict(winner.settings)["threads"] == 16


def test_one_below_half_of_the_leader_runs_twice() -> None:
    past, _, found = raced(("a", 100), ("b", 45), ("c", 98))
    lost = next(each for each in found.losses if each.candidate.stack == "b")
    assert (lost.cause, lost.round) == (LossCause.WORSE, 2)
    assert rounds_of(past, lost.candidate) == [1, 2]


NOISE = (1.1, 0.9, 1.05, 0.95, 1.0, 1.02, 0.98, 1.0)


def in_noise(scale: float, **rates: float) -> tuple[RaceEnding, Tuned]:
    """Race stacks of which all but the first are as noisy as `scale` says."""
    tuning = Tuning(space=tuple(way(stack) for stack in rates))

    def rate(each: Candidate, number: int) -> float:
        is_still = each.stack == next(iter(rates))
        return rates[each.stack] * (1.0 if is_still else NOISE[(number - 1) % 8] ** scale)

    past, ending = race(tuning, rate=rate)
    return ending, answer(past, tuning=tuning)


def test_a_slow_one_is_dropped_as_soon_as_no_chance_explains_it() -> None:
    ending, found = in_noise(0.3, a=100.0, b=70.0, c=99.0)
    assert [(e.candidate.stack, e.round, e.cause) for e in found.losses] == [
        ("b", 2, LossCause.WORSE)
    ]
    assert ending is RaceEnding.JUDGED
    assert found.rounds == 8
    assert [e.candidate.stack for e in found.runners_up] == ["c"]


def test_the_noisier_the_machine_the_longer_a_slow_one_stays() -> None:
    dropped = []
    for scale in (0.0, 1.0, 3.0):
        _, found = in_noise(scale, a=100.0, b=80.0, c=99.0)
        dropped += [each.round for each in found.losses if each.candidate.stack == "b"]
    assert dropped == sorted(dropped)
    assert dropped[0] < dropped[-1]
    assert len(dropped) == 3


def test_the_last_ones_run_on_where_eight_rounds_tell_little() -> None:
    ending, found = in_noise(1.0, a=100.0, b=100.0)
    assert ending is RaceEnding.JUDGED
    assert 8 < found.rounds <= 16
    _, still = in_noise(0.1, a=100.0, b=100.0)
    assert still.rounds == 8


def test_the_last_ones_run_on_only_as_far_as_the_budget_goes() -> None:
    tuning = Tuning(space=(way("a"), way("b")), most_trials=30)

    def rate(each: Candidate, number: int) -> float:
        return 100.0 * (NOISE[(number - 1) % 8] if each.stack == "a" else 1.0)

    past, ending = race(tuning, rate=rate)
    assert ending is RaceEnding.JUDGED
    # Eight rounds of three, with the control, and then three of two.
    assert len(past) == 30
    assert max(each.round for each in past) == 11


def test_the_last_ones_do_not_run_on_once_half_of_the_whole_space_could_have_been_run() -> None:
    def rate(each: Candidate, number: int) -> float:
        # Neighbours are so close that all of them stay for a while.
        return float(NOISE[drawn(each.name, number, below=8)] ** 2 * hill(each) ** 0.05)

    tuning = Tuning(space=(GRID,))
    past, ending = race(tuning, rate=rate)
    assert ending is RaceEnding.JUDGED
    assert len(past) > 8 * 12 / 2
    ratios = [each.comparison.ratio for each in answer(past, tuning=tuning).runners_up]
    assert min(each.rounds for each in ratios if each is not None) == 8


def test_equals_are_found_equivalent_in_eight_rounds() -> None:
    tuning, _ = lone(("a", 100), ("b", 100))
    past, ending = race(tuning, rate=lambda each, n: 100 * wobble(each, n))
    found = answer(past, tuning=tuning)
    assert ending is RaceEnding.JUDGED
    assert found.rounds == 8
    assert isinstance(found.runners_up[0].comparison.verdict, Equivalent)
    assert found.verdicts is not None
    assert found.verdicts.control is not None
    assert found.verdicts.control.is_sound


def test_when_all_others_are_dropped_the_race_ends() -> None:
    _, ending, found = raced(("a", 100), ("b", 30), ("c", 20))
    assert ending is RaceEnding.ALONE
    assert found.winner is not None
    assert (found.winner.stack, found.rounds) == ("a", 2)


def test_one_that_fails_leaves_at_once_with_its_reason() -> None:
    tuning = Tuning(space=THREE)
    past, _ = race(
        tuning,
        rate=lambda *_: 100.0,
        changed=lambda e: failed(e, "it died") if e.candidate.stack == "b" else e,
    )
    found = answer(past, tuning=tuning)
    assert [(e.candidate.stack, e.cause, e.round, e.reason) for e in found.losses] == [
        ("b", LossCause.FAILED, 1, "it died")
    ]


def test_one_that_fails_as_its_own_control_has_failed() -> None:
    tuning, _ = lone(("a", 100), ("b", 90))

    def changed(each: Measured) -> Measured:
        return failed(each, "it died") if each.role is Role.CONTROL and each.round == 2 else each

    past, _ = race(tuning, rate=by_stack(a=100, b=90), changed=changed)
    found = answer(past, tuning=tuning)
    assert [(e.candidate.stack, e.cause, e.round) for e in found.losses] == [
        ("a", LossCause.FAILED, 2)
    ]


def test_where_all_fail_nothing_runs() -> None:
    tuning = Tuning(space=THREE)
    past, ending = race(tuning, rate=lambda *_: 1.0, changed=lambda e: failed(e, "no"))
    assert ending is RaceEnding.NOTHING_RUNS
    assert answer(past, tuning=tuning).winner is None


def test_a_plan_without_anything_to_run_ends() -> None:
    assert next_round((), tuning=Tuning(space=())) == End(ending=RaceEnding.NOTHING_RUNS)


def test_one_over_the_memory_limit_leaves_at_once() -> None:
    tuning = Tuning(space=THREE, memory_limit_bytes=40 * MB)

    def weighed(each: Measured) -> Measured:
        heavy = each.candidate.stack == "a"
        return msgspec.structs.replace(each, peak_memory_bytes=(50 if heavy else 30) * MB)

    past, _ = race(tuning, rate=by_stack(a=200, b=100, c=99), changed=weighed)
    found = answer(past, tuning=tuning)
    assert found.losses[0].cause is LossCause.OVER_MEMORY
    assert found.losses[0].peak_memory_bytes == 50 * MB
    assert found.winner is not None
    assert found.winner.stack == "b"
    assert "a" not in {each.candidate.stack for each in found.front}


def by_stack(**rates: float) -> Rate:
    return lambda each, _: rates[each.stack]


def test_one_that_misses_the_objective_loses_to_a_slower_one_that_meets_it() -> None:
    tuning = Tuning(space=THREE, slo=Slo(quantile="p99", target_s=0.2))
    past, _ = race(
        tuning,
        rate=by_stack(a=200, b=100, c=95),
        changed=lambda e: msgspec.structs.replace(e, meets_slo=e.candidate.stack != "a"),
    )
    found = answer(past, tuning=tuning)
    assert found.winner is not None
    assert (found.winner.stack, found.meets_slo) == ("b", True)
    assert (LossCause.MISSES_SLO, 3) in {(e.cause, e.round) for e in found.losses}


def test_where_all_miss_the_objective_the_best_of_them_is_named_as_such() -> None:
    tuning = Tuning(space=THREE, slo=Slo(quantile="p99", target_s=0.2))
    past, _ = race(
        tuning,
        rate=by_stack(a=200, b=100, c=95),
        changed=lambda e: msgspec.structs.replace(e, meets_slo=False),
    )
    found = answer(past, tuning=tuning)
    assert found.winner is not None
    assert (found.winner.stack, found.meets_slo) == ("a", False)


def test_one_without_any_goodput_is_worse_and_no_error() -> None:
    past, _, found = raced(("a", 100), ("b", 0.0), ("c", 99))
    assert {e.candidate.stack for e in found.losses} == {"b"}
    assert len(rounds_of(past, found.losses[0].candidate)) == 2


def test_invalid_trials_say_nothing_and_three_of_them_are_enough() -> None:
    tuning = Tuning(space=THREE)

    def invalid(each: Measured) -> Measured:
        if each.candidate.stack != "b":
            return each
        return msgspec.structs.replace(
            each, outcome=Outcome.INVALID, rate_per_s=None, reason="client-bound"
        )

    past, _ = race(tuning, rate=lambda *_: 100.0, changed=invalid)
    lost = answer(past, tuning=tuning).losses[0]
    assert (lost.cause, lost.round, lost.reason) == (LossCause.UNMEASURABLE, 3, "client-bound")


def test_those_that_can_be_judged_wait_for_one_that_cannot_yet() -> None:
    def late(each: Measured) -> Measured:
        if each.candidate.stack != "c" or each.round > 2:
            return each
        return msgspec.structs.replace(each, outcome=Outcome.INVALID, rate_per_s=None)

    past, ending = race(Tuning(space=THREE), rate=lambda *_: 100.0, changed=late)
    assert ending is RaceEnding.JUDGED
    after = [each for each in past if each.round > 8]
    assert Counter(each.candidate.stack for each in after) == {"a": 2, "c": 2}
    assert {each.role for each in after} == {Role.CANDIDATE}


def test_a_void_round_counts_for_nobody() -> None:
    tuning, _ = lone(("a", 100), ("b", 30), ("c", 99))
    past, _ = race(
        tuning,
        rate=by_stack(a=100, b=30, c=99),
        changed=lambda e: msgspec.structs.replace(e, is_void=e.round == 1),
    )
    found = answer(past, tuning=tuning)
    assert {e.candidate.stack: e.round for e in found.losses}["b"] == 3
    assert found.verdicts is not None
    assert (found.verdicts.rounds, found.ending) == (9, RaceEnding.JUDGED)


def test_a_host_that_voids_every_round_ends_the_race_without_a_verdict() -> None:
    tuning = Tuning(space=THREE)
    past, ending = race(
        tuning,
        rate=lambda each, n: 100 * wobble(each, n),
        changed=lambda e: msgspec.structs.replace(e, is_void=e.round > 2),
    )
    assert ending is RaceEnding.NOISE
    verdicts = answer(past, tuning=tuning).verdicts
    assert verdicts is not None
    assert isinstance(verdicts.doubt, CannotTell)
    assert verdicts.doubt.reason is Doubt.NOISE


def test_where_the_control_differs_from_itself_nothing_is_told() -> None:
    tuning = Tuning(space=THREE)
    past, _ = race(
        tuning,
        rate=lambda each, n: 100 * wobble(each, n),
        changed=lambda e: msgspec.structs.replace(
            e, rate_per_s=(e.rate_per_s or 0) * (1.2 if e.role is Role.CONTROL else 1)
        ),
    )
    found = answer(past, tuning=tuning)
    assert found.verdicts is not None
    assert found.verdicts.doubt is not None
    assert found.verdicts.doubt.reason is Doubt.CONTROL
    assert all(isinstance(e.comparison.verdict, CannotTell) for e in found.runners_up)


def test_a_benchmark_runs_five_rounds_however_slow_and_is_told_beside_the_winner() -> None:
    folklore = of("gthread", 5, 1)
    tuning = Tuning(space=(way("a"), way("b")), benchmarks=(folklore,))

    def rate(each: Candidate, number: int) -> float:
        return {"a": 100.0, "b": 99.0}.get(each.stack, 20.0) * wobble(each, number)

    past, _ = race(tuning, rate=rate)
    found = answer(past, tuning=tuning)
    lost = next(each for each in found.losses if each.candidate == folklore)
    assert len(rounds_of(past, folklore)) == 5
    assert lost.beside == found.winner
    assert lost.ratio is not None
    assert lost.ratio.estimate == pytest.approx(0.2, rel=0.05)


def test_a_lighter_equal_is_said_to_be_lighter() -> None:
    tuning, _ = lone(("a", 100), ("b", 100))

    def weighed(each: Measured) -> Measured:
        factor = 1.0 if each.candidate.stack == "a" else 0.5
        return msgspec.structs.replace(
            each,
            rate_per_s=(each.rate_per_s or 0) * (1.005 if each.candidate.stack == "a" else 1),
            peak_memory_bytes=round(factor * (100 + each.round % 2) * MB),
        )

    past, _ = race(tuning, rate=lambda each, n: 100 * wobble(each, n), changed=weighed)
    found = answer(past, tuning=tuning)
    assert found.winner is not None
    assert found.winner.stack == "a"
    assert found.runners_up[0].is_lighter
    assert [each.candidate.stack for each in found.front] == ["b", "a"]


def test_one_that_is_clearly_better_in_eight_rounds_is_judged_so() -> None:
    tuning, _ = lone(("a", 100), ("b", 100))

    def rate(each: Candidate, number: int) -> float:
        # So uneven that it is not dropped before the verdict.
        if each.stack == "a":
            return 100.0
        return 94.0 if number < 3 else (99.9 if number in {3, 4} else 91.5)

    past, _ = race(tuning, rate=rate)
    found = answer(past, tuning=tuning)
    assert found.verdicts is not None
    for comparison in found.verdicts.comparisons:
        is_lost = comparison.other in {e.candidate.name for e in found.losses}
        assert isinstance(comparison.verdict, Better) == is_lost


def test_a_budget_of_seconds_is_not_exceeded() -> None:
    def seconds(tuning: Tuning) -> float:
        past, _ = race(tuning, rate=lambda each, n: 100 * wobble(each, n))
        return sum(each.seconds for each in past)

    assert seconds(Tuning(space=(GRID, *THREE))) > 300
    assert seconds(Tuning(space=(GRID, *THREE), most_s=300)) <= 300


def test_a_small_budget_still_brings_a_verdict() -> None:
    tuning = Tuning(space=tuple(way(f"s{n}") for n in range(6)), most_trials=40)
    past, ending = race(tuning, rate=lambda each, n: 100 * wobble(each, n))
    assert len(past) <= 40
    assert ending is RaceEnding.JUDGED


def test_trials_of_another_plan_are_refused() -> None:
    past, _ = race(Tuning(space=THREE), rate=lambda *_: 100.0)
    later = [msgspec.structs.replace(each, round=each.round + 1) for each in past]
    with pytest.raises(ValueError, match="round 2 is not the one that follows"):
        next_round(later, tuning=Tuning(space=THREE))
    with pytest.raises(ValueError, match="round 1 is not the one that follows"):
        next_round(past, tuning=Tuning(space=(GRID,)))


def test_plan_and_answer_are_read_as_they_were_written() -> None:
    tuning = Tuning(
        space=(GRID, way("a")),
        benchmarks=(of("gthread", 5, 1),),
        slo=Slo(quantile="p99", target_s=0.2),
    )
    past, _ = race(tuning, rate=lambda each, n: 100 * wobble(each, n))
    found = answer(past, tuning=tuning)
    assert msgspec.json.decode(msgspec.json.encode(tuning), type=Tuning) == tuning
    assert msgspec.json.decode(msgspec.json.encode(found), type=Tuned) == found


noise = st.floats(min_value=0.2, max_value=3.0)
outcomes = st.sampled_from([Outcome.MEASURED] * 12 + [Outcome.INVALID, Outcome.FAILED])


@st.composite
def hosts(draw: st.DrawFn) -> tuple[Tuning, list[tuple[float, Outcome, bool, bool]]]:
    """A plan, and a cycle of what trials bring whoever runs."""
    stacks = draw(st.integers(0, 3))
    plan = Tuning(
        space=(GRID, *(way(f"s{n}", PROCESSES) for n in range(stacks))),
        benchmarks=draw(st.sampled_from([(), (of("gthread", 5, 1),)])),
        slo=None,
        most_trials=draw(st.sampled_from([None, 1, 3, 20, 50])),
        most_s=draw(st.sampled_from([None, 5.0, 200.0])),
        seed=draw(st.integers(0, 3)),
    )
    trials = st.tuples(noise, outcomes, st.sampled_from([True] * 5 + [False]), st.booleans())
    return plan, draw(st.lists(trials, min_size=7, max_size=40))


def simulated(
    plan: Tuning, cycle: list[tuple[float, Outcome, bool, bool]], *, voids: bool
) -> list[Measured]:
    def changed(each: Measured) -> Measured:
        place = drawn(each.candidate.name, each.round, each.role, below=len(cycle))
        factor, outcome, meets, is_void = cycle[place]
        return msgspec.structs.replace(
            each,
            rate_per_s=(each.rate_per_s or 0) * factor,
            outcome=outcome,
            meets_slo=meets,
            is_void=voids and is_void and each.round % 4 == 0,
        )

    past, _ = race(plan, rate=lambda *_: 100.0, changed=changed)
    return past


@settings(max_examples=60, deadline=None)
@given(host=hosts(), voids=st.booleans())
def test_any_race_ends_within_its_budget_with_nobody_twice_and_nobody_back(
    host: tuple[Tuning, list[tuple[float, Outcome, bool, bool]]],
    voids: bool,  # noqa: FBT001
) -> None:
    plan, cycle = host
    past = simulated(plan, cycle, voids=voids)
    assert len(past) <= (plan.most_trials or len(past))
    places = Counter((each.round, each.candidate, each.role) for each in past)
    assert set(places.values()) <= {1}
    for candidate in {each.candidate for each in past}:
        # Who can be judged may wait for the others.
        ran = rounds_of(past, candidate)[: plan.judging.least_rounds]
        assert ran == list(range(ran[0], ran[0] + len(ran))), "one waited that cannot be judged"
    found = answer(past, tuning=plan)
    for loss in found.losses:
        assert max(rounds_of(past, loss.candidate)) <= loss.round, "one left and came back"
    lost = [each.candidate for each in found.losses]
    standing = [*lost, *(e.candidate for e in found.runners_up)]
    assert len(standing) == len(set(standing))
    assert found.winner not in standing
    assert found.trials == len(past)


@settings(max_examples=25, deadline=None)
@given(host=hosts(), part=st.floats(0, 1))
def test_a_race_goes_on_from_any_point_as_if_nothing_had_happened(
    host: tuple[Tuning, list[tuple[float, Outcome, bool, bool]]], part: float
) -> None:
    plan, cycle = host
    past = simulated(plan, cycle, voids=True)
    cut = int(part * len(past))
    asked = next_round(past[:cut], tuning=plan)
    assert asked == next_round(list(past[:cut]), tuning=plan)
    if cut == len(past):
        assert isinstance(asked, End)
        return
    assert isinstance(asked, Round)
    rest = [each for each in past[cut:] if each.round == past[cut].round]
    assert [(e.candidate, e.role) for e in rest] == [(e.candidate, e.role) for e in asked.entrants]


def test_one_that_is_alone_after_a_single_round_has_its_neighbours_tried_first() -> None:
    tuning = Tuning(space=(way("a", PROCESSES),))
    rates = {1: 1.0, 2: 10.0, 4: 100.0, 8: 1000.0}
    past, ending = race(tuning, rate=lambda each, _: rates[dict(each.settings)["processes"]])  # type: ignore[index]
    assert ending is RaceEnding.ALONE
    assert answer(past, tuning=tuning).winner == of("a", 8)


def test_where_nobody_has_any_goodput_the_race_comes_to_an_end_all_the_same() -> None:
    tuning = Tuning(space=(way("a", PROCESSES),), slo=Slo(quantile="p99", target_s=0.1))
    past, ending = race(
        tuning,
        rate=lambda _each, _number: 0.0,
        changed=lambda each: msgspec.structs.replace(each, meets_slo=False),
    )
    assert ending is RaceEnding.JUDGED
    found = answer(past, tuning=tuning)
    assert found.winner is not None
    assert not found.meets_slo


SLO = Slo(quantile="p99", target_s=0.1)


def missed(times_s: dict[str, float], *, rate: Rate) -> Tuned:
    """Return what a race finds in which nobody meets p99<100ms, and each stack takes so long."""
    tuning = Tuning(space=THREE, slo=SLO)
    past, _ = race(
        tuning,
        rate=rate,
        changed=lambda each: msgspec.structs.replace(
            each, meets_slo=False, slo_value_s=times_s[each.candidate.stack]
        ),
    )
    return answer(past, tuning=tuning)


def test_where_nobody_has_any_goodput_the_shortest_time_leads() -> None:
    found = missed({"a": 0.8, "b": 0.4, "c": 0.41}, rate=lambda *_: 0.0)
    assert found.winner is not None
    assert (found.winner.stack, found.has_goodput, found.rate_per_s) == ("b", False, 0.0)
    assert {each.candidate.stack for each in found.losses} == {"a"}
    assert found.front == ()
    assert found.closest is not None
    assert (found.closest.candidate, found.closest.value_s) == (found.winner, 0.4)


def test_the_closest_need_not_be_the_one_with_the_most_goodput() -> None:
    rates = {"a": 100.0, "b": 99.0, "c": 98.0}
    found = missed({"a": 0.3, "b": 0.2, "c": 0.12}, rate=lambda each, _: rates[each.stack])
    assert found.winner is not None
    assert found.closest is not None
    assert (found.winner.stack, found.closest.candidate.stack) == ("a", "c")
    assert found.closest.rounds == found.rounds == 8


def test_where_the_objective_is_met_nobody_is_merely_close() -> None:
    past, _ = race(Tuning(space=THREE, slo=SLO), rate=lambda *_: 100.0)
    assert answer(past, tuning=Tuning(space=THREE, slo=SLO)).closest is None


def test_a_stack_behind_a_front_is_held_against_its_own_best_and_not_that_without() -> None:
    plain = way("a", PROCESSES)
    behind = msgspec.structs.replace(plain, front="nginx")
    tuning = Tuning(space=(plain, behind))
    past, _ = race(tuning, rate=lambda each, _: 100.0 if each.front is None else 44.0)
    # Below .45 of the best of its own way a newcomer leaves at once; the start of a way does not.
    assert len(rounds_of(past, of("a", 2))) >= 2
    start = msgspec.structs.replace(of("a", 2), front="nginx")
    assert rounds_of(past, start) == [1, 2]
    found = answer(past, tuning=tuning)
    assert found.winner is not None
    assert found.winner.front is None
    assert {each.candidate.front for each in found.losses} >= {"nginx"}
