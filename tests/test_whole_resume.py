"""The whole tool killed, and its results cut, wherever that can be; then gone on with."""

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from servelab import catalogue
from servelab.cli import main
from servelab.experiment.plan import Planner, past_of
from servelab.measure import machinery
from servelab.model.trial import Trial
from servelab.store import folder as stored
from servelab.store.folder import StoredRun
from tests.conftest import Run
from tests.fake_world import Script, World
from tests.store.killed import Death, Tell, deaths

pytestmark = pytest.mark.live

CHECKOUT = Path(__file__).parents[1]
DEPLOYMENTS = ("sync-devserver:threading=without", "async-fastapi:processes=2")
PLANNED = (
    "run",
    *DEPLOYMENTS,
    "cpu",
    "--rounds",
    "2",
    "--duration",
    "5",
    "--warm-up",
    "1",
    "-c",
    "4",
)
WHOLE = Counter(f"{name} {number}" for name in DEPLOYMENTS for number in (1, 2))


def world() -> World:
    return World({"flask": Script(service_s=0.05), "uvicorn": Script(service_s=0.025, workers=2)})


def made(run: StoredRun) -> Counter[str]:
    return Counter(f"{trial.deployment} {trial.round}" for trial in run.trials)


def measure(path: Path, tell: Tell) -> None:
    """Run the whole tool on the deterministic world, and tell of each trial that it told of."""
    append = stored.RunFolder.append

    def told(folder: stored.RunFolder, trial: Trial) -> Trial:
        kept = append(folder, trial)
        tell(f"{trial.deployment} {trial.round}")
        return kept

    with (
        mock.patch.object(machinery, "real", world().machinery),
        mock.patch.object(stored.RunFolder, "append", told),
        contextlib.suppress(SystemExit),
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        main([*PLANNED, "--json", "--out", str(path)])


def all_deaths(below: Path, *, every: int) -> Iterator[Death]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.test_whole_resume", str(below), str(every)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        check=True,
    )
    for line in done.stdout.splitlines():
        where, told, before = json.loads(line)
        yield Death(Path(where), tuple(told), before)


def missing(run: StoredRun) -> Counter[str]:
    """Return what the planner makes of what was read."""
    assert run.plan is not None
    planner = Planner(run.plan, deployments=catalogue.deployments_named(run.plan.deployments))
    left: Counter[str] = Counter()
    past = past_of(run.trials)
    for number in (1, 2):
        specs = planner.round(number, warm_up_s=1.0)
        left += Counter(
            f"{spec.deployment.name} {number}"
            for spec in specs
            if spec.id not in {trial.id for trial in past.trials}
        )
    return left


def check_deaths(run: Run, *, below: Path, every: int) -> int:
    count = 0
    for death in all_deaths(below, every=every):
        count += 1
        if not (death.folder / "plan.json").exists():
            assert death.told == ()
            continue
        found = stored.read(death.folder)
        assert made(found) <= WHOLE, death
        assert set(death.told) <= set(made(found)), death
        assert len(made(found)) <= len(death.told) + 1, death
        status, printed, _ = run(world(), "run", "--resume", str(death.folder), "--json")
        assert status == 0, death
        assert json.loads(printed)["interrupted"] is False
        assert made(stored.read(death.folder)) == WHOLE, death
    return count


def test_a_killed_tool_is_gone_on_with_to_the_end_of_its_plan(run: Run, tmp_path: Path) -> None:
    assert check_deaths(run, below=tmp_path, every=7) > 5


@pytest.mark.slow
def test_a_tool_killed_at_any_boundary_is_gone_on_with(run: Run, tmp_path: Path) -> None:
    assert check_deaths(run, below=tmp_path, every=1) > 40


def test_fault_30_a_last_line_cut_at_any_byte_costs_one_trial_at_most_and_none_is_made_twice(
    run: Run, tmp_path: Path
) -> None:
    status, *_ = run(world(), *PLANNED, "--out", "here")
    assert status == 0
    file = tmp_path / "here" / "trials.jsonl"
    whole = file.read_bytes()
    *_, last = whole.splitlines(keepends=True)
    start = len(whole) - len(last)
    for length in range(len(last) + 1):
        file.write_bytes(whole[: start + length])
        found = stored.read(tmp_path / "here")
        is_whole = length >= len(last) - 1  # all but the line break
        assert len(found.trials) == (4 if is_whole else 3)
        assert len(found.broken) == (0 if is_whole or length == 0 else 1)
        assert made(found) + missing(found) == WHOLE
    for length in (0, 1, len(last) // 2, len(last) - 2, len(last) - 1):
        file.write_bytes(whole[: start + length])
        status, *_ = run(world(), "run", "--resume", "here", "-q")
        assert status == 0
        found = stored.read(tmp_path / "here")
        assert made(found) == WHOLE
        assert not found.end.interrupted


def test_requirements_with_credentials_are_asked_for_again(run: Run, tmp_path: Path) -> None:
    wanted = "gunicorn @ https://me:hunter2@index.example/gunicorn.whl"
    arguments = ("run", "sync-gunicorn:threads=5", "cpu", "--with", wanted, "--out", "here")
    run(World({"gunicorn": Script()}, interrupt_after=1), *arguments)
    stored_bytes = b"".join(
        each.read_bytes() for each in (tmp_path / "here").rglob("*") if each.is_file()
    )
    assert b"https://***@index.example/gunicorn.whl" in stored_bytes
    assert b"hunter2" not in stored_bytes
    status, _, notes = run(world(), "run", "--resume", "here")
    assert status == 2
    assert "does not hold the credentials of its requirements; give them again" in notes
    status, _, notes = run(world(), "run", "--resume", "here", "--with", "gunicorn==1")
    assert status == 2
    assert "leave --with out" in notes
    status, *_ = run(World({"gunicorn": Script()}), "run", "--resume", "here", "--with", wanted)
    assert status == 0
    assert len(stored.read(tmp_path / "here").trials) == 1


if __name__ == "__main__":
    measure(Path(sys.argv[1]) / "first", lambda _: None)  # imports, once for all children
    for each in deaths(measure, below=Path(sys.argv[1]), every=int(sys.argv[2])):
        print(json.dumps([os.fspath(each.folder), each.told, each.before]))  # noqa: T201
