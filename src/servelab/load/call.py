"""One call over gRPC, whole: what a rehearsal looks at before anything is timed."""

from urllib.parse import unquote

import msgspec

from servelab.load.fetch import Answer
from servelab.load.probe import ask_once
from servelab.model.address import Address
from servelab.model.load import ClosedLoop, LoadPlan, Protocol, Request
from servelab.model.outcome import Outcome

_UNAVAILABLE = 14
"""The status of a server that is not ready; https://grpc.github.io/grpc/core/md_doc_statuscodes.html."""


def call(address: Address, request: Request, *, timeout_s: float) -> Answer | str:
    """Return the answer to a call on a fresh connection, or in words why there is none."""
    messages: list[bytes] = []

    def keep(_status: int, message: bytes, _nonce: bytes) -> tuple[Outcome, int, str]:
        messages.append(bytes(message))
        return Outcome.OK, 0, ""

    plan = LoadPlan(
        target=address,
        protocol=Protocol.GRPC,
        request=request,
        check="",
        load=ClosedLoop(callers=1),
    )
    ended = ask_once(msgspec.to_builtins(plan), check=keep, timeout_s=timeout_s)
    if ended.outcome is Outcome.OK:
        return Answer(status=None, body=messages[0])
    if ended.outcome is Outcome.GRPC_STATUS and ended.status != _UNAVAILABLE:
        # The message goes percent-encoded over the wire.
        said = unquote(ended.reason.removeprefix(f"{ended.outcome.label}: "))
        return Answer(status=None, body=b"", refusal=f"grpc-{said}")
    return ended.reason
