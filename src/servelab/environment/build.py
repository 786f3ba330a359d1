"""Build an environment, or find the one that was built before."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import msgspec

from servelab.environment import receipts
from servelab.environment.cache import MARKER, cache_directory, try_lock, wait_for_lock
from servelab.environment.uv import install_arguments, uv_program, uv_variables
from servelab.errors import EnvironmentNotBuilt
from servelab.model.environment import Environment, EnvironmentSpec, Interpreter, Package
from servelab.store import redaction
from servelab.store.typed_json import decode, encode

_LAYOUT = 1
"""Part of every key: raise it when environments are built another way."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
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

Progress = Callable[[str], None]


def ensure(
    spec: EnvironmentSpec,
    *,
    interpreter: Interpreter,
    cache: Path | None = None,
    on_progress: Progress = lambda _: None,
) -> Environment:
    """Return the environment for the spec on the interpreter, built if it is not there whole.

    Safe when several do so at the same time: one builds, the others wait. Raise
    EnvironmentNotBuilt, naming the requirement that failed.
    """
    folder = cache or cache_directory()
    directory = folder / environment_key(spec, interpreter=interpreter)
    if (found := _read(directory, interpreter=interpreter)) is not None:
        return found
    with try_lock(folder, name=directory.name) as is_ours:
        if is_ours:
            return _build_once(spec, interpreter, directory, on_progress)
    on_progress(f"waiting for another servelab that builds the environment of {spec.name}")
    with wait_for_lock(folder, name=directory.name):
        return _build_once(spec, interpreter, directory, on_progress)


def environment_key(spec: EnvironmentSpec, *, interpreter: Interpreter) -> str:
    """Return the folder name that stands for content, interpreter and architecture."""
    if not _NAME.fullmatch(spec.name):
        raise ValueError(f"{spec.name!r} cannot be the name of a folder")
    minor = ".".join(str(number) for number in interpreter.minor)
    content = encode(
        # A locked environment does not depend on what its lock was made from.
        [
            _LAYOUT,
            platform.machine(),
            interpreter,
            spec.lock or [spec.requirements, spec.constraints],
        ]
    )
    free = "t" if interpreter.is_free_threaded else ""
    return f"{spec.name}-py{minor}{free}-{hashlib.sha256(content).hexdigest()[:16]}"


def _read(directory: Path, *, interpreter: Interpreter) -> Environment | None:
    try:
        found = decode((directory / MARKER).read_bytes(), into=Environment)
    except (OSError, msgspec.DecodeError):
        return None
    # A removed interpreter leaves a dangling link.
    is_whole = found.directory == directory and found.python.exists()
    return found if is_whole and found.interpreter == interpreter else None


def _build_once(
    spec: EnvironmentSpec, interpreter: Interpreter, directory: Path, on_progress: Progress
) -> Environment:
    if (found := _read(directory, interpreter=interpreter)) is not None:
        return found
    shutil.rmtree(directory, ignore_errors=True)
    on_progress(f"building the environment of {spec.name} (Python {interpreter.version})")
    _create(spec, interpreter, directory)
    _install(spec, directory)
    environment = Environment(
        name=spec.name,
        directory=directory,
        interpreter=interpreter,
        packages=installed_packages(directory),
    )
    _mark_complete(environment)
    on_progress(f"the environment of {spec.name} is ready")
    return environment


def _create(spec: EnvironmentSpec, interpreter: Interpreter, directory: Path) -> None:
    _run(
        ["venv", "--no-project", "--python", str(interpreter.path), str(directory)], spec, directory
    )


def _install(spec: EnvironmentSpec, directory: Path) -> None:
    # The scripts of an environment hold its absolute path: it is built where it stays.
    if spec.lock is not None:
        wanted = _write(directory / "requirements.lock", spec.lock)
        how = ["--require-hashes", "--requirements", wanted]
    else:
        wanted = _write(directory / "requirements.txt", "\n".join(spec.requirements) + "\n")
        shared = _write(directory / "constraints.txt", spec.constraints)
        how = ["--requirements", wanted, "--constraints", shared]
    if not (spec.lock or "".join(spec.requirements)).strip():
        return
    python = str(directory / "bin" / "python")
    # Compiled now, or the first trial would compile while it is measured.
    command = ["pip", "install", "--python", python, "--compile-bytecode", *how]
    shown = [redaction.requirement(text) for text in spec.requirements]
    if spec.lock is None and shown != list(spec.requirements):
        command.append("--no-cache")  # uv's own would keep the addresses as they are
    try:
        _run([*command, *install_arguments(os.environ)], spec, directory)
    finally:
        if spec.lock is None:  # its addresses may hold credentials, which are needed no more
            _write(directory / "requirements.txt", "\n".join(shown) + "\n")
            receipts.redact(directory)


def _write(file: Path, text: str) -> str:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return str(file)


def _run(arguments: list[str], spec: EnvironmentSpec, directory: Path) -> None:
    done = subprocess.run(
        [uv_program(), "--quiet", *arguments],
        # Not where the user stands: uv would read that project's settings.
        cwd=directory.parent,
        env=uv_variables(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise not_built(spec, output=done.stderr.decode(errors="replace"))


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


def failing_requirement(spec: EnvironmentSpec, *, output: str) -> str | None:
    """Return the first requirement, or line of the lock, whose package uv's words name."""
    source = spec.lock.splitlines() if spec.lock is not None else spec.requirements
    lines = [line.strip().rstrip("\\").strip() for line in source]
    named = {_canonical(word) for word in _NAME.findall(output)}
    mentioned = [
        line
        for line in lines
        if (package := _NAME.match(line)) is not None and _canonical(package[0]) in named
    ]
    # A package can have the name of an English word: one named with its version goes first.
    whole = [line for line in mentioned if line.partition(";")[0].strip() in output]
    return next(iter([*whole, *mentioned]), None)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_packages(directory: Path) -> tuple[Package, ...]:
    """List the distributions in an environment, by name."""
    folders = [str(each) for each in directory.glob("lib/python*/site-packages")]
    found = {_canonical(each.name): each.version for each in distributions(path=folders)}
    return tuple(Package(name, version) for name, version in sorted(found.items()))


def _mark_complete(environment: Environment) -> None:
    marker = environment.directory / MARKER
    written = marker.with_suffix(".new")
    with written.open("wb") as file:
        file.write(encode(environment))
        file.flush()
        os.fsync(file.fileno())
    written.rename(marker)
