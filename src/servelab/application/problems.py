"""The sentences for what keeps a named thing from being an application."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from servelab.application.naming import HOW_TO_NAME
from servelab.errors import CannotRunHere, ServelabError, UsageError
from servelab.model.application import ApplicationTarget

_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages", "venv", "env"})
_SEARCH_DEPTH = 3
_SEARCHED_FOLDERS = 2000
_SHOWN_NAMES = 4


class Answer(Struct, frozen=True, kw_only=True):
    """What the process found: a problem with its facts, or an application."""

    problem: str = ""
    name: str = ""
    detail: str = ""
    trace: tuple[str, ...] = ()
    given: str = ""
    """What a call that cannot be was given."""
    candidates: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    attribute: str = ""
    is_factory: bool = False
    interface: str = ""
    framework: str = ""
    framework_version: str = ""


def error_for(
    answer: Answer,
    *,
    target: ApplicationTarget,
    directory: Path,
    interpreter: Path,
    copied_from: Path | None = None,
) -> ServelabError:
    """Return the error for what the process found: the thing, the fact, the next step."""
    if answer.problem == "no module":
        return UsageError(_no_module(answer.name, target, directory))
    if answer.problem == "missing import":
        place = (
            f"the environment of {interpreter}; install it there, or name the environment that has "
            "it with --env"
            if copied_from is None
            else f"the copy of {copied_from} for this interpreter; install there what it is part "
            "of, from an index, or leave this interpreter out"
        )
        fact = f"{target.module} imports {answer.name}, which is not in {place}"
        return CannotRunHere(f"{fact}{indented(answer.trace)}")
    if (sentence := _usage_sentence(answer, target)) is not None:
        return UsageError(sentence)
    trace = indented(answer.trace)
    doing = f"Importing {target.module}" if "import" in answer.problem else f"Calling {target}"
    match answer.problem:
        case "syntax":
            return CannotRunHere(
                f"{target.module} cannot be imported: {answer.detail} ({answer.name}); correct it, "
                "or choose the Python that it is written for."
            )
        case "import exits" | "factory exits":
            code = f" ({answer.detail})" if answer.detail != "None" else ""
            return CannotRunHere(
                f"{doing} ends the process with sys.exit{code}; servers import it, so it must "
                f"go on{trace}"
            )
        case _:
            return CannotRunHere(
                f"{doing} raises {answer.detail}; correct it, or give the variables that it needs "
                f"with --env-var{trace}"
            )


def _usage_sentence(answer: Answer, target: ApplicationTarget) -> str | None:
    sentence = _SENTENCES.get(answer.problem)
    return None if sentence is None else sentence(answer, target)


def _no_attribute(answer: Answer, target: ApplicationTarget) -> str:
    part = "" if answer.name == target.attribute else f" ({answer.name} is missing)"
    return f"{target.module} has no {target.attribute}{part}; {_instead(answer, target)}."


def _no_name(answer: Answer, target: ApplicationTarget) -> str:
    return (
        f"{target.module} has no app, application, create_app or make_app; "
        f"{_instead(answer, target)}."
    )


def _not_callable(answer: Answer, target: ApplicationTarget) -> str:
    named = f"{target.module}:{answer.attribute}"
    return f"{named} cannot be called: it is of type {answer.name}; leave the () out."


def _needs_arguments(answer: Answer, target: ApplicationTarget) -> str:
    named = f"{target.module}:{answer.attribute}"
    given = f"({answer.given})" if answer.given else "without arguments"
    why = answer.detail or f"it needs {', '.join(answer.candidates)}"
    return (
        f"{named} cannot be called {given}: {why}; give what it needs as literals, "
        f"such as '{named}(\"production\")'."
    )


def _async_factory(answer: Answer, target: ApplicationTarget) -> str:
    return (
        f"{target.module}:{answer.attribute} is a factory that must be awaited, which no server "
        "does; name an application, or a factory that is a plain function."
    )


def _neither(answer: Answer, target: ApplicationTarget) -> str:
    named = f"{target.module}:{answer.attribute}"
    if answer.name == "dash":
        step = f"name the Flask application in it: {named}.server"
    else:
        step = "start it with its own server: servelab try --command 'CMD {host} {port}'"
    return (
        f"{named} is an application of {answer.name}, which is called by neither WSGI nor ASGI; "
        f"{step}."
    )


def _no_application(answer: Answer, target: ApplicationTarget) -> str:
    step = _instead(answer, target)
    if answer.detail:
        made = f"{target.module}:{answer.attribute}.{answer.detail}()"
        step = f"its {answer.detail}() may make one: name {made}"
    return (
        f"{target.module}:{answer.attribute} is no application for WSGI or ASGI: it is of type "
        f"{answer.name}; {step}."
    )


def _no_part(answer: Answer, target: ApplicationTarget) -> str:
    return (
        f"{target.module}:{answer.attribute} has no {answer.name}: it is of type {answer.detail}; "
        f"{_instead(answer, target)}."
    )


_SENTENCES: dict[str, Callable[[Answer, ApplicationTarget], str]] = {
    "no attribute": _no_attribute,
    "no name": _no_name,
    "not callable": _not_callable,
    "needs arguments": _needs_arguments,
    "async factory": _async_factory,
    "neither": _neither,
    "no application": _no_application,
    "no part": _no_part,
}


def _instead(answer: Answer, target: ApplicationTarget) -> str:
    found = [f"{target.module}:{name}" for name in answer.candidates] + list(answer.modules)
    return f"try {' or '.join(found[:_SHOWN_NAMES])}" if found else HOW_TO_NAME


def _no_module(missing: str, target: ApplicationTarget, directory: Path) -> str:
    sentence = f"There is no module {missing} in {directory} nor in its environment"
    places = list(_elsewhere(target.module, directory))
    if not places:
        return f"{sentence}; see the name, and that servelab runs in the project's folder."
    place = places[0].relative_to(directory)
    return (
        f"{sentence}, but there is one in {place}{os.sep}; run servelab in {place}, or add "
        f"--env-var PYTHONPATH={place}."
    )


def _elsewhere(module: str, directory: Path) -> Iterator[Path]:
    """Yield the folders below, from which the module could be imported, the nearest first."""
    relative = Path(*module.split("."))
    waiting = [(directory, 0)]
    for _ in range(_SEARCHED_FOLDERS):
        if not waiting:
            return
        folder, depth = waiting.pop(0)
        is_there = (folder / relative).with_suffix(".py").is_file() or (
            folder / relative / "__init__.py"
        ).is_file()
        if is_there and folder != directory:
            yield folder
        if depth < _SEARCH_DEPTH:
            waiting += [(each, depth + 1) for each in _subfolders(folder)]


def _subfolders(folder: Path) -> list[Path]:
    try:
        found = sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink())
    except OSError:
        return []
    return [
        each
        for each in found
        if not each.name.startswith(".")
        and each.name not in _SKIPPED_FOLDERS
        and not (each / "pyvenv.cfg").exists()
    ]


def indented(lines: tuple[str, ...]) -> str:
    """Return the end of a sentence: a colon and the lines below it, or a full stop."""
    return ":\n" + "\n".join(f"  {line}" for line in lines) if lines else "."
