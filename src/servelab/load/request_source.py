"""Which request is sent: each encoded once, chosen by the number that its nonce is.

The number alone decides, so that the check of an answer finds the request that it belongs to, and
several generators with numbers of their own agree about them.
"""

import base64
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from servelab.load.request import Encode, Template, http_request

RANDOM_TURNS = 1 << 16
"""Choices that are drawn ahead; after so many requests they come again in the same order."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it came over the pipe."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    nonce_in: str | None

    @classmethod
    def parse(cls, request: dict[str, Any]) -> "Sent":
        """Read it from a plan's JSON."""
        return cls(
            method=request["method"],
            path=request["path"],
            headers=tuple((name, value) for name, value in request["headers"]),
            body=base64.b64decode(request["body"]),
            nonce_in=request.get("nonce_in"),
        )


@dataclass(frozen=True, slots=True)
class RequestSource:
    """The requests of a run, and whose turn it is."""

    requests: tuple[Sent, ...]
    turns: tuple[int, ...]

    @classmethod
    def parse(cls, request: dict[str, Any]) -> "RequestSource":
        """Read it from a plan's JSON: one request, or a mix of them."""
        if request.get("type") != "mix":
            return cls(requests=(Sent.parse(request),), turns=(0,))
        requests = tuple(Sent.parse(each) for each in request["requests"])
        return cls(
            requests=requests,
            turns=turns(len(requests), choice=request["choice"], seed=request["seed"]),
        )

    def encoder(self, *, host: str, closes: bool) -> Encode:
        """Format the HTTP requests once; return what puts a nonce into the one whose turn it is."""
        templates = [
            http_request(
                method=request.method,
                path=request.path,
                host=host,
                headers=request.headers,
                body=request.body,
                closes=closes,
            )
            for request in self.requests
        ]
        return templates[0].fill if len(templates) == 1 else _in_turn(templates, self.turns)


def turns(count: int, *, choice: str, seed: int) -> tuple[int, ...]:
    """Return whose turn it is among ``count``, for the numbers 0, 1, ...; then it begins anew."""
    if choice == "round-robin":
        return tuple(range(count))
    draw = random.Random(seed).randrange  # noqa: S311 - nothing here is a secret
    return tuple(draw(count) for _ in range(RANDOM_TURNS))


def turn_of(nonce: bytes, *, count: int) -> int:
    """Return the place of a nonce among ``count`` turns; probes take the first."""
    try:
        return int(nonce) % count
    except ValueError:
        return 0


def _in_turn(templates: Sequence[Template], order: Sequence[int]) -> Encode:
    cuts = [(templates[turn].before, templates[turn].after) for turn in order]
    count = len(cuts)

    def encode(nonce: bytes) -> bytes:
        try:
            before, after = cuts[int(nonce) % count]
        except ValueError:
            before, after = cuts[0]
        return before + nonce + after

    return encode
