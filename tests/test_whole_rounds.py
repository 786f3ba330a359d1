"""Rounds and comparisons, from argv to output, on a deterministic world."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from servelab.explain.rounds import arrange
from servelab.model.figure import Figure
from servelab.model.load import ClosedLoop, Connections
from servelab.model.noise import Noise
from servelab.model.trial import Trial, TrialStatus
from servelab.store import folder as stored
from tests.conftest import Run
from tests.fake_world import QUIET, Script, World

SLOW, QUICK = "sync-devserver:threading=without", "async-fastapi:processes=2"


def world(**more: Any) -> World:
    """Return a world in which the second server is twice as fast as the first."""
    scripts = {
        "flask": Script(service_s=0.05, cpu_s_per_call=0.05),
        "uvicorn": Script(service_s=0.025, cpu_s_per_call=0.05, workers=2),
    }
    return World(scripts, **more)


def trials_in(folder: Path) -> list[tuple[str, int, str]]:
    return [(trial.stack, trial.round, trial.role.value) for trial in stored.read(folder).trials]


def test_rounds_measure_each_deployment_once_in_each_after_a_pilot(
    run: Run, tmp_path: Path
) -> None:
    status, printed, notes = run(
        world(), "run", SLOW, QUICK, "cpu", "--rounds", "3", "--out", "here"
    )
    assert status == 0
    made = Counter(number for _, number, _ in trials_in(tmp_path / "here"))
    assert made == {0: 2, 1: 2, 2: 2, 3: 2}
    assert "Highest rate on cpu in 3 rounds: async-fastapi 2 processes, 40.00" in printed
    assert "3 of 3" in printed
    assert "round 3: sync-devserver" in notes


def test_each_round_has_its_own_ceiling(run: Run) -> None:
    of = world()
    bare = 0

    original = of._write_bare

    def counted(command: Any) -> None:
        nonlocal bare
        bare += 1
        original(command)

    of._write_bare = counted  # type: ignore[method-assign]
    run(of, "run", SLOW, "cpu", "--rounds", "3", "--warm-up", "1")
    assert bare == 2 * 3


def test_the_warm_up_is_stored_apart_and_not_counted(run: Run, tmp_path: Path) -> None:
    run(world(), "run", SLOW, "cpu", "--duration", "10", "--warm-up", "2", "--out", "here")
    (trial,) = stored.read(tmp_path / "here").trials
    assert trial.window_s == pytest.approx(10.0)
    assert trial.load_s == pytest.approx(12.0)
    assert trial.warm_up is not None
    assert trial.warm_up.seconds == 2.0
    # 20 answers a second; the 100 callers of the start are planned, and queue, in the warm-up.
    assert trial.warm_up.ledger["scheduled"] + trial.ledger["scheduled"] == 240
    assert trial.throughput_per_s == pytest.approx(20.0)
    assert trial.steadiness is not None
    assert trial.steadiness.is_steady


def test_a_comparison_says_in_words_which_is_better_and_by_how_much(
    run: Run, tmp_path: Path
) -> None:
    status, printed, _ = run(world(), "compare", SLOW, QUICK, "cpu", "--out", "here")
    assert status == 0
    verdict = (
        "async-fastapi 2 processes beats sync-devserver without threads by 100 to 100 % "
        "(95 %, 8 rounds)."
    )
    assert printed.startswith(f"\n{verdict}\n")
    made = trials_in(tmp_path / "here")
    assert Counter(role for _, number, role in made if number) == {"candidate": 16, "control": 8}


def test_the_same_deployment_twice_under_other_settings_is_equivalent(run: Run) -> None:
    same = Script(service_s=0.05, cpu_s_per_call=0.05)
    status, printed, _ = run(World({"flask": same, "uvicorn": same}), "compare", SLOW, QUICK, "cpu")
    assert status == 0
    assert "no difference shown above 0.0 %" in printed


def test_what_is_compared_can_be_a_time_of_which_less_is_better(run: Run) -> None:
    status, printed, _ = run(world(), "compare", SLOW, QUICK, "cpu", "--by", "p50")
    assert status == 0
    assert printed.startswith(
        "\nasync-fastapi 2 processes beats sync-devserver without threads, whose median response "
        "time is 100 to 100 % higher (95 %, 8 rounds).\n"
    )


def test_show_tells_a_comparison_again(run: Run) -> None:
    _, printed, _ = run(world(), "compare", SLOW, QUICK, "cpu", "--out", "here")
    status, again, _ = run(world(), "show", "here")
    assert status == 0
    assert again == printed
    _, page, _ = run(world(), "report", "here")
    assert "beats sync-devserver" in page


def test_the_json_of_a_comparison_has_the_plan_and_the_verdicts(run: Run) -> None:
    _, printed, _ = run(world(), "compare", SLOW, QUICK, "cpu", "--json")
    document = json.loads(printed)
    assert document["plan"]["deployments"][0] == SLOW
    (comparison,) = document["verdicts"]["comparisons"]
    assert comparison["verdict"]["type"] == "better"
    assert comparison["ratio"]["low"] == pytest.approx(2.0)


def test_an_interrupted_comparison_goes_on_with_what_is_missing(run: Run, tmp_path: Path) -> None:
    here = tmp_path / "here"
    status, _, notes = run(world(interrupt_after=9), "compare", SLOW, QUICK, "cpu", "--out", "here")
    assert status == 130
    assert "Go on with: servelab run --resume here" in notes
    before = trials_in(here)
    assert len(before) == 8
    status, printed, _ = run(world(), "compare", "--resume", "here")
    assert status == 0
    assert "beats sync-devserver" in printed
    made = trials_in(here)
    assert made[:8] == before
    assert len(made) == len(set(made)) == 2 + 3 * 8
    assert made == trials_in_one_go(run, tmp_path)


def trials_in_one_go(run: Run, tmp_path: Path) -> list[tuple[str, int, str]]:
    run(world(), "compare", SLOW, QUICK, "cpu", "--out", "there")
    return trials_in(tmp_path / "there")


def test_a_corrupt_line_is_measured_again_on_resume(run: Run, tmp_path: Path) -> None:
    run(world(), "run", SLOW, QUICK, "cpu", "--rounds", "2", "--out", "here")
    file = tmp_path / "here" / "trials.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:3], lines[3][:40] + b"\n", *lines[4:]]))
    status, _, notes = run(world(), "run", "--resume", "here")
    assert status == 0
    assert "line 4: its checksum does not fit" in notes
    assert Counter(trials_in(tmp_path / "here")) == Counter(
        (stack, number, "candidate")
        for stack in ("sync-devserver", "async-fastapi")
        for number in range(3)
    )


def test_a_dry_run_prints_the_plan_and_measures_nothing(run: Run, tmp_path: Path) -> None:
    of = world()
    status, printed, _ = run(of, "compare", SLOW, QUICK, "cpu", "--dry-run", "--seed", "7")
    assert status == 0
    assert not of.started
    assert not (tmp_path / "servelab-results").exists()
    assert "the least for a verdict, take about" in printed
    assert printed.count("Round ") == 8
    assert printed.count("(again, as control)") == 8
    assert run(world(), "compare", SLOW, QUICK, "cpu", "--dry-run", "--seed", "7")[1] == printed
    assert run(world(), "compare", SLOW, QUICK, "cpu", "--dry-run", "--seed", "8")[1] != printed


def test_the_expected_time_is_told_first(run: Run) -> None:
    _, _, notes = run(world(), "compare", SLOW, QUICK, "cpu")
    assert notes.startswith("8 rounds, the least for a verdict, take about ")
    _, _, notes = run(world(), "compare", SLOW, QUICK, "cpu", "--rounds", "4")
    assert "4 rounds take about" in notes
    assert "A verdict needs 8." in notes


def test_a_budget_too_small_for_a_verdict_is_said_before(run: Run) -> None:
    _, printed, _ = run(world(), "compare", SLOW, QUICK, "cpu", "--dry-run", "--budget", "2m")
    assert "too little for a verdict: raise --budget" in printed


def test_a_deployment_that_fails_is_not_ranked_and_the_comparison_ends(run: Run) -> None:
    of = World({"flask": Script(), "uvicorn": Script(failures=50)})
    status, printed, _ = run(of, "compare", SLOW, QUICK, "cpu")
    assert status == 1
    assert "Nothing is left to compare on cpu" in printed
    assert "* async-fastapi" in printed


STOLEN = msgspec.structs.replace(QUIET, steal_share=0.2)


def test_where_most_rounds_are_voided_nothing_is_ranked(run: Run) -> None:
    status, printed, _ = run(world(noise=STOLEN), "compare", SLOW, QUICK, "cpu", "--rounds", "8")
    assert status == 3
    assert printed.startswith(
        "\nThis machine cannot tell these deployments apart today: 8 of 8 rounds were voided"
    )
    assert "Round 1 is voided: the hypervisor took 20.0% of the CPU time" in printed
    assert "beats" not in printed


def test_failures_of_a_voided_round_are_not_held_against_a_deployment() -> None:
    def trial(number: int, *, noise: Noise, status: TrialStatus) -> Trial:
        return Trial(
            id=str(number),
            deployment="a",
            stack="a",
            heading="",
            workload="cpu",
            round=number,
            status=status,
            command="",
            started_at="",
            load=ClosedLoop(callers=1),
            connections=Connections.FRESH,
            timeout_s=60.0,
            ledger={},
            throughput_per_s=10.0,
            interpreter="3.11.0",
            noise=noise,
        )

    rounds = arrange(
        [
            trial(1, noise=QUIET, status=TrialStatus.OK),
            trial(2, noise=STOLEN, status=TrialStatus.FAILED),
        ]
    )
    assert [voided.number for voided in rounds.voided] == [2]
    assert rounds.values(Figure.THROUGHPUT) == {"a": (10.0, None)}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["compare", "cpu"], "no deployment before the workload"),
        (["compare"], "nothing to compare"),
        (["compare", SLOW, "cpu"], "alone cannot be compared"),
        (["compare", SLOW, QUICK, "cpu", "--budget", "soon"], "write a duration"),
        (["compare", SLOW, QUICK, "cpu", "--delta", "3"], "write a percentage"),
        (["compare", SLOW, QUICK, "cpu", "--by", "luck"], "compared by one of throughput, p50"),
        (["compare", SLOW, QUICK, "cpu", "--resume", "x"], "leave"),
        (["run", "--resume", "nowhere"], "holds no plan to go on with"),
        (["run", SLOW, "cpu", "--warm-up", "2"], "--warm-up needs a measurement of some seconds"),
        (["run", SLOW, "cpu", "--warm-up", "long"], "write a duration"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, arguments: list[str], fault: str) -> None:
    status, _, notes = run(world(), *arguments)
    assert status == 2
    assert fault in notes
    assert notes.count("\n") == 1


def test_a_comparison_is_placed_and_limited_and_a_resumed_one_as_before(
    run: Run, tmp_path: Path
) -> None:
    options = ("--server-cpus", "0", "--load-cpus", "1", "--cpus", "0.5", "--warm-up", "0")
    first = world(interrupt_after=4)
    run(first, "compare", SLOW, QUICK, "cpu", "--rounds", "2", *options, "--out", "here")
    second = world()
    run(second, "compare", "--resume", "here")
    for each in (first, second):
        assert set(each.server_cpus) == {frozenset({0})}
        assert set(each.load_cpus) == {((1,),)}
        assert {limits and limits.cpus for limits in each.limits} == {0.5}
    placements = {trial.placement for trial in stored.read(tmp_path / "here").trials}
    assert [found.note for found in placements if found] == ["server on CPU 0, generator on CPU 1"]


@pytest.mark.parametrize("command", ["run", "compare"])
def test_a_run_that_cannot_be_placed_makes_no_folder(
    command: str, run: Run, tmp_path: Path
) -> None:
    status, _, complaint = run(world(), command, SLOW, QUICK, "cpu", "--server-cpus", "9")
    assert status == 2
    assert "there is no CPU 9" in complaint
    assert not list(tmp_path.iterdir())
