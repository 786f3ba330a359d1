"""Variables of a user's application: those of a `.env` file, and those given by hand."""

import re
from collections.abc import Iterable
from pathlib import Path

from servelab.errors import UsageError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_FILE = ".env"


def user_variables(given: Iterable[str] = (), *, project: Path) -> dict[str, str]:
    """Return the variables of the project's ``.env`` if it has one, then the given ones.

    `given` are texts ``NAME=VALUE``, which win; without a value, ``NAME=``, it is empty. Raise
    UsageError where a text or a line of the file is none.
    """
    found = project / _FILE
    read = read_file(found) if found.is_file() else {}
    return {**read, **dict(_pair(each) for each in given)}


def read_file(file: Path) -> dict[str, str]:
    """Read a file of NAME=VALUE lines as python-dotenv does: quotes, comments, export, ${NAME}.

    Names without ``=`` are passed over. Raise UsageError, naming the line, for what is neither.
    """
    from dotenv import dotenv_values  # only where there is such a file
    from dotenv.parser import parse_stream

    try:
        with file.open(encoding="utf-8") as lines:
            wrong = next((each for each in parse_stream(lines) if each.error), None)
        # The line itself may hold a secret.
        if wrong is not None:
            raise UsageError(
                f"{file}, line {wrong.original.line}, is no NAME=VALUE; correct it or comment it "
                "out."
            )
        values = dotenv_values(file, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read ({error}); see that it is a text.") from error
    for name, value in values.items():
        if "\0" in f"{name}{value}" or "=" in name:
            raise UsageError(f"{file}: {name!r} or its value has a sign that no variable can have.")
    return {name: value for name, value in values.items() if value is not None}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not _NAME.fullmatch(name):
        shown = name if equals else "what was given"
        raise UsageError(f"{shown!r} names no variable; write --env-var NAME=VALUE.")
    return name, value
