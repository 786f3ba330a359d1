"""Whether the GIL was on in a server on a free-threaded interpreter."""

import re
from collections.abc import Iterable
from pathlib import Path

from servelab.model.gil import Gil
from servelab.model.worker import WorkerCount

# CPython 3.13 to 3.15 word it so where an import turns the GIL on, once in a process
# (Python/import.c, _PyImport_EnableGILAndWarn).
_WARNING = re.compile(rb"interpreter lock \(GIL\) has been enabled to load module '([\w.]{1,200})'")
_MOST_BYTES = 8 << 20
"""Twice what a server's log may take."""


def seen(log: Path, *, workers: Iterable[WorkerCount]) -> Gil:
    """Return what a server's output and its workers' books say.

    The interpreter names the extension that demanded the GIL, but a program may filter its
    warnings; the workers of the catalogue's applications ask their interpreter.
    """
    modules = modules_named(_written(log))
    said = {worker.has_gil for worker in workers if worker.has_gil is not None}
    if modules or True in said:
        return Gil(is_on=True, modules=modules)
    return Gil(is_on=False if said else None)


def modules_named(output: bytes) -> tuple[str, ...]:
    """Return the extensions that turned the GIL on by the interpreter's own warnings."""
    found = (match[1].decode() for match in _WARNING.finditer(output))
    return tuple(dict.fromkeys(found))


def _written(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(_MOST_BYTES)
    except FileNotFoundError:
        return b""
