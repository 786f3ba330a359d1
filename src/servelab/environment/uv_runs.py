"""Run uv for an environment, and say what went wrong."""

import os
import re
import subprocess
from pathlib import Path

from servelab.environment.uv import uv_program, uv_variables
from servelab.errors import EnvironmentNotBuilt
from servelab.model.environment import EnvironmentSpec
from servelab.store import redaction

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHOWN_LINES = 8

_ADVICE = (
    (
        ("hash mismatch", "hashes"),
        "the index has other files than the lock; check the index, or renew the lock",
    ),
    (
        ("dns error", "error sending request", "timed out", "connection", "failed to fetch"),
        "check the network, and the index and proxy settings of pip or uv",
    ),
    (
        ("failed to build", "build backend"),
        "it has no wheel for this interpreter and needs a compiler and headers to build",
    ),
    (
        ("no solution found", "not found", "no version"),
        "see that your index has this version for this interpreter",
    ),
)


def run_uv(arguments: list[str], *, spec: EnvironmentSpec, directory: Path) -> None:
    """Run uv for an environment in a folder; raise EnvironmentNotBuilt where it fails."""
    if (output := uv_failure(arguments, directory=directory)) is not None:
        raise not_built(spec, output=output)


def uv_failure(arguments: list[str], *, directory: Path) -> str | None:
    """Run uv for an environment in a folder; return what it wrote where it fails, or None."""
    done = subprocess.run(
        [uv_program(), "--quiet", *arguments],
        # Not where the user stands: uv would read that project's settings.
        cwd=directory.parent,
        env=uv_variables(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.stderr.decode(errors="replace") if done.returncode != 0 else None


def not_built(spec: EnvironmentSpec, *, output: str) -> EnvironmentNotBuilt:
    """Make the error from what uv wrote: the requirement, its last words, what to do."""
    text = redaction.words(output)
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    lowered = text.lower()
    advice = next(
        (advice for signs, advice in _ADVICE if any(sign in lowered for sign in signs)),
        "see what uv wrote",
    )
    failing = failing_requirement(spec, output=text)
    at = f" at {redaction.requirement(failing)!r}" if failing else ""
    shown = "\n".join(f"  {line}" for line in lines[:_SHOWN_LINES])
    return EnvironmentNotBuilt(
        f"The environment of {spec.name} could not be built{at}; {advice}:\n{shown}"
    )


def has_no_solution(output: str) -> bool:
    """Tell whether uv found no versions that go together, rather than failed to get them."""
    return "no solution found" in output.lower()


def last_lines(output: str, *, count: int = _SHOWN_LINES) -> tuple[str, ...]:
    """Return the end of what uv wrote, without credentials and empty lines."""
    lines = [line.rstrip() for line in redaction.words(output).splitlines() if line.strip()]
    return tuple(lines[-count:])


def failing_requirement(spec: EnvironmentSpec, *, output: str) -> str | None:
    """Return the first requirement, or line of the lock, whose package uv's words name."""
    source = spec.lock.splitlines() if spec.lock is not None else spec.requirements
    lines = [line.strip().rstrip("\\").strip() for line in source]
    named = {canonical(word) for word in NAME.findall(output)}
    mentioned = [
        line
        for line in lines
        if (package := NAME.match(line)) is not None and canonical(package[0]) in named
    ]
    # A package can have the name of an English word: one named with its version goes first.
    whole = [line for line in mentioned if line.partition(";")[0].strip() in output]
    return next(iter([*whole, *mentioned]), None)


def canonical(name: str) -> str:
    """Return the normal form of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()
