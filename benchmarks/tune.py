#!/usr/bin/env python3
"""Show what a race costs beside a whole grid, and how good its winner is, on real servers.

    .venv/bin/python benchmarks/tune.py [cpu sleep mixed json] [--duration 1] [--final-duration 2]

For each workload, served by its own Flask application as if that were a user's:

1. `servelab tune` over a grid of 24 settings: gunicorn's processes, its threads, uWSGI's threads;
2. the whole grid, 8 rounds (`servelab try`);
3. the race's winner, the grid's best and the folklore setting (gunicorn with 2 * CPUs + 1
   processes), 20 fresh interleaved rounds, with the winner once more as the control.

Prints trials, ratios and intervals, and keeps them in `benchmarks/measured/tune.jsonl`; the page
docs/results/tune.md shows all that is there. Measure alone: it takes about 20 minutes a workload.
"""

import argparse
import math
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct

import here
from servelab.catalogue import folklore_processes, served_path
from servelab.environment.uv import uv_program
from servelab.explain.rounds import arrange
from servelab.host import facts
from servelab.model.trial import Role, TrialStatus
from servelab.model.tuning import Candidate
from servelab.report import race_result
from servelab.stats.pairs import evidence_of, log_ratios, ratio_interval
from servelab.store.folder import StoredRun, read

WORKLOADS = {"cpu": "num=20", "sleep": "", "mixed": "num=20", "json": ""}
"""With the query of one call: some milliseconds of work, so that a trial of a second holds many."""
FOLKLORE = "gunicorn-sync:processes={count},worker_class=sync"
GRID = (
    "gunicorn-sync:processes=1/2/4/{folklore},preload=off",
    "gunicorn-gthread:processes=1/2/4,threads=2/8/32/64,preload=off,reuse_port=off",
    "uwsgi-threads:processes=1/2/4/8,threads=4/16,lazy_apps=on",
)
"""Of each way its settings: 4 + 12 + 8 = 24."""
GRID_ROUNDS, FINAL_ROUNDS = 8, 20
GOAL = 0.97
ERROR = 0.05
_FOLDER = Path(__file__).resolve().parent
_STORED = _FOLDER / "measured" / "tune.jsonl"
_PAGE = _FOLDER.parent / "docs" / "results" / "tune.md"


class Ratio(Struct, frozen=True, kw_only=True):
    """Of two deployments' rates, with its 95 % interval."""

    estimate: float
    low: float
    high: float
    rounds: int
    """That count; the others of the twenty were disturbed."""


class Line(Struct, frozen=True, kw_only=True):
    """What one workload showed."""

    workload: str
    measured_on: str
    machine: str
    race_trials: int
    race_minutes: float
    grid_trials: int
    grid_minutes: float
    winner: str
    best: str
    beside_best: Ratio | None
    """Of the winner's rate to that of the grid's best; None where they are the same."""
    control: Ratio | None = None
    """Of the winner's rate to its own when it ran again in the same rounds: 1, but for chance."""
    folklore: str
    beside_folklore: Ratio | None
    winner_per_s: float
    folklore_per_s: float


def main() -> int:
    """Measure what was asked for, and renew the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--duration", type=float, default=1.0, help="seconds of each trial")
    parser.add_argument("--final-duration", type=float, default=2.0, help="in the last 20 rounds")
    parser.add_argument("--budget", default="12m", help="of a race")
    options = parser.parse_args()
    for workload in options.workloads or WORKLOADS:
        with TemporaryDirectory(prefix="servelab-tune-") as folder:
            bench = Bench(workload, folder=Path(folder))
            line = measure(
                bench,
                duration_s=options.duration,
                final_s=options.final_duration,
                budget=options.budget,
            )
        with _STORED.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
        print("\n".join(told(line)), flush=True)
    renew()
    return 0


def measure(bench: "Bench", *, duration_s: float, final_s: float, budget: str) -> Line:
    """Race, measure the grid, and hold the winner against the best of it."""
    race = bench.run("tune", "--budget", budget, *only(grid_texts()), duration_s=duration_s)
    winner = winner_of(race)
    in_rounds = ("--rounds", str(GRID_ROUNDS))
    grid = bench.run("try", *in_rounds, *only(settings(race)), duration_s=duration_s)
    rated = {name: mean_rate(values) for name, values in rates(grid).items()}
    best = max(rated, key=lambda name: rated[name])
    folklore = FOLKLORE.format(count=advised_processes())
    names = tuple(dict.fromkeys((winner, best, folklore)))
    final = bench.run("try", "--rounds", str(FINAL_ROUNDS), *only(names), duration_s=final_s)
    return Line(
        workload=bench.workload,
        measured_on=here.today(),
        machine=here.machine(),
        race_trials=len(race.trials),
        race_minutes=minutes(race),
        grid_trials=sum(trial.role is Role.CANDIDATE for trial in grid.trials),
        grid_minutes=minutes(grid),
        winner=winner,
        best=best,
        beside_best=None if winner == best else held(final, winner, best),
        control=control(final, winner),
        folklore=folklore,
        beside_folklore=held(final, winner, folklore),
        winner_per_s=mean_rate(rates(final)[winner]),
        folklore_per_s=mean_rate(rates(final)[folklore]),
    )


class Bench:
    """Runs servelab on the built-in Flask application as a user would on his own."""

    def __init__(self, workload: str, *, folder: Path) -> None:
        self.workload = workload
        query = WORKLOADS[workload]
        self._folder = folder
        self._environment = _environment(folder)
        self._asked = [
            "app:app",
            *("--project", str(_project(folder)), "--env", str(self._environment)),
            *("--env-var", f"SERVELAB_WORKLOAD={workload}"),
            *("--path", f"/{workload}" + (f"?{query}" if query else "")),
            *("--warm-up", "0.3"),
        ]
        self._runs = 0

    def run(self, command: str, *options: str, duration_s: float) -> StoredRun:
        """Return what a command stored; StoreError where it stored nothing."""
        self._runs += 1
        out = self._folder / f"{self._runs}-{command}"
        words = [sys.executable, "-m", "servelab", command, *self._asked, *options]
        words += ["--duration", str(duration_s), "--out", str(out)]
        subprocess.run(words, stdout=subprocess.DEVNULL, check=False)
        return read(out)


def _project(folder: Path) -> Path:
    """Copy the application and its workloads to where a user would have them: side by side."""
    path = shutil.copytree(served_path() / "flask_app", folder / "project")
    shutil.copytree(served_path() / "workloads", path / "workloads")
    return path


def _environment(folder: Path) -> Path:
    path = folder / "venv"
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(path)],
        ["pip", "install", "--quiet", "--python", str(path / "bin" / "python"), "flask", "numpy"],
    ):
        subprocess.run([uv_program(), *words], check=True)
    return path


def advised_processes() -> int:
    """Return what gunicorn's manual advises here."""
    return folklore_processes(math.ceil(facts.read().cpus_allowed))


def grid_texts() -> tuple[str, ...]:
    """Return what the search is kept to, as it is typed."""
    return tuple(text.format(folklore=advised_processes()) for text in GRID)


def settings(race: StoredRun) -> tuple[str, ...]:
    """Return all deployments of the space that was raced, as they are typed."""
    assert race.tuning is not None  # noqa: S101 - a race was asked for
    return tuple(
        Candidate(
            stack=way.stack, settings=(*way.variant.fixed, *zip(names, values, strict=True))
        ).name
        for way in race.tuning.tuning.space
        for names in [tuple(axis.setting for axis in way.variant.axes)]
        for values in product(*(axis.values for axis in way.variant.axes))
    )


def only(names: Sequence[str]) -> list[str]:
    """Return the options that ask for these deployments and no others."""
    return [word for name in names for word in ("--only", name)]


def winner_of(run: StoredRun) -> str:
    """Return the name of the deployment that won a race."""
    found = race_result.result(run)
    if found is None:
        raise SystemExit("no race was stored")
    if found.winner is None:
        raise SystemExit("the race has no winner; is this machine quiet?")
    return race_result.trial_to_copy(run, found, found.winner).deployment


def rates(run: StoredRun) -> dict[str, tuple[float | None, ...]]:
    """Return the rates of each deployment by round; None where it failed or the round is void.

    Those that the generator held back count with what they did, as in the race.
    """
    rounds = arrange(run.trials)
    found: dict[str, tuple[float | None, ...]] = {}
    for each in rounds.contestants:
        rate = {e.round: e.throughput_per_s for e in each.trials if e.status is TrialStatus.OK}
        found[each.name] = tuple(rate.get(number) for number in rounds.numbers)
    return found


def mean_rate(values: Sequence[float | None]) -> float:
    """Return the geometric mean of the rounds, 0 without any."""
    known = [rate for rate in values if rate]
    return math.exp(fmean(math.log(rate) for rate in known)) if known else 0.0


def held(run: StoredRun, ours: str, theirs: str) -> Ratio:
    """Return the ratio of two deployments' rates over the rounds that both have."""
    found = log_ratios(rates(run)[ours], rates(run)[theirs])
    interval = ratio_interval(
        evidence_of(found, strictest_error=ERROR), error=ERROR, confidence=1 - ERROR
    )
    return Ratio(
        estimate=interval.estimate, low=interval.low, high=interval.high, rounds=len(found)
    )


def control(run: StoredRun, name: str) -> Ratio | None:
    """Return the ratio of a deployment's rates to those of its twin; None where it had none."""
    twins = [e.name for e in arrange(run.trials).contestants if e.role is Role.CONTROL]
    return held(run, name, twins[0]) if twins else None


def minutes(run: StoredRun) -> float:
    """Return how long the trials of a run took."""
    return sum(trial.took_s for trial in run.trials) / 60


def told(line: Line) -> Iterator[str]:
    """Yield what a workload showed, in words."""
    share = line.race_trials / line.grid_trials
    yield (
        f"{line.workload}: {line.race_trials} trials ({line.race_minutes:.0f} min) for the race, "
        f"{line.grid_trials} ({line.grid_minutes:.0f} min) for the grid: {share:.0%}"
    )
    yield f"  winner {line.winner}; the grid's best {line.best}"
    if line.beside_best is None:
        yield "  they are the same deployment"
    else:
        low, high = line.beside_best.low, line.beside_best.high
        verdict = "reached" if low >= GOAL else "undecided" if high >= GOAL else "missed"
        yield f"  ratio {in_figures(line.beside_best)}; goal {GOAL}: {verdict}"
    yield f"  beside {line.folklore}: {in_figures(line.beside_folklore)}"
    yield f"  control, the winner beside itself: {in_figures(line.control, absent='none')}"


def in_figures(ratio: Ratio | None, *, absent: str = "the same one") -> str:
    """Return a ratio with its interval and rounds."""
    if ratio is None:
        return absent
    return f"{ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f}; {ratio.rounds} rounds)"


def renew() -> None:
    """Write the page from all that is stored, by workload, in the order that it was measured."""
    lines = [msgspec.json.decode(text, type=Line) for text in _STORED.read_bytes().splitlines()]
    lines.sort(key=lambda line: [*WORKLOADS].index(line.workload))
    _PAGE.write_text(
        _HEAD
        + "".join(map(_row, lines))
        + _FOLKLORE_HEAD
        + "".join(map(_folklore_row, lines))
        + _tail(lines)
    )


def _row(line: Line) -> str:
    return (
        f"| `{line.workload}` | {line.race_trials} | {line.grid_trials} "
        f"| {line.race_trials / line.grid_trials:.0%} | `{line.winner}` | `{line.best}` "
        f"| {in_figures(line.beside_best)} | {in_figures(line.control, absent='')} |\n"
    )


def _folklore_row(line: Line) -> str:
    return (
        f"| `{line.workload}` | `{line.winner}` | {line.winner_per_s:.0f} | `{line.folklore}` "
        f"| {line.folklore_per_s:.0f} | {in_figures(line.beside_folklore)} |\n"
    )


def _tail(lines: Iterable[Line]) -> str:
    machines = {f"{line.machine}, {line.measured_on}" for line in lines}
    return f"\nMeasured on: {'; '.join(sorted(machines))}.\n"


_HEAD = """# A race beside the whole grid

Made by `benchmarks/tune.py`: `servelab tune` over 24 settings (gunicorn's processes, its threads,
uWSGI's threads), then all of them in 8 rounds, then the race's winner, the grid's best and the
folklore setting in 20 fresh interleaved rounds. The application is Flask with one workload (`cpu`
and `mixed` with num=20); 50 callers keep their connections. The goal: at most half of the grid's
trials, and a winner that does at least .97 of the grid's best. All that was measured is here. The
control is the winner beside itself, in the same rounds: where that is not 1, the machine could not
tell more.

| workload | race, trials | grid | share | winner | grid's best | winner / best (95 %) | control |
|---|--:|--:|--:|---|---|---|---|
"""
_FOLKLORE_HEAD = """
## Beside the folklore setting

gunicorn with 2 x CPUs + 1 processes, in the same rounds; rates are geometric means.

| workload | tuned | per s | folklore | per s | tuned / folklore (95 %) |
|---|---|--:|---|--:|---|
"""


if __name__ == "__main__":
    raise SystemExit(main())
