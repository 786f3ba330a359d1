"""Python interpreters of this machine: servelab's own, and those asked for by version or path."""

import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from servelab.environment.uv import uv_program, uv_variables
from servelab.errors import CannotRunHere, UsageError
from servelab.model.environment import FREE_THREADED, Interpreter
from servelab.store.typed_json import decode

_QUESTION = """
import json, platform, sys, sysconfig
print(json.dumps({
    "path": getattr(sys, "_base_executable", sys.executable),
    "version": platform.python_version(),
    "is_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""
_PATIENCE_S = 20.0
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?t?")
_OLDEST = 11
"""The lowest 3.x that is looked for where nobody asks for a version."""
_NEWEST = 30


def own_interpreter() -> Interpreter:
    """Return the interpreter that servelab runs on, outside of any virtual environment."""
    base: str = getattr(sys, "_base_executable", sys.executable)
    return Interpreter(
        path=Path(base),
        version=platform.python_version(),
        is_free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    )


def find_interpreter(
    wanted: str,
    *,
    variables: Mapping[str, str] | None = None,
    nearest: Interpreter | None = None,
) -> Interpreter:
    """Find an interpreter by version (``3.13``, ``3.13.1``, free-threaded ``3.14t``) or path.

    The `nearest` is what is meant where it can be; without it, servelab's own goes first. Raise
    UsageError where the text is neither, CannotRunHere where there is no such interpreter.
    """
    given = os.environ if variables is None else variables
    if "/" in wanted:
        found = _by_path(Path(wanted).expanduser())
        is_nearest = nearest is not None and found.path.resolve() == nearest.path.resolve()
        return nearest if nearest is not None and is_nearest else found
    if _VERSION.fullmatch(wanted) is None:
        raise UsageError(
            f"{wanted!r} names no Python interpreter; give a version such as 3.13 or 3.14t, "
            "or the path of an interpreter."
        )
    if nearest is not None and nearest.answers_to(wanted):
        return nearest
    others = []
    for found in _interpreters((_minor(wanted),), variables=given):
        if found.answers_to(wanted):
            return found
        others.append(found)
    raise CannotRunHere(
        f"Python {wanted} is not on this machine ({_describe(others)}); "
        "install it, or give the path of an interpreter."
    )


def known_interpreters(*, variables: Mapping[str, str] | None = None) -> tuple[Interpreter, ...]:
    """List the interpreters of this machine that servers can run on, the oldest first."""
    given = os.environ if variables is None else variables
    minors = [f"3.{number}" for number in range(_OLDEST, _NEWEST)]
    found = [each for each in _interpreters(minors, variables=given) if each.minor >= (3, _OLDEST)]
    return tuple(sorted(found, key=lambda each: (_numbers(each.version), each.is_free_threaded)))


def inspect(path: Path) -> Interpreter | None:
    """Ask an interpreter what it is; None where the program does not answer."""
    try:
        answer = subprocess.run(
            [path, "-I", "-S", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_PATIENCE_S,
        )
        return decode(answer.stdout, into=Interpreter)
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError):
        return None


def _by_path(path: Path) -> Interpreter:
    found = inspect(path)
    if found is None:
        raise CannotRunHere(f"{path} is not a Python interpreter that runs; name another one.")
    return found


def _minor(version: str) -> str:
    return ".".join(version.removesuffix(FREE_THREADED).split(".")[:2])


def _interpreters(minors: Sequence[str], *, variables: Mapping[str, str]) -> Iterator[Interpreter]:
    """Yield the interpreters of this machine, each once, the nearest first."""
    yield own_interpreter()
    seen = {own_interpreter().path.resolve()}
    for path in _candidates(minors, variables=variables):
        resolved = path.resolve()
        if resolved in seen or not os.access(path, os.X_OK):
            continue
        seen.add(resolved)
        found = inspect(path)
        # A shim is another file than the interpreter that it starts.
        if found is not None and (found.path.resolve() not in seen or found.path == path):
            seen.add(found.path.resolve())
            yield found


def _candidates(minors: Sequence[str], *, variables: Mapping[str, str]) -> Iterator[Path]:
    named = [f"python{minor}{letter}" for minor in minors for letter in ("", FREE_THREADED)]
    names = (*named, "python3")
    for folder in variables.get("PATH", os.defpath).split(os.pathsep):
        yield from (Path(folder or ".") / name for name in names)
    home = Path(variables.get("HOME") or "~").expanduser()
    pyenv = Path(variables.get("PYENV_ROOT") or home / ".pyenv")
    for root in dict.fromkeys((pyenv, home / ".pyenv")):
        yield from sorted(root.glob("versions/*/bin/python"), key=_by_number, reverse=True)
    yield from managed_by_uv(variables)


def _by_number(path: Path) -> list[int]:
    return _numbers(path.parent.parent.name)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def managed_by_uv(variables: Mapping[str, str]) -> Iterator[Path]:
    """Yield the interpreters that uv has installed."""
    listed = subprocess.run(
        [
            uv_program(),
            "python",
            "list",
            "--only-installed",
            "--managed-python",
            "--output-format=json",
        ],
        # uv would ask every program on the path, although only its own are wanted.
        env={**uv_variables(variables), "PATH": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    if listed.returncode == 0:
        yield from (Path(each["path"]) for each in json.loads(listed.stdout) if each["path"])


def _describe(found: list[Interpreter]) -> str:
    versions = dict.fromkeys(each.full_version for each in found)
    return f"found: {', '.join(versions)}"
