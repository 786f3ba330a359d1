"""A check of the generator's process: whether a gRPC message came back as it was sent."""

from collections.abc import Callable
from typing import Any

from servelab.model.outcome import Outcome

FIELD = b"\x0a\x10"
"""Protobuf's field 1, 16 bytes long: what stands before the nonce."""


def echoed_message(_parameters: dict[str, Any]) -> Callable[..., tuple[Outcome, int, str]]:
    """Make a check that wants the nonce as field 1 and nothing else."""

    def check(_status: int, body: bytes, nonce: bytes) -> tuple[Outcome, int, str]:
        if body == FIELD + nonce:
            return Outcome.OK, 0, ""
        return Outcome.WRONG_ANSWER, 0, f"not the nonce {nonce!r} but {bytes(body[:120])!r}"

    return check
