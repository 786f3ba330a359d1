"""Greet: next to no work, so that what remains is the cost of serving itself."""

from dataclasses import dataclass
from typing import Any

SUMMARY = "answer with a short greeting: what remains is the cost of serving"
REQUIREMENTS: tuple[str, ...] = ()
SLOW_API_CALLS = 0

_MOST_LETTERS = 100


@dataclass(frozen=True)
class Parameters:
    """Whom to greet."""

    name: str = "world"

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= _MOST_LETTERS:
            raise ValueError(f"name={self.name!r} has not 1 to {_MOST_LETTERS} letters")


def prepare() -> None:
    """Need nothing."""


def work(parameters: Parameters) -> dict[str, Any]:
    """Return the greeting."""
    return {"greeting": f"hello {parameters.name}"}


async def work_async(parameters: Parameters) -> dict[str, Any]:
    """Return the same; there is nothing to wait for."""
    return work(parameters)


async def close() -> None:
    """Keep nothing open."""


def waiting_s(_parameters: Parameters) -> float:
    """Return 0: nothing is waited for."""
    return 0.0


def check(parameters: Parameters, result: Any) -> str | None:
    """Demand the greeting and nothing else."""
    return None if result == work(parameters) else f"not the greeting but {result!r}"
