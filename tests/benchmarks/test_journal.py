from pathlib import Path

from load_generator.journal import CostRound, Journal, MemoryRun, Reading


def reading(generator: str, *, cpu_s: float = 0.5, storing_cpu_s: float = 0.0) -> Reading:
    return Reading(
        generator=generator,
        ok=50_000,
        failed=0,
        wall_s=1.0,
        cpu_s=cpu_s,
        user_s=0.2,
        system_s=0.4,
        storing_cpu_s=storing_cpu_s,
    )


def cost_round(*readings: Reading, claim: str = "kept", seconds: float = 10.0) -> CostRound:
    return CostRound(claim=claim, seconds=seconds, machine="2 CPUs", readings=readings)


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "rounds.jsonl")
    assert journal.lines() == ()
    first = cost_round(reading("servelab"), reading("wrk"))
    second = MemoryRun(
        case="records",
        seconds=10.0,
        machine="2 CPUs",
        connections=64,
        records=5,
        failed=0,
        engine_bytes=3,
        parent_growth_bytes=4,
    )
    journal.add(first)
    journal.add(second)
    assert journal.lines() == (first, second)
    assert second.together_bytes == 7


def test_a_line_cut_in_half_loses_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    journal = Journal(path)
    kept = cost_round(reading("servelab"))
    journal.add(kept)
    path.write_bytes(path.read_bytes() + b'{"type":"cost","cl')
    journal.add(kept)
    assert journal.lines() == (kept, kept)


def test_cpu_time_is_told_per_correct_answer() -> None:
    assert reading("servelab", cpu_s=0.5).cpu_us == 10.0
