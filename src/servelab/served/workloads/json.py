"""Answer with a document of about 100 kB: what it costs to turn objects into text and send it."""

import functools
import json
from dataclasses import dataclass
from typing import Any

SUMMARY = "answer with a document of size_bytes, which the framework turns into JSON"
REQUIREMENTS: tuple[str, ...] = ()
SLOW_API_CALLS = 0

_LEAST_BYTES = 1_000
_MOST_BYTES = 10_000_000
_KEPT_DOCUMENTS = 8


@dataclass(frozen=True)
class Parameters:
    """How large the document is as JSON without spaces, and which of many it is."""

    size_bytes: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not _LEAST_BYTES <= self.size_bytes <= _MOST_BYTES:
            raise ValueError(
                f"size_bytes={self.size_bytes} is not between {_LEAST_BYTES} and {_MOST_BYTES}"
            )


def prepare() -> None:
    """Make the usual document before the first call."""
    document(Parameters())


def work(parameters: Parameters) -> dict[str, Any]:
    """Return the document; making text of it is the framework's part, as in an application."""
    return document(parameters)


async def work_async(parameters: Parameters) -> dict[str, Any]:
    """Return the same; there is nothing to wait for."""
    return work(parameters)


async def close() -> None:
    """Keep nothing open."""


def waiting_s(_parameters: Parameters) -> float:
    """Return 0: nothing is waited for."""
    return 0.0


def check(parameters: Parameters, result: Any) -> str | None:
    """Compare the whole document.

    That takes as long as making it. The generator therefore compares once, and from then on byte by
    byte with the answer that was right.
    """
    if result == document(parameters):
        return None
    return f"another document than the one of {parameters}"


@functools.lru_cache(maxsize=_KEPT_DOCUMENTS)
def document(parameters: Parameters) -> dict[str, Any]:
    """Return orders as a shop has them, whose every value follows from the parameters.

    It is made once in each process, and nobody changes it: what is measured is not the making.
    """
    orders: list[dict[str, Any]] = []
    made: dict[str, Any] = {"orders": orders, "padding": ""}
    size = _size_bytes(made)
    while True:
        order = _order(len(orders), seed=parameters.seed)
        comma = 1 if orders else 0
        longer = size + comma + _size_bytes(order)
        if longer > parameters.size_bytes:
            return made | {"padding": "." * (parameters.size_bytes - size)}
        orders.append(order)
        size = longer


def _order(number: int, *, seed: int) -> dict[str, Any]:
    # Numbers without a pattern, the same on every interpreter: multiplication modulo primes.
    mixed = (number * 7_919 + seed * 104_729 + 1) * 15_485_863 % 2_147_483_647
    return {
        "amount": mixed % 1_000_000 / 100,
        "customer": f"customer {mixed % 9_973}",
        "items": [mixed // 7 % 1_000, mixed // 11 % 1_000, mixed // 13 % 1_000],
        "note": None if mixed % 3 else f"leave it at door {mixed % 89}, é",
        "number": number,
        "paid": mixed % 2 == 0,
    }


def _size_bytes(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":")))
