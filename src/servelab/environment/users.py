"""The user's environment: found, and read without changing it."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from servelab.catalogue.distributions import canonical
from servelab.errors import CannotRunHere, UsageError
from servelab.model.environment import ConsoleScript, Interpreter, Package, UserEnvironment
from servelab.store.typed_json import decode

_PATIENCE_S = 60.0
_SHOWN_LINES = 4
_FOLDERS = (".venv", "venv")
_CONDA_BASE = frozenset({"base", "root"})
_QUESTION = """
import importlib.metadata, json, platform, site, sys, sysconfig
packages = []
for each in importlib.metadata.distributions():
    if not each.metadata["Name"] or not each.metadata["Version"]:
        continue
    origin = each.read_text("direct_url.json")
    scripts = [[e.name, e.value] for e in each.entry_points if e.group == "console_scripts"]
    packages.append({
        "name": each.metadata["Name"],
        "version": each.version,
        "is_from_elsewhere": origin is not None or each.read_text("INSTALLER") is None,
        "scripts": scripts,
    })
print()
print(json.dumps({
    "prefix": sys.prefix,
    "site_folders": site.getsitepackages(),
    "interpreter": {
        "path": getattr(sys, "_base_executable", sys.executable),
        "version": platform.python_version(),
        "is_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    },
    "packages": packages,
}))
"""


class _InstalledPackage(Struct, frozen=True):
    name: str
    version: str
    is_from_elsewhere: bool
    scripts: tuple[tuple[str, str], ...]


class _Contents(Struct, frozen=True):
    prefix: Path
    site_folders: tuple[Path, ...]
    interpreter: Interpreter
    packages: tuple[_InstalledPackage, ...]


def find_user_environment(
    given: str | None, *, project: Path, variables: Mapping[str, str] | None = None
) -> UserEnvironment:
    """Find the environment of a project, and read what it holds.

    It is the one given (a virtual environment, or an interpreter), else the active one unless that
    is servelab's own, else ``.venv`` or ``venv`` in the project's folder, or in one above it up to
    that of its pyproject.toml, else conda's base. Raise UsageError where there is none, or where
    its interpreter was removed; CannotRunHere where that does not run.
    """
    if given is not None:
        return read(_interpreter_of(Path(given).expanduser()))
    for folder in _usual_places(project, os.environ if variables is None else variables):
        if _has_python(folder):
            return read(_python_of(folder))
    raise UsageError(
        f"{project} has no .venv or venv, and no environment with a Python is active; name the one "
        "that your application runs in with --env."
    )


def read(python: Path) -> UserEnvironment:
    """Ask an interpreter what its environment holds; nothing is written there."""
    contents = _contents(python)
    packages = {canonical(each.name): each for each in reversed(contents.packages)}
    scripts = {name: target for each in packages.values() for name, target in each.scripts}
    return UserEnvironment(
        directory=contents.prefix,
        python=python.absolute(),
        interpreter=contents.interpreter,
        site_folders=tuple(each for each in contents.site_folders if each.is_dir()),
        packages=tuple(Package(name, each.version) for name, each in sorted(packages.items())),
        from_elsewhere=tuple(
            sorted(name for name, each in packages.items() if each.is_from_elsewhere)
        ),
        scripts=tuple(ConsoleScript(name, target) for name, target in sorted(scripts.items())),
    )


def _interpreter_of(path: Path) -> Path:
    if path.is_file() and os.access(path, os.X_OK):
        return path
    if _has_python(path):
        return _python_of(path)
    if not path.exists():
        raise UsageError(
            f"{path} does not exist; give the folder of a virtual environment to --env."
        )
    raise UsageError(
        f"{path} is no virtual environment: it has no bin/python; give its folder, or the path of "
        "its interpreter, to --env."
    )


def _has_python(folder: Path) -> bool:
    """Tell whether an environment has a Python; raise UsageError where it was removed."""
    python = _python_of(folder)
    if python.is_symlink() and not python.exists():
        raise UsageError(
            f"{python} leads to {os.path.realpath(python)}, which is not there any more; make that "
            "environment anew, or name another one with --env."
        )
    return python.exists()


def _python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


def _usual_places(project: Path, variables: Mapping[str, str]) -> Iterator[Path]:
    active, conda = (
        Path(found) if found and Path(found).resolve() != Path(sys.prefix).resolve() else None
        for found in (variables.get("VIRTUAL_ENV"), variables.get("CONDA_PREFIX"))
    )
    # conda's installer has every new shell activate it, so that it says nothing of a project.
    is_base = variables.get("CONDA_DEFAULT_ENV") in _CONDA_BASE
    if active is not None:
        yield active
    if conda is not None and not is_base:
        yield conda
    for folder in _folders(project):
        yield from (folder / name for name in _FOLDERS)
    if conda is not None and is_base:
        yield conda


def _folders(project: Path) -> tuple[Path, ...]:
    """List the project's folder and those above it, to the first with a pyproject.toml.

    Where there is none it is that folder alone. What others can write into is nobody's project.
    """
    found: list[Path] = []
    for folder in (project, *project.absolute().parents):
        if found and folder.stat().st_mode & stat.S_IWOTH:
            break
        found.append(folder)
        if (folder / "pyproject.toml").is_file():
            return tuple(found)
    return (project,)


def _contents(python: Path) -> _Contents:
    try:
        done = subprocess.run(
            # -I: nothing of the folder or of PYTHONPATH; -B: nothing is written.
            [python, "-I", "-B", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotRunHere(f"{python} does not run ({error}); see its environment.") from error
    try:
        return decode(done.stdout.strip().rpartition(b"\n")[2], into=_Contents)
    except msgspec.DecodeError:
        lines = done.stderr.decode(errors="replace").splitlines()[-_SHOWN_LINES:]
        said = ":\n" + "\n".join(f"  {line}" for line in lines) if lines else "."
        raise CannotRunHere(
            f"{python} is no Python interpreter that runs; name another environment{said}"
        ) from None
