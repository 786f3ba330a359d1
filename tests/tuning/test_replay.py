"""Stored trials as a race sees them."""

from typing import Any

import msgspec
import pytest

from servelab.model.front import FrontUse
from servelab.model.launch import StopReport
from servelab.model.noise import Noise
from servelab.model.slo import Slo
from servelab.model.times import Times
from servelab.model.trial import CLIENT_BOUND, Role, Trial, TrialStatus
from servelab.model.trial import Warning as Remark
from servelab.model.tuning import Candidate, Entrant, Measured, Outcome, Round, Tuning
from servelab.model.usage import MemoryKind, ProcessUsage
from servelab.tuning import measured, next_round, replay
from tests.report.own_runs import deployment, trial_of
from tests.tuning.races import PROCESSES, of, way

SYNC = deployment("gunicorn-sync:processes=2")
ENTRANT = Entrant(candidate=Candidate(stack="gunicorn-sync", settings=(("processes", 2),)))
TIMES = Times(
    mean=0.1, p50=0.1, p60=0.1, p70=0.1, p75=0.1, p80=0.1, p90=0.1, p95=0.1, p99=0.1, p99_9=0.1,
    max=0.2,
)  # fmt: skip
QUIET = Noise(seconds=10.0, cpus=2)


def said(*, slo: Slo | None = None, is_disturbed: bool = False, **different: Any) -> Measured:
    reasons = ("something",) if is_disturbed else ()
    trial = trial_of(SYNC, **different)
    return measured(trial, entrant=ENTRANT, slo=slo, disturbed=lambda _noise: reasons)


def test_without_an_objective_throughput_decides() -> None:
    found = said(throughput_per_s=30.0, goodput_per_s=20.0, peak_memory_bytes=7)
    assert (found.outcome, found.rate_per_s) == (Outcome.MEASURED, 30.0)
    assert (found.peak_memory_bytes, found.meets_slo, found.is_void) == (7, True, False)


@pytest.mark.parametrize(
    ("target_s", "failed", "meets"), [(0.15, 0, [True]), (0.1, 0, [False]), (0.15, 1, [False])]
)
def test_with_one_goodput_decides_and_quantile_and_failures_must_meet_it(
    target_s: float, failed: int, meets: list[bool]
) -> None:
    found = said(
        slo=Slo(quantile="p99", target_s=target_s),
        goodput_per_s=20.0,
        response_time_s=TIMES,
        ledger={"scheduled": 100, "sent": 100, "ok": 100 - failed},
    )
    assert (found.rate_per_s, [found.meets_slo]) == (20.0, meets)


@pytest.mark.parametrize(
    ("goodput_per_s", "meets"), [(20.0, [True]), (19.9, [True]), (19.7, [False]), (0.0, [False])]
)
def test_with_too_few_requests_for_the_quantile_the_share_in_time_decides(
    goodput_per_s: float, meets: list[bool]
) -> None:
    few = msgspec.structs.replace(TIMES, p99=None)
    found = said(
        slo=Slo(quantile="p99", target_s=9),
        response_time_s=few,
        throughput_per_s=20.0,
        goodput_per_s=goodput_per_s,
    )
    assert [found.meets_slo] == meets


def test_a_trial_without_a_right_answer_meets_no_objective() -> None:
    found = said(slo=Slo(quantile="p99", target_s=9), response_time_s=None, throughput_per_s=0.0)
    assert not found.meets_slo


STOPPED = StopReport(seconds=0.1, exit_code=0, exited_before_stop=False, was_killed=False)


@pytest.mark.parametrize(
    ("slo", "stop", "outcome"),
    [
        (None, STOPPED, Outcome.FAILED),
        (Slo(quantile="p50", target_s=9), STOPPED, Outcome.FAILED),
        (Slo(quantile="p50", target_s=9, failure_limit=0.01), STOPPED, Outcome.FAILED),
        (Slo(quantile="p50", target_s=9, failure_limit=0.05), STOPPED, Outcome.MEASURED),
        (
            Slo(quantile="p50", target_s=9, failure_limit=0.05),
            msgspec.structs.replace(STOPPED, exited_before_stop=True),
            Outcome.FAILED,
        ),
    ],
)
def test_failures_that_an_objective_allows_end_nobody_whose_server_lives(
    slo: Slo | None, stop: StopReport, outcome: Outcome
) -> None:
    found = said(
        slo=slo,
        status=TrialStatus.FAILED,
        reason="2 of 100 requests failed",
        ledger={"scheduled": 100, "sent": 100, "ok": 98},
        response_time_s=TIMES,
        stop=stop,
    )
    assert found.outcome is outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(TrialStatus.FAILED, Outcome.FAILED), (TrialStatus.INVALID, Outcome.INVALID)],
)
def test_what_failed_and_what_is_invalid_says_why(status: TrialStatus, outcome: Outcome) -> None:
    found = said(status=status, reason="it fell over")
    assert (found.outcome, found.reason) == (outcome, "it fell over")


def test_where_the_generator_was_the_limit_a_rate_is_the_least_that_a_deployment_does() -> None:
    found = said(warnings=[Remark(kind=CLIENT_BOUND, text="too slow a client")])
    assert (found.outcome, found.is_lower_limit) == (Outcome.MEASURED, True)
    assert not said().is_lower_limit


def test_noise_from_outside_makes_it_void_and_a_trial_without_any_is_none() -> None:
    assert said(is_disturbed=True, noise=QUIET).is_void
    assert not said(is_disturbed=True, noise=None).is_void


RACE = Tuning(space=(way("a", PROCESSES), way("b", PROCESSES)))


def trials_of(asked: Round) -> list[Trial]:
    return [
        trial_of(
            SYNC,
            deployment=each.candidate.name,
            number=asked.number,
            role=each.role,
            throughput_per_s=20.0 if each.candidate.stack == "a" else 10.0,
        )
        for each in asked.entrants
    ]


def replayed(trials: list[Trial]) -> tuple[Measured, ...]:
    return replay(
        trials,
        tuning=RACE,
        name_of=lambda each: each.name,
        disturbed=lambda _noise: (),
        skipped={},
    )


def rounds(count: int) -> list[Trial]:
    made: list[Trial] = []
    for _ in range(count):
        asked = next_round(replayed(made), tuning=RACE)
        assert isinstance(asked, Round)
        made += trials_of(asked)
    return made


def test_trials_come_in_the_order_of_the_race_however_they_are_stored() -> None:
    made = rounds(3)
    assert replayed(made[::-1]) == replayed(made)
    assert [each.round for each in replayed(made)] == [each.round for each in made]


def test_each_prefix_is_a_race_that_goes_on_with_what_is_missing() -> None:
    made = rounds(3)
    for count in range(len(made)):
        past = replayed(made[:count])
        assert len(past) == count
        asked = next_round(past, tuning=RACE)
        assert isinstance(asked, Round)
        place = (asked.number, asked.entrants[0].candidate.name, asked.entrants[0].role)
        assert place == (made[count].round, made[count].deployment, made[count].role)


def test_a_round_that_lacks_a_trial_is_the_last_that_counts() -> None:
    made = rounds(3)
    first = sum(each.round == 1 for each in made)
    past = replayed([*made[: first - 1], *made[first:]])
    assert {each.round for each in past} == {1}
    assert len(past) == first - 1


def test_trials_of_another_race_say_nothing() -> None:
    other = trial_of(SYNC, deployment="c:processes=2")
    assert replayed([other]) == ()
    assert replayed([msgspec.structs.replace(other, deployment=of("a", 2).name, round=2)]) == ()


def test_what_could_not_run_here_counts_as_failed_with_its_reason() -> None:
    asked = next_round((), tuning=RACE)
    assert isinstance(asked, Round)
    gone = of("b", 2).name
    kept = [each for each in trials_of(asked) if each.deployment != gone]
    past = replay(
        kept,
        tuning=RACE,
        name_of=lambda each: each.name,
        disturbed=lambda _noise: (),
        skipped={gone: "no compiler here"},
    )
    assert len(past) >= len(asked.entrants)
    (failed,) = [each for each in past if each.candidate == of("b", 2) and each.round == 1][:1]
    assert (failed.outcome, failed.reason) == (Outcome.FAILED, "no compiler here")
    assert failed.role in {Role.CANDIDATE, Role.CONTROL}


def test_the_memory_of_a_front_counts_beside_its_servers() -> None:
    usage = ProcessUsage(
        seconds=1.0, user_s=0.0, system_s=0.0, peak_memory_bytes=5, final_memory_bytes=5,
        memory_kind=MemoryKind.PROPORTIONAL, peak_threads=1, peak_processes=1,
        voluntary_switches=0, involuntary_switches=0, processes=(), samples=1,
    )  # fmt: skip
    front = FrontUse(
        name="nginx", command="nginx", configuration="logs/a.conf", upstream="unix:/a", log="logs/a"
    )
    with_usage = msgspec.structs.replace(front, usage=usage)
    assert said(peak_memory_bytes=7, front=with_usage).peak_memory_bytes == 12
    assert said(peak_memory_bytes=7, front=front).peak_memory_bytes == 7
    assert said(peak_memory_bytes=None, front=with_usage).peak_memory_bytes is None


def test_how_far_a_trial_is_from_its_objective_is_told() -> None:
    found = said(
        slo=Slo(quantile="p50", target_s=0.05),
        response_time_s=TIMES,
        ledger={"scheduled": 100, "sent": 100, "ok": 98},
    )
    assert (found.slo_value_s, found.failure_share, found.meets_slo) == (0.1, 0.02, False)
    assert said(response_time_s=TIMES).slo_value_s is None
