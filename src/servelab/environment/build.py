"""Build an environment, or find the one that was built before."""

import hashlib
import os
import platform
import shutil
from importlib.metadata import distributions
from pathlib import Path

import msgspec

from servelab.catalogue.distributions import canonical
from servelab.environment import copies, overlay, receipts
from servelab.environment.cache import Progress, alone, cache_directory, kept_of, mark_complete
from servelab.environment.uv import install_arguments
from servelab.environment.uv_runs import NAME, run_uv
from servelab.model.environment import Environment, EnvironmentSpec, Interpreter, Package
from servelab.store import redaction
from servelab.store.typed_json import encode

_LAYOUT = 1
"""Part of every key: raise it when environments are built another way."""


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
    if not spec.is_built:
        return _as_it_is(spec, interpreter=interpreter, cache=cache)
    spec = _on_their_interpreter(
        spec, interpreter=interpreter, cache=cache, on_progress=on_progress
    )
    folder = cache or cache_directory()
    directory = folder / environment_key(spec, interpreter=interpreter)
    if (found := _read(directory, interpreter=interpreter)) is not None:
        return found
    others = f"builds the environment of {spec.name}"
    with alone(directory, on_progress=on_progress, others=others):
        return _build_once(spec, interpreter, directory, on_progress)


def _as_it_is(
    spec: EnvironmentSpec, *, interpreter: Interpreter, cache: Path | None
) -> Environment:
    """Return the user's environment, in which nothing is written, or the machine."""
    user = spec.beside
    if user is None:
        return Environment(
            name=spec.name,
            directory=interpreter.path.parent.parent,
            interpreter=interpreter,
            packages=(),
            is_the_machine=True,
        )
    return Environment(
        name=spec.name,
        directory=user.directory,
        interpreter=user.interpreter,
        packages=user.packages,
        variables=overlay.bytecode_variables(user, cache=cache),
    )


def _on_their_interpreter(
    spec: EnvironmentSpec, *, interpreter: Interpreter, cache: Path | None, on_progress: Progress
) -> EnvironmentSpec:
    """Return what is to be built beside the user's environment, or beside its copy."""
    user = spec.beside
    if user is None or not copies.is_needed(user, interpreter=interpreter):
        return spec
    copy = copies.copied(user, interpreter=interpreter, cache=cache, on_progress=on_progress)
    return msgspec.structs.replace(spec, beside=copy.environment)


def environment_key(spec: EnvironmentSpec, *, interpreter: Interpreter) -> str:
    """Return the folder name that stands for content, interpreter and architecture."""
    if not NAME.fullmatch(spec.name):
        raise ValueError(f"{spec.name!r} cannot be the name of a folder")
    minor = ".".join(str(number) for number in interpreter.minor)
    content: list[object] = [
        _LAYOUT,
        platform.machine(),
        interpreter,
        # A locked environment does not depend on what its lock was made from.
        spec.lock or [spec.requirements, spec.constraints],
    ]
    name = spec.name
    if spec.beside is not None:
        content += [spec.preferred, spec.beside, overlay.LAYOUT]
        name = f"{name}-own"
    free = "t" if interpreter.is_free_threaded else ""
    return f"{name}-py{minor}{free}-{hashlib.sha256(encode(content)).hexdigest()[:16]}"


def _read(directory: Path, *, interpreter: Interpreter) -> Environment | None:
    found = kept_of(directory, into=Environment)
    if found is None:
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
    if spec.beside is None:
        _install(spec, directory)
    else:
        overlay.fill(directory, spec=spec, user=spec.beside)
    environment = Environment(
        name=spec.name,
        directory=directory,
        interpreter=interpreter,
        packages=overlay.merged(installed_packages(directory), user=spec.beside),
        variables=(
            overlay.bytecode_variables(spec.beside, cache=directory.parent) if spec.beside else ()
        ),
    )
    mark_complete(directory, kept=environment)
    on_progress(f"the environment of {spec.name} is ready")
    return environment


def _create(spec: EnvironmentSpec, interpreter: Interpreter, directory: Path) -> None:
    made_from = str(interpreter.path)
    command = ["venv", "--no-project", "--python", made_from, str(directory)]
    run_uv(command, spec=spec, directory=directory)


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
        arguments = [*command, *install_arguments(os.environ)]
        run_uv(arguments, spec=spec, directory=directory)
    finally:
        if spec.lock is None:  # its addresses may hold credentials, which are needed no more
            _write(directory / "requirements.txt", "\n".join(shown) + "\n")
            receipts.redact(directory)


def _write(file: Path, text: str) -> str:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return str(file)


def installed_packages(directory: Path) -> tuple[Package, ...]:
    """List the distributions in an environment, by name."""
    folders = [str(each) for each in directory.glob("lib/python*/site-packages")]
    found = {canonical(each.name): each.version for each in distributions(path=folders)}
    return tuple(Package(name, version) for name, version in sorted(found.items()))
