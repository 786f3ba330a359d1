#!/usr/bin/env python3
"""Applications from PyPI that nobody here wrote, through `servelab try` and `tune` as they are.

    .venv/bin/python benchmarks/real_applications.py [NAME...] [--rounds 3] [--budget 4m]

Makes a project and a virtual environment for each in a temporary folder. What came out is kept in
`benchmarks/measured/real_applications.jsonl`, and docs/results/real-applications.md is renewed from
there. Measure alone: it takes about 8 minutes an application. Status 1 where one of them is served
by no server.
"""

import argparse
import json
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec import Struct

import here
from servelab.environment import own_interpreter
from servelab.environment.uv import install_arguments, uv_program, uv_variables
from servelab.report import race_result, tune_view
from servelab.store.folder import StoredRun, read

_PATIENCE_S = 1800.0
_ROWS = 50
_FOLDER = Path(__file__).resolve().parent
_STORED = _FOLDER / "measured" / "real_applications.jsonl"
_PAGE = _FOLDER.parent / "docs" / "results" / "real-applications.md"
_HEAD = """# Applications from PyPI, as they are

Made by `benchmarks/real_applications.py`: each is installed into an environment of its own, tried
on every server that can serve it, and raced. 50 callers keep their connections.
"""


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application, how its project is made, and what is asked of it."""

    name: str
    requirement: str
    target: str
    path: str
    interface: str
    prepare: Callable[[Path], None]
    """Make the project in a folder that has its environment in ``.venv``."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What `servelab try` found."""

    status: int
    notes: str
    """What it wrote on standard error."""
    document: dict[str, Any]
    """Its JSON object; empty where there is none."""

    @property
    def agreeing(self) -> tuple[str, ...]:
        """Return the deployments that gave the same answers."""
        return tuple(self.document["plan"]["deployments"]) if self.document else ()

    @property
    def left_out(self) -> dict[str, str]:
        """Return the others, with the reason."""
        return dict(self.document.get("skipped", {}))

    @property
    def rates_per_s(self) -> dict[str, float]:
        """Return the requests per second of the trials that can be ranked, the highest first."""
        trials = [each for each in self.document.get("trials", ()) if each["status"] == "ok"]
        trials.sort(key=lambda each: -each["throughput_per_s"])
        return {each["deployment"]: each["throughput_per_s"] for each in trials}


def _nothing(_project: Path) -> None:
    """Have a package that is served as it is installed."""


def _with_packages(project: Path) -> None:
    (project / "packages").mkdir()
    for number in range(_ROWS):
        (project / "packages" / f"shop-1.{number}.tar.gz").write_bytes(bytes(100))


def _with_database(project: Path) -> None:
    """Write a database."""
    with sqlite3.connect(project / "shop.db") as database:
        database.execute("create table items (id integer primary key, name text)")
        rows = [(f"item {number}",) for number in range(_ROWS)]
        database.executemany("insert into items (name) values (?)", rows)
    database.close()


def _start_project(project: Path) -> None:
    programs = project / ".venv" / "bin"
    _run([str(programs / "django-admin"), "startproject", "shop", "."], project=project)
    _run([str(programs / "python"), "manage.py", "migrate", "--verbosity", "0"], project=project)


APPLICATIONS = (
    Application(
        name="httpbin",
        requirement="httpbin>=0.10.4,<0.11",
        target="httpbin:app",
        path="/json",
        interface="WSGI",
        prepare=_nothing,
    ),
    Application(
        name="pypiserver",
        requirement="pypiserver>=2.4,<3",
        target='pypiserver:app(root="packages")',
        path="/simple/shop/",
        interface="WSGI",
        prepare=_with_packages,
    ),
    Application(
        name="datasette",
        requirement="datasette>=0.65,<1",
        target='datasette.app:Datasette(["shop.db"]).app()',
        path="/shop/items",
        interface="ASGI",
        prepare=_with_database,
    ),
    Application(
        name="django-wsgi",
        requirement="django>=5.2,<6",
        target="shop.wsgi",
        path="/admin/login/",
        interface="WSGI",
        prepare=_start_project,
    ),
    Application(
        name="django-asgi",
        requirement="django>=5.2,<6",
        target="shop.asgi",
        path="/admin/login/",
        interface="ASGI",
        prepare=_start_project,
    ),
)


def make(application: Application, *, project: Path) -> None:
    """Make the project and its environment in a new folder."""
    project.mkdir()
    environment = str(project / ".venv")
    _uv(["venv", "--no-project", "--python", str(own_interpreter().path), environment])
    python = str(project / ".venv" / "bin" / "python")
    install = install_arguments(os.environ)
    _uv(["pip", "install", "--python", python, *install, application.requirement])
    application.prepare(project)


def try_it(application: Application, *, project: Path, options: Sequence[str]) -> Tried:
    """Run `servelab try` in the project's folder, as its user would."""
    done = _servelab("try", application, project=project, options=("--json", *options))
    document = json.loads(done.stdout) if done.stdout else {}
    return Tried(status=done.returncode, notes=done.stderr, document=document)


def _servelab(
    command: str, application: Application, *, project: Path, options: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "servelab", command, application.target),
            *("--path", application.path, *options),
        ],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )


class Line(Struct, frozen=True, kw_only=True):
    """What one application showed."""

    name: str
    target: str
    path: str
    measured_on: str
    machine: str
    agreeing: int
    deployments: int
    left_out: dict[str, str]
    fastest: str
    fastest_per_s: float
    slowest: str
    slowest_per_s: float
    rounds: int
    answer: str
    """Of `tune`, in words."""
    folklore: str
    race_trials: int
    race_minutes: float


def tune_it(
    application: Application, *, project: Path, options: Sequence[str]
) -> tuple[str, str, StoredRun]:
    """Race it; return the answer, the sentence on the folklore setting, and what is stored."""
    out = project / "servelab-results" / "race"
    _servelab("tune", application, project=project, options=(*options, "--out", str(out)))
    race = read(out)
    found = race_result.result(race)
    if found is None:
        return "No race was stored.", "", race
    table = tune_view.page(race, found).table
    folklore = [note for note in table.notes if note.startswith("The folklore setting")]
    return table.verdict.replace("\n", " "), " ".join(folklore), race


def shown(
    application: Application, *, project: Path, load: Sequence[str], rounds: str, budget: str
) -> tuple[Tried, Line]:
    """Return what both commands found."""
    tried = try_it(application, project=project, options=("--rounds", rounds, *load))
    answer, folklore, race = tune_it(
        application, project=project, options=("--budget", budget, *load)
    )
    rates = mean_rates(tried.document)
    return tried, Line(
        name=application.name,
        target=application.target,
        path=application.path,
        measured_on=here.today(),
        machine=here.machine(),
        agreeing=len(tried.agreeing),
        deployments=len(tried.agreeing) + len(tried.left_out),
        # Where the project lay matters to nobody.
        left_out={
            name: reason.replace(f"{project.parent}/", "")
            for name, reason in tried.left_out.items()
        },
        fastest=max(rates, key=lambda name: rates[name], default=""),
        fastest_per_s=max(rates.values(), default=0.0),
        slowest=min(rates, key=lambda name: rates[name], default=""),
        slowest_per_s=min(rates.values(), default=0.0),
        rounds=max((each["round"] for each in tried.document.get("trials", ())), default=0),
        answer=answer,
        folklore=folklore,
        race_trials=len(race.trials),
        race_minutes=sum(trial.took_s for trial in race.trials) / 60,
    )


def mean_rates(document: dict[str, Any]) -> dict[str, float]:
    """Return the geometric mean of each deployment's rates, of the trials that went well."""
    rates: dict[str, list[float]] = {}
    for trial in document.get("trials", ()):
        if trial["status"] == "ok" and trial["throughput_per_s"]:
            rates.setdefault(trial["deployment"], []).append(trial["throughput_per_s"])
    return {name: geometric_mean(values) for name, values in rates.items()}


def renew() -> None:
    """Write the page from all that is stored, the latest of each application."""
    lines = [msgspec.json.decode(text, type=Line) for text in _STORED.read_bytes().splitlines()]
    latest = {line.name: line for line in lines}
    _PAGE.write_text(_HEAD + "".join("\n".join(_section(each)) for each in latest.values()))


def _section(line: Line) -> Iterable[str]:
    yield f"\n## {line.name}\n"
    yield f"    servelab try {shlex.quote(line.target)} --path {line.path}\n"
    yield (
        f"{line.agreeing} of {line.deployments} deployments gave the same answers, and were "
        f"measured in {line.rounds} rounds: from {line.slowest_per_s:.0f} (`{line.slowest}`) to "
        f"{line.fastest_per_s:.0f} requests/s (`{line.fastest}`)."
    )
    for name, reason in line.left_out.items():
        yield f"\nLeft out: `{name}`: {reason}"
    yield (
        f"\n`tune`, {line.race_trials} trials in {line.race_minutes:.0f} minutes:\n\n"
        f"> {line.answer}\n>\n> {line.folklore}\n"
    )
    yield f"{line.machine}, {line.measured_on}.\n"


def main() -> int:
    """Try and tune those that were named, or all of them; print and store what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [each.name for each in APPLICATIONS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--rounds", default="3")
    parser.add_argument("--duration", default="2")
    parser.add_argument("--warm-up", default="1")
    parser.add_argument("--budget", default="4m", help="of a race")
    asked = parser.parse_args()
    if unknown := set(asked.names).difference(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    load = ("--duration", asked.duration, "--warm-up", asked.warm_up)
    status = 0
    with TemporaryDirectory(prefix="servelab-real-") as folder:
        for application in APPLICATIONS:
            if asked.names and application.name not in asked.names:
                continue
            project = Path(folder) / application.name
            make(application, project=project)
            tried, line = shown(
                application,
                project=project,
                load=load,
                rounds=asked.rounds,
                budget=asked.budget,
            )
            print(_told(application, tried=tried), line.answer, sep="\n", flush=True)
            with _STORED.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")
            renew()
            status = status if tried.agreeing else 1
    return status


def _told(application: Application, *, tried: Tried) -> str:
    heading = f"{application.name} ({application.target}, {application.interface})"
    count = len(tried.agreeing) + len(tried.left_out)
    lines = [f"{heading}: {len(tried.agreeing)} of {count} deployments agree"]
    for name, reason in tried.left_out.items():
        lines.append(f"  left out {name}: {reason}")
    for name, rate_per_s in list(tried.rates_per_s.items())[:1]:
        lines.append(f"  best: {name}, {rate_per_s:.0f} requests/s")
    if not tried.agreeing:
        lines.append(tried.notes)
    return "\n".join(lines)


def _uv(arguments: Sequence[str]) -> None:
    _run([str(uv_program()), "--quiet", *arguments], project=Path.cwd(), variables=uv_variables)


def _run(
    command: Sequence[str],
    *,
    project: Path,
    variables: Callable[[Any], Any] = dict,
) -> None:
    subprocess.run(
        command, cwd=project, env=variables(os.environ), stdin=subprocess.DEVNULL, check=True
    )


if __name__ == "__main__":
    sys.exit(main())
