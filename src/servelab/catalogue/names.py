"""Unknown names, answered with the nearest known ones."""

import difflib
from collections.abc import Iterable

from servelab.errors import UnknownName


def unknown(kind: str, name: str, *, known: Iterable[str], advice: str = "") -> UnknownName:
    """Return the error to raise for a name that is none of the known ones."""
    choices = list(known)
    nearest = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
    if nearest:
        hint = f"did you mean {_either(nearest)}?"
    elif choices:
        hint = f"there is {_either(choices)}."
    else:
        hint = "there is none at all."
    return UnknownName(f"There is no {kind} {name!r}; {hint}{' ' if advice else ''}{advice}")


def _either(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
