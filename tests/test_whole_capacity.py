"""`servelab capacity` from argv to the printed answer, on a deterministic world."""

import json
from pathlib import Path
from typing import Any

import pytest

from servelab.model.load import Connections, OpenLoop
from tests.conftest import Run
from tests.fake_world import Script, World

ASKED = ("capacity", "sync-devserver", "cpu", "--slo", "p99<50ms")
SHORT = (*ASKED, "--duration", "12", "--start", "60")


def world_of(**script: Any) -> World:
    """Return a world whose server answers one request after another: 100/s at 10 ms."""
    return World({"flask": Script(**{"service_s": 0.01, **script})}, bare_call_s=0.002)


def document(printed: str) -> dict[str, Any]:
    found = json.loads(printed)
    assert isinstance(found, dict)
    return found


def test_the_answer_comes_in_words_then_the_trials_then_the_curve(run: Run) -> None:
    status, printed, notes = run(world_of(), *SHORT)
    assert status == 0
    answer, rest = printed.strip().split("\n", 1)
    assert answer.startswith("sync-devserver without threads sustains 9")
    assert "/s with p99<50ms: confirmed 9" in answer
    assert "(3 of 3 trials of 1" in answer
    assert "failed at 10" in answer
    first = next(line.split() for line in rest.splitlines() if "doubling" in line)
    assert first == ["1", "doubling", "60/s", "18.8", "10.0", "pass"]
    assert "fail: p99 was" in rest
    curve = rest[rest.index("p99 over the rate") :].splitlines()[1:]
    assert curve[0].split()[:2] == ["60/s", "1/1"]
    assert "|" in curve[0]
    assert curve[0].endswith("10.0 ms")
    assert "Expected without noise:" in notes
    assert "confirmation" in notes
    assert "Results: servelab-results/" in notes


def test_each_probe_is_an_open_loop_of_its_own_seed_and_the_ceiling_is_measured_once(
    run: Run,
) -> None:
    world = world_of()
    status, printed, _ = run(world, *SHORT, "--connections", "kept", "--seed", "5", "--json")
    assert status == 0
    loads = [plan.load for plan in world.plans]
    assert all(isinstance(load, OpenLoop) and load.arrivals == "poisson" for load in loads)
    seeds = [load.seed for load in loads if isinstance(load, OpenLoop)]
    assert seeds == list(range(5, 5 + len(seeds)))
    assert {plan.connections for plan in world.plans} == {Connections.KEPT}
    trials = document(printed)["trials"]
    assert len(trials) == len(loads) == len(world.started)
    assert len({trial["id"] for trial in trials}) == len(trials)
    assert {trial["ceiling_per_s"] for trial in trials} == {1000.0}
    assert all(trial["backlog"]["completed_share"] > 0.4 for trial in trials)


def test_json_has_what_was_asked_each_verdict_and_the_answer(run: Run) -> None:
    status, printed, _ = run(world_of(), *SHORT, "--json")
    assert status == 0
    found = document(printed)["capacity"]
    assert found["objective"] == "p99<50ms"
    assert found["order"]["goal"]["slo"]["target_s"] == 0.05
    assert found["answer"]["ending"] == "confirmed"
    assert 90 <= found["answer"]["confirmed_per_s"] < 100 <= found["answer"]["failed_per_s"] < 110
    assert [each["step"] for each in found["observations"]][:2] == ["doubling", "doubling"]
    assert found["observations"][1]["verdict"] == "fail"


def test_the_stored_search_gives_the_same_answer_again(run: Run) -> None:
    _, printed, _ = run(world_of(), *SHORT, "--out", "here")
    status, again, _ = run(world_of(), "show", "here")
    assert status == 0
    assert again == printed
    _, answer, _ = run(world_of(), "show", "here", "-q")
    assert answer.startswith("\nsync-devserver without threads sustains")
    assert "doubling" not in answer
    status, page, _ = run(world_of(), "report", "here")
    assert status == 0
    assert "# Capacity: sync-devserver without threads, cpu" in page
    assert "sustains" in page
    assert page.count("| confirmation |") == 3


def test_a_run_that_is_no_search_has_no_capacity(run: Run) -> None:
    _, printed, _ = run(world_of(), "run", "sync-devserver", "cpu", "-n", "10", "--json")
    assert document(printed)["capacity"] is None


def test_a_server_that_is_too_slow_at_the_lowest_rate_fails(run: Run) -> None:
    status, printed, _ = run(world_of(service_s=0.1), *SHORT)
    assert status == 1
    assert "misses p99<50ms even at 1.88/s" in printed


def test_a_server_that_never_starts_fails_after_a_few_tries(run: Run) -> None:
    world = world_of(dies_at_start=True)
    status, printed, _ = run(world, *SHORT)
    assert status == 1
    assert len(world.started) == 4
    assert "the capacity cannot be told" in printed
    assert "exit code 3" in printed


def test_a_server_whose_answers_fail_does_not_pass_unless_that_is_allowed(run: Run) -> None:
    status, printed, _ = run(world_of(failures=5), *SHORT)
    assert status == 1
    assert "5 of" in printed
    allowed = ("capacity", "sync-devserver", "cpu", "--slo", "p99<50ms,failures<2%")
    status, printed, _ = run(world_of(failures=5), *allowed, "--duration", "12", "--start", "60")
    assert status == 0
    assert "with p99<50ms,failures<2%" in printed


def test_books_that_do_not_balance_end_the_search_at_once(run: Run) -> None:
    world = world_of(lost_by_workers=1)
    status, _, _ = run(world, *SHORT)
    assert status == 70
    assert len(world.plans) == 1


def test_an_interrupted_search_tells_what_it_knows(run: Run) -> None:
    world = world_of()
    world.interrupt_after = 3
    status, printed, _ = run(world, *SHORT, "--out", "here")
    assert status == 130
    assert "no capacity is confirmed, because it was interrupted; it passed at 60/s" in printed
    assert len(list(Path("here/records").parent.glob("trials.jsonl"))) == 1
    _, again, _ = run(world_of(), "show", "here")
    assert again == printed


def test_a_spent_budget_ends_the_search_without_an_answer(run: Run) -> None:
    status, printed, notes = run(world_of(), *SHORT, "--budget", "0.5s")
    assert status == 3
    assert "because the budget was spent; it passed at 60/s" in printed
    assert "it stops after 0.5 s, answer or not" in notes


def test_a_line_that_cannot_be_believed_leaves_the_answer_of_the_others(run: Run) -> None:
    _, printed, _ = run(world_of(), *SHORT, "--out", "here", "--json")
    file = Path("here/trials.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if b'"step":"confirmation"' in line]
    file.write_bytes(b"{}\n" * (len(lines) - len(kept)) + b"".join(kept))
    status, again, notes = run(world_of(), "show", "here", "--json")
    assert status == 0
    assert "its checksum does not fit" in notes
    before, after = (document(text)["capacity"]["answer"] for text in (printed, again))
    assert after["confirmed_per_s"] == before["confirmed_per_s"]
    assert (after["solved_per_s"], after["failed_per_s"]) == (None, None)


@pytest.mark.parametrize(
    ("typed", "broken"),
    [
        (b'"quantile": "p99"', b'"quantile": "p98"'),
        (b'"target_s": 0.05', b'"target_s": 0'),
        (b'"first_rate_per_s": 60.0', b'"first_rate_per_s": -1'),
        (b'"goal"', b'"gaol"'),
    ],
)
def test_a_folder_with_an_order_that_cannot_be_read_is_a_sentence(
    run: Run, typed: bytes, broken: bytes
) -> None:
    run(world_of(), *SHORT, "--out", "here", "--budget", "1s")
    order = Path("here/capacity.json")
    assert typed in order.read_bytes()
    order.write_bytes(order.read_bytes().replace(typed, broken))
    status, _, notes = run(world_of(), "show", "here")
    assert status == 2
    assert "capacity.json cannot be understood" in notes


@pytest.mark.parametrize("seed", [1, 2])
def test_the_answer_does_not_hang_on_the_seed(run: Run, seed: int) -> None:
    _, printed, _ = run(world_of(), *SHORT, "--seed", str(seed), "--json")
    confirmed = document(printed)["capacity"]["answer"]["confirmed_per_s"]
    assert 90 <= confirmed < 100
