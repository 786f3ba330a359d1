"""The page on stopping says what its journal says."""

from pathlib import Path

from servelab.model.launch import GracefulStop
from stop_cases import page

ROOT = Path(__file__).parents[2]
JOURNAL = ROOT / "benchmarks" / "measured" / "stopping.jsonl"
WHERE = {"machine": "two cores", "measured_on": "2026-01-02"}
STOP = GracefulStop(
    in_flight=16,
    in_work=8,
    answered=8,
    lost={"reset": 7, "closed early": 1},
    later={"refused": 3},
    last_answer_s=0.25,
    seconds=1.5,
    exit_code=0,
    was_killed=False,
    grace_s=30.0,
)


def test_a_stop_has_a_row_with_every_count() -> None:
    sight = page.Stopped(**WHERE, title="a server", stop=STOP)
    row = (
        "| a server | 16 | 8 | 8 | 7 reset, 1 closed early | 3 refused | 0.25 | 1.50 "
        "| exit code 0 |"
    )
    assert row in page.render([sight]).splitlines()


def test_kills_of_a_kind_are_told_by_their_median_and_their_longest() -> None:
    sights = [
        page.Outlived(**WHERE, victims=("servelab", "guard"), title="a server", seconds=seconds)
        for seconds in (0.03, 0.01, 0.5)
    ]
    rendered = page.render([page.Stopped(**WHERE, title="a server", stop=STOP), *sights])
    assert "| servelab and guard | 3 | 0.030 | 0.500 |" in rendered.splitlines()


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    sights = (
        page.Stopped(**WHERE, title="a server", stop=STOP),
        page.Broken(
            **WHERE,
            title="a server",
            worker_lost=1,
            worker_then="another answered after 0.50 s",
            master_then="nothing was left",
            busy_port="exit code 1 after 0.4 s",
        ),
    )
    for sight in sights:
        page.append(tmp_path / "measured" / "journal.jsonl", sight)
    assert page.read(tmp_path / "measured" / "journal.jsonl") == sights


def test_the_page_is_that_of_its_journal() -> None:
    sights = page.read(JOURNAL)
    written = (ROOT / "docs" / "results" / "stopping.md").read_text(encoding="utf-8")
    assert written == page.render(sights), "run: python benchmarks/stopping.py page"
