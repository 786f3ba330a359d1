"""A copy of the user's environment on another interpreter: the same versions, in servelab's cache.

What came from an index is installed again, at its version. What did not is taken as it lies there
where its wheel says that it is Python alone: such files serve every interpreter. An editable
install is such a case: what is taken is the pointer to the user's folder. Nothing is written into
the user's environment or projects, and nothing there is built.
"""

import functools
import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

import msgspec
from msgspec import Struct

from servelab.catalogue.distributions import canonical, required_name
from servelab.environment import overlay, receipts, users
from servelab.environment.cache import Progress, alone, cache_directory, kept_of, mark_complete
from servelab.environment.uv import install_arguments
from servelab.environment.uv_runs import (
    failing_requirement,
    has_no_solution,
    last_lines,
    run_uv,
    uv_failure,
)
from servelab.errors import EnvironmentNotBuilt
from servelab.model.environment import (
    EnvironmentSpec,
    Interpreter,
    Package,
    UserEnvironment,
    python_in_words,
)
from servelab.store.typed_json import encode

LAYOUT = 1
"""Part of the key of every copy: raise it when they are made another way."""

_PATHS = "_servelab_copy.pth"
_NEVER_ASKED_FOR = frozenset({"pip"})
"""Where it is, it serves to install; where another package needs it, it comes as that one's."""
_OF_PYTHON = re.compile(r"python_|implementation")
"""In a marker: the package is needed on some interpreters only."""
_OF_EVERY_PYTHON = re.compile(r"py\d[\w.]*-none-any")
"""A wheel's tag: neither the interpreter nor the machine matters to it."""


class Copy(Struct, frozen=True, kw_only=True):
    """A copy, and in what it is not the same."""

    environment: UserEnvironment
    missing: tuple[Package, ...] = ()
    """What is compiled, or in no wheel's form, and came from no index: it cannot be copied."""
    unneeded: tuple[Package, ...] = ()
    """What could not be installed there, and nothing needs there."""
    added: tuple[Package, ...] = ()
    """What the others need on this interpreter, and not on the user's."""


def is_needed(user: UserEnvironment, *, interpreter: Interpreter) -> bool:
    """Tell whether an interpreter is another one than that of the user's environment."""
    own = user.interpreter
    return own != interpreter and own.path.resolve() != interpreter.path.resolve()


def copied(
    user: UserEnvironment,
    *,
    interpreter: Interpreter,
    cache: Path | None = None,
    on_progress: Progress = lambda _: None,
) -> Copy:
    """Return the copy of an environment on an interpreter, made if it is not there whole.

    Safe when several do so at the same time. Raise EnvironmentNotBuilt, naming the package and the
    interpreter.
    """
    folder = cache or cache_directory()
    directory = folder / _key(user, interpreter)
    if (found := _read(directory, interpreter=interpreter)) is not None:
        return found
    with alone(directory, on_progress=on_progress, others="copies the same packages"):
        if (found := _read(directory, interpreter=interpreter)) is not None:
            return found
        shutil.rmtree(directory, ignore_errors=True)
        python = python_in_words(interpreter.full_version)
        on_progress(f"copying the packages of {user.directory} to {python}")
        made = _make(user, interpreter=interpreter, directory=directory)
        mark_complete(directory, kept=made)
        return made


@functools.cache  # asked for every trial, and what lies there is to stay as it is meanwhile
def _key(user: UserEnvironment, interpreter: Interpreter) -> str:
    """Return the folder's name, which stands for what is copied and for the interpreter."""
    content = [
        *(LAYOUT, platform.machine(), interpreter, user),
        [each.read_text("RECORD") for each in _from_elsewhere(user)],
        _paths_by_hand(user),
    ]
    free = "t" if interpreter.is_free_threaded else ""
    minor = ".".join(str(number) for number in interpreter.minor)
    return f"copy-own-py{minor}{free}-{hashlib.sha256(encode(content)).hexdigest()[:16]}"


def _read(directory: Path, *, interpreter: Interpreter) -> Copy | None:
    found = kept_of(directory, into=Copy)
    if found is None:
        return None
    of = found.environment
    is_whole = of.directory == directory and of.python.exists()
    return found if is_whole and of.interpreter == interpreter else None


def _make(user: UserEnvironment, *, interpreter: Interpreter, directory: Path) -> Copy:
    spec = EnvironmentSpec(
        name=f"your packages on {python_in_words(interpreter.full_version)}",
        requirements=(),
        constraints="",
        lock=None,
    )
    command = ["venv", "--no-project", "--python", str(interpreter.path), str(directory)]
    run_uv(command, spec=spec, directory=directory)
    _install(directory, user=user, interpreter=interpreter)
    _take_files(directory, user=user)
    receipts.redact(directory)
    made = users.read(directory / "bin" / "python")
    environment = msgspec.structs.replace(
        made, directory=directory, interpreter=interpreter, copied_from=user.directory
    )
    return _compared(environment, user=user)


def _compared(environment: UserEnvironment, *, user: UserEnvironment) -> Copy:
    there = {each.name for each in environment.packages}
    theirs = {each.name for each in user.packages}
    absent = [each for each in user.packages if each.name not in there | _NEVER_ASKED_FOR]
    return Copy(
        environment=environment,
        missing=tuple(each for each in absent if each.name in user.from_elsewhere),
        unneeded=tuple(each for each in absent if each.name not in user.from_elsewhere),
        added=tuple(each for each in environment.packages if each.name not in theirs),
    )


# ---- what came from an index


def _install(directory: Path, *, user: UserEnvironment, interpreter: Interpreter) -> None:
    """Install every version that came from an index; raise EnvironmentNotBuilt.

    Where all of them cannot be had, what only some interpreters need is left to the others'
    demands; where the others contradict each other, which pip permits, they are taken as they are.
    """
    pins = {each.name: f"{each.name}=={each.version}" for each in user.packages}
    pins = {name: pin for name, pin in pins.items() if name not in user.from_elsewhere}
    some = _needed_by_some(user) & pins.keys()
    wanted = [pin for name, pin in pins.items() if name not in _NEVER_ASKED_FOR]
    output = _installed(directory, wanted=wanted, pins=pins, user=user)
    if output is not None and some & _names(output):
        fewer = [pin for pin in wanted if pin.partition("==")[0] not in some]
        output = _installed(directory, wanted=fewer, pins=pins, user=user)
    if output is not None and has_no_solution(output):
        output = _fetched(directory, wanted)
    if output is not None:
        raise _refusal(output, wanted=wanted, user=user, interpreter=interpreter)


def _installed(
    directory: Path, *, wanted: Sequence[str], pins: dict[str, str], user: UserEnvironment
) -> str | None:
    """Install packages with what they need there; return what uv wrote where it fails."""
    spec = EnvironmentSpec(name="copy", requirements=tuple(wanted), constraints="", lock=None)
    resolved = overlay.resolve(directory, spec=spec, constraints=list(pins.values()), user=user)
    if isinstance(resolved, str):
        return resolved
    return _fetched(directory, [f"{name}=={version}" for name, version in resolved.items()])


def _fetched(directory: Path, requirements: Sequence[str]) -> str | None:
    if not requirements:
        return None
    file = directory / "requirements.txt"
    file.write_text("".join(f"{each}\n" for each in requirements), encoding="utf-8")
    command = ["pip", "install", "--python", str(directory / "bin" / "python"), "--no-deps"]
    command += ["--compile-bytecode", "--requirements", str(file)]
    return uv_failure([*command, *install_arguments(os.environ)], directory=directory)


def _needed_by_some(user: UserEnvironment) -> set[str]:
    """Return the names of packages that others ask for on some interpreters only."""
    return {
        required_name(requirement)
        for each in _distributions(user)
        for requirement, _, marker in (text.partition(";") for text in each.requires or ())
        if _OF_PYTHON.search(marker)
    }


def _names(text: str) -> set[str]:
    return {canonical(word) for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]", text)}


def _refusal(
    output: str, *, wanted: Sequence[str], user: UserEnvironment, interpreter: Interpreter
) -> EnvironmentNotBuilt:
    spec = EnvironmentSpec(name="copy", requirements=tuple(wanted), constraints="", lock=None)
    failing = failing_requirement(spec, output=output)
    what = "one of them" if failing is None else failing.replace("==", " ")
    python = python_in_words(interpreter.full_version)
    lowered = output.lower()
    if has_no_solution(output):
        fact, step = f"{what} is not to be had for {python}", "take a version of it that is"
    elif "failed to build" in lowered or "build backend" in lowered:
        fact = f"{what} has no wheel for {python}, and could not be built from source"
        step = "take a version of it that has one, install what its build needs"
    else:
        fact, step = f"{what} could not be fetched", "check the network and the index"
    return EnvironmentNotBuilt(
        f"the packages of {user.directory} cannot be copied to {python}: {fact}; {step}, or leave "
        "this interpreter out. uv's last words:\n"
        + "\n".join(f"  {line}" for line in last_lines(output))
    )


# ---- what did not


def _take_files(directory: Path, *, user: UserEnvironment) -> None:
    """Take what is Python alone as it lies in the user's environment, and the paths shown there."""
    (site,) = directory.glob("lib/python*/site-packages")
    for each in _from_elsewhere(user):
        if _serves_every_python(each):
            _take(each, into=site)
    paths = _paths_by_hand(user)
    (site / _PATHS).write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")


def _take(distribution: Distribution, *, into: Path) -> None:
    for file in distribution.files or ():
        is_inside = not file.is_absolute() and ".." not in file.parts
        source = Path(str(distribution.locate_file(file)))
        if is_inside and file.suffix != ".pyc" and source.is_file():
            target = into / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _serves_every_python(distribution: Distribution) -> bool:
    """Tell whether an installed wheel holds nothing that was made for one interpreter."""
    lines = (distribution.read_text("WHEEL") or "").splitlines()
    tags = [line.partition(":")[2].strip() for line in lines if line.startswith("Tag:")]
    return bool(tags) and all(map(_OF_EVERY_PYTHON.fullmatch, tags))


def _paths_by_hand(user: UserEnvironment) -> list[str]:
    """Return folders that are shown by files which no package brought, such as one's own."""
    records = [each.read_text("RECORD") or "" for each in _distributions(user)]
    owned = {
        name for text in records for name in re.findall(r"^([^/,]+\.pth),", text, re.MULTILINE)
    }
    return [
        line
        for folder in user.site_folders
        for file in sorted(folder.glob("*.pth"))
        if file.name not in owned
        for line in map(str.strip, file.read_text("utf-8", errors="replace").splitlines())
        if line.startswith("/") and Path(line).is_dir()
    ]


def _from_elsewhere(user: UserEnvironment) -> Iterable[Distribution]:
    named = set(user.from_elsewhere)
    return [each for each in _distributions(user) if canonical(each.name) in named]


def _distributions(user: UserEnvironment) -> list[Distribution]:
    """Return what is installed there, by name; its files are read, its interpreter is not asked."""
    found = distributions(path=[str(each) for each in user.site_folders])
    return sorted((each for each in found if each.name), key=lambda each: canonical(each.name))
