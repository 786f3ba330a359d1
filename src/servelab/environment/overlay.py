"""An environment beside the user's: the server's packages here, the user's there, as they are.

The overlay holds only what the user's environment lacks. Its first act in every process is to show
that environment's packages, so that nothing is copied and nothing there is changed. Bytecode goes
into a folder of the cache for the same reason (PYTHONPYCACHEPREFIX): an interpreter that imports
from the user's folders would write there. All overlays of an environment share that folder, so that
an application is compiled when it is first looked at, and read as always when it is timed.
"""

import hashlib
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from servelab.environment.cache import MARKER, cache_directory
from servelab.environment.uv import install_arguments
from servelab.environment.uv_runs import canonical, not_built, run_uv, uv_failure
from servelab.errors import EnvironmentNotBuilt
from servelab.model.environment import (
    ConsoleScript,
    EnvironmentSpec,
    Package,
    UserEnvironment,
    python_in_words,
)
from servelab.store import redaction
from servelab.store.typed_json import encode

LAYOUT = 1
"""Part of the key of every overlay: raise it when they are built another way."""

_MODULE = "_servelab_overlay"
_SHOW = '''"""Show the packages of another environment as they are there, before the server's."""

import os
import site
import sys


def show(folders):
    before = set(sys.path)
    for folder in folders:
        site.addsitedir(folder)
    here = os.path.dirname(os.path.abspath(__file__))
    if here in sys.path:
        place = sys.path.index(here)
        added = [each for each in sys.path[place + 1 :] if each not in before]
        rest = [each for each in sys.path[place:] if each not in added]
        sys.path[place:] = added + rest


show({folders})
'''
_SCRIPT = """{first_line}
import sys

from {module} import {name}

if __name__ == "__main__":
    sys.exit({attribute}())
"""
_LONGEST_FIRST_LINE = 127
_TARGET = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)")
_OWN_PROGRAMS = re.compile(r"python[\d.t]*|pip[\d.]*|activate.*|Activate\.ps1|deactivate.*|pydoc.*")
_PINNED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)")
_COMPILE_PATIENCE_S = 300.0
_SHOWN_CONFLICTS = 3


def fill(directory: Path, *, spec: EnvironmentSpec, user: UserEnvironment) -> None:
    """Install into a new environment what the user's lacks, and show it the user's.

    Raise EnvironmentNotBuilt, naming the packages, where the server cannot run beside them.
    """
    constraints = [*_constraints(spec, user=user), *_pins(user)]
    resolved = resolve(directory, spec=spec, constraints=constraints, user=user)
    if isinstance(resolved, str):
        # Where two indexes have a version, uv looks for a preferred one in the first of them only.
        free = msgspec.structs.replace(spec, preferred="")
        resolved = resolve(directory, spec=free, constraints=constraints, user=user)
    if isinstance(resolved, str):
        raise _refusal(directory, spec=spec, user=user, output=resolved)
    theirs = {each.name for each in user.packages}
    missing = [f"{name}=={version}" for name, version in resolved.items() if name not in theirs]
    if missing:
        wanted = _write(directory / "requirements.txt", lines=missing)
        python = str(directory / "bin" / "python")
        command = ["pip", "install", "--python", python, "--no-deps", "--requirements", wanted]
        run_uv([*command, *install_arguments(os.environ)], spec=spec, directory=directory)
    _compile(directory, user=user)
    _write_programs(directory / "bin", user=user)
    for site_folder in directory.glob("lib/python*/site-packages"):
        folders = [str(each) for each in user.site_folders]
        text = _SHOW.replace("{folders}", repr(folders))
        (site_folder / f"{_MODULE}.py").write_text(text, encoding="utf-8")
        (site_folder / f"{_MODULE}.pth").write_text(f"import {_MODULE}\n", encoding="utf-8")


def bytecode_variables(
    user: UserEnvironment, *, cache: Path | None = None
) -> tuple[tuple[str, str], ...]:
    """Return what keeps every process that imports from an environment from writing into it."""
    content = encode([user.directory, user.interpreter])
    minor = ".".join(str(number) for number in user.interpreter.minor)
    digest = hashlib.sha256(content).hexdigest()[:16]
    folder = (cache or cache_directory()) / f"bytecode-own-py{minor}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()  # it is no half-built environment
    return (("PYTHONPYCACHEPREFIX", str(folder)),)


def merged(packages: tuple[Package, ...], *, user: UserEnvironment | None) -> tuple[Package, ...]:
    """Return the packages of an environment and of the user's that it shows, by name."""
    if user is None:
        return packages
    versions = {each.name: each.version for each in (*packages, *user.packages)}
    return tuple(Package(name, version) for name, version in sorted(versions.items()))


def _constraints(spec: EnvironmentSpec, *, user: UserEnvironment) -> list[str]:
    """Return the constraints, but not of what is there: a copy may hold more than its original."""
    theirs = {each.name for each in user.packages}
    return [line for line in spec.constraints.splitlines() if canonical(_name(line)) not in theirs]


def _pins(user: UserEnvironment) -> list[str]:
    """Pin what came from an index; what did not is left out of the resolution altogether."""
    elsewhere = set(user.from_elsewhere)
    kept = [each for each in user.packages if each.name not in elsewhere]
    return [f"{each.name}=={each.version}" for each in kept]


def resolve(
    directory: Path, *, spec: EnvironmentSpec, constraints: list[str], user: UserEnvironment
) -> dict[str, str] | str:
    """Return name -> version of all that the server needs; where it fails, what uv wrote."""
    wanted = _write(directory / "wanted.txt", lines=spec.requirements)
    pinned = _write(directory / "constraints.txt", lines=constraints)
    excluded = _write(directory / "excluded.txt", lines=user.from_elsewhere)
    resolved = directory / "resolved.txt"
    resolved.write_text(spec.preferred, encoding="utf-8")  # uv prefers the versions that it finds
    command = ["pip", "compile", "--python", str(directory / "bin" / "python"), wanted]
    command += ["--constraints", pinned, "--excludes", excluded, "--output-file", str(resolved)]
    command += ["--no-header", "--no-annotate", *install_arguments(os.environ)]
    if (output := uv_failure(command, directory=directory)) is not None:
        return output
    found = [_PINNED.match(line) for line in resolved.read_text(encoding="utf-8").splitlines()]
    return {canonical(each["name"]): each["version"] for each in found if each is not None}


def _refusal(
    directory: Path, *, spec: EnvironmentSpec, user: UserEnvironment, output: str
) -> EnvironmentNotBuilt:
    """Name the packages of the user's that the server cannot run with: resolve without them."""
    own = {canonical(_name(each)) for each in spec.requirements}
    kept = [pin for pin in _pins(user) if canonical(_name(pin)) in own]
    constraints = [*_constraints(spec, user=user), *kept]
    free = resolve(directory, spec=spec, constraints=constraints, user=user)
    if isinstance(free, str):
        return not_built(spec, output=output)
    conflicts = _conflicts(user.packages, wanted=free, output=output)
    if not conflicts:
        return not_built(spec, output=output)
    needs = _stated_needs(output, names=[each.name for each in conflicts])
    shown = conflicts[:_SHOWN_CONFLICTS]
    theirs = ", ".join(f"{each.name} {each.version}" for each in shown)
    ours = ", ".join(f"{each.name} {free[each.name]}" for each in shown)
    names = " and ".join(each.name for each in shown)
    return EnvironmentNotBuilt(
        f"{spec.name} cannot run beside what {_place(user)} holds: {theirs} is there, {ours} is "
        f"what {spec.name} would take{needs}; change {names} there, or do without this server."
    )


def _place(user: UserEnvironment) -> str:
    """Return where the user can change something: of a copy, what it is a copy of."""
    if user.copied_from is None:
        return str(user.directory)
    return f"{user.copied_from}, copied to {python_in_words(user.interpreter.full_version)},"


def _conflicts(
    packages: tuple[Package, ...], *, wanted: Mapping[str, str], output: str
) -> list[Package]:
    differing = [each for each in packages if wanted.get(each.name, each.version) != each.version]
    words = {canonical(word) for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", output)}
    # uv's reasons name those that matter; the others would only have been newer.
    return [each for each in differing if each.name in words]


def _stated_needs(output: str, *, names: list[str]) -> str:
    text = " ".join(redaction.words(output).split())
    for name in names:
        needs = (
            rf"([A-Za-z0-9._-]+)\S* depends on {re.escape(name)}(?:{{.*?}})?([<>=!~]\S*?),?(?: |$)"
        )
        if (found := re.search(needs, text)) is not None:
            return f" ({found[1]} needs {name}{found[2]})"
    return ""


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]


def _write(file: Path, *, lines: "list[str] | tuple[str, ...]") -> str:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(file)


def _compile(directory: Path, *, user: UserEnvironment) -> None:
    """Compile the server's packages now, or its first start would."""
    folders = [str(each) for each in directory.glob("lib/python*/site-packages")]
    # What is not compiled in time is compiled when it is first imported.
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [directory / "bin" / "python", "-S", "-m", "compileall", "-qq", *folders],
            env=dict(bytecode_variables(user, cache=directory.parent)),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            # Packages may hold files that are no Python of this version.
            check=False,
            timeout=_COMPILE_PATIENCE_S,
        )


def _write_programs(folder: Path, *, user: UserEnvironment) -> None:
    """Write the commands of the user's packages so that they run here, and see the overlay.

    Programs that no package declares as an entry point are linked to.
    """
    for script in user.scripts:
        file = folder / script.name
        if not file.exists() and (text := _script(script, python=folder / "python")) is not None:
            file.write_text(text, encoding="utf-8")
            file.chmod(0o755)
    for program in sorted(user.python.parent.iterdir()):
        mine = folder / program.name
        is_program = os.access(program, os.X_OK) and not program.is_dir()
        if is_program and not mine.exists() and not _OWN_PROGRAMS.fullmatch(program.name):
            mine.symlink_to(program)


def _script(script: ConsoleScript, *, python: Path) -> str | None:
    target = _TARGET.match(script.target)
    if target is None or "/" in script.name:
        return None
    attribute = target["attribute"]
    return _SCRIPT.format(
        first_line=_first_line(python),
        module=target["module"],
        name=attribute.partition(".")[0],
        attribute=attribute,
    )


def _first_line(python: Path) -> str:
    line = f"#!{python}"
    if len(line) <= _LONGEST_FIRST_LINE and " " not in line:
        return line
    # The kernel cuts a longer line, or one with a space; this is a comment to Python.
    return f"#!/bin/sh\n'''exec' {shlex.quote(str(python))} \"$0\" \"$@\"\n' '''"
