"""What one call does: one module per workload, found by its file.

A workload's module needs only the standard library at module level, because the measuring side
reads it, too: its parameters, and the check of its answers.
"""

import functools
import importlib
import os
import pkgutil
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple, Protocol, runtime_checkable

from ._counters import VARIABLE as COUNTERS_VARIABLE
from ._counters import Slot, counted, read_slots

__all__ = [
    "COUNTERS_VARIABLE",
    "FOLDER_VARIABLE",
    "MOUNTED_VARIABLE",
    "NONCE_HEADER",
    "SERVICE",
    "SLOW_API_VARIABLE",
    "BadParameters",
    "Mix",
    "Slot",
    "Turn",
    "Workload",
    "answer",
    "close",
    "counted",
    "load",
    "mounted",
    "names",
    "parse",
    "read_slots",
    "turns",
]

NONCE_HEADER = "x-servelab-nonce"
SLOW_API_VARIABLE = "SERVELAB_SLOW_API"
"""Environment variable with the slow API's address, such as ``http://127.0.0.1:3100``."""
FOLDER_VARIABLE = "SERVELAB_FOLDER"
"""Environment variable with a folder for files of the work, shared by all processes of a server.

It is empty when the server starts, and gone when it has ended.
"""
MOUNTED_VARIABLE = "SERVELAB_WORKLOAD"
"""Environment variable with the one workload to mount; without it, all are."""
SERVICE = "servelab.Workloads"
"""The gRPC service whose methods are the workloads."""


class BadParameters(ValueError):  # noqa: N818 - as in `servelab.errors`
    """The parameters of a call are unknown or out of range."""


class Workload(Protocol):
    """What a workload's module defines."""

    SUMMARY: str
    REQUIREMENTS: tuple[str, ...]
    """What the server's environment must hold, without versions."""
    Parameters: type
    """Frozen dataclass with a default for each field; raises ValueError when out of range."""
    SLOW_API_CALLS: int
    """How many calls to the slow API one call makes; 0 where it needs none."""

    def prepare(self) -> None:
        """Import what the work needs, as an application does when it starts."""

    def work(self, parameters: Any, /) -> dict[str, Any]:
        """Do the work of one call in the calling thread."""

    async def work_async(self, parameters: Any, /) -> dict[str, Any]:
        """Do the work of one call on the running event loop."""

    async def close(self) -> None:
        """Give back what the work keeps open on the running event loop."""

    def waiting_s(self, parameters: Any, /) -> float:
        """Return how long one call waits for others at the least, in seconds; 0 of pure work.

        Where calls wait nobody knows how long, such as for a lock, the module says MAY_WAIT = True.
        """

    def check(self, parameters: Any, result: Any, /) -> str | None:
        """Return why a result is wrong, or None."""


class Turn(NamedTuple):
    """One call of those that take turns."""

    kind: str
    """In a word; empty where all calls are alike."""
    parameters: Any


@runtime_checkable
class Mix(Protocol):
    """What the module of a workload defines, too, whose calls are not all alike."""

    def turns(self, parameters: Any, /) -> tuple[Turn, ...]:
        """Return the calls that take turns, in their order; the smallest work first."""


@functools.cache
def names() -> tuple[str, ...]:
    """Return the workloads' names in alphabetical order."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def mounted() -> tuple[str, ...]:
    """Return the workloads that an application is to serve: all, or the one that is measured.

    Serving only that one, a server imports nothing for the others, and its memory is its own.
    """
    only = os.environ.get(MOUNTED_VARIABLE)
    return tuple(name for name in names() if only in (None, name))


@functools.cache
def load(name: str) -> Workload:
    """Return the module of a workload; KeyError when there is none of that name."""
    if name not in names():
        raise KeyError(name)
    return typing.cast("Workload", importlib.import_module(f".{name}", __name__))


def parse(name: str, texts: Mapping[str, str]) -> Any:
    """Turn the text parameters of a call into the workload's `Parameters`.

    Raise `BadParameters` for unknown names, for values of another type and out of range.
    """
    workload, types = load(name), _parameter_types(name)
    values = {}
    for key, text in texts.items():
        if key not in types:
            raise BadParameters(f"{name} has no parameter {key!r}, only {', '.join(types)}")
        try:
            values[key] = types[key](text)
        except ValueError:
            raise BadParameters(f"{key}={text} is not of type {types[key].__name__}") from None
    try:
        return workload.Parameters(**values)
    except ValueError as error:
        raise BadParameters(str(error)) from None


def turns(name: str, parameters: Any) -> tuple[Turn, ...]:
    """Return the calls of a workload that take turns: of most there is one."""
    workload = load(name)
    if isinstance(workload, Mix):
        return workload.turns(parameters)
    return (Turn("", parameters),)


@functools.cache
def _parameter_types(name: str) -> dict[str, type]:
    parameters = load(name).Parameters
    hints = typing.get_type_hints(parameters)
    return {field.name: hints[field.name] for field in fields(parameters)}


def answer(nonce: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a call: which process did the work, for which request."""
    return {"pid": os.getpid(), "nonce": nonce, "result": result}


async def close() -> None:
    """Give back what the mounted workloads keep open on the running event loop."""
    for name in mounted():
        await load(name).close()
