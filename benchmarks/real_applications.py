#!/usr/bin/env python3
"""Applications from PyPI that nobody here wrote, through `servelab try` as they are.

    .venv/bin/python benchmarks/real_applications.py [NAME...] [--rounds 1] [--duration 2]

Makes a project and a virtual environment for each in a temporary folder. Status 1 where one of them
is served by no server.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from servelab.environment import own_interpreter
from servelab.environment.uv import install_arguments, uv_program, uv_variables

_PATIENCE_S = 1800.0
_ROWS = 50


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
    done = subprocess.run(
        [
            *(sys.executable, "-m", "servelab", "try", application.target),
            *("--path", application.path, "--json", *options),
        ],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    document = json.loads(done.stdout) if done.stdout else {}
    return Tried(status=done.returncode, notes=done.stderr, document=document)


def main() -> int:
    """Try those that were named, or all of them; print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [each.name for each in APPLICATIONS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--rounds", default="1")
    parser.add_argument("--duration", default="2")
    asked = parser.parse_args()
    if unknown := set(asked.names).difference(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    options = ("--rounds", asked.rounds, "--duration", asked.duration)
    status = 0
    with TemporaryDirectory(prefix="servelab-real-") as folder:
        for application in APPLICATIONS:
            if asked.names and application.name not in asked.names:
                continue
            project = Path(folder) / application.name
            make(application, project=project)
            tried = try_it(application, project=project, options=options)
            print(_told(application, tried=tried), flush=True)
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
