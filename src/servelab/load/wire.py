"""Makes lanes for what a plan says about the wire."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from servelab.load.grpc_lane import GrpcGear, GrpcLane
from servelab.load.http1 import HeadMemo
from servelab.load.http1_lane import Http1Gear, Http1Lane
from servelab.load.http2 import GrpcHeadMemo, encode_headers
from servelab.load.lane import Dispatch, Lane, Reuse, Target
from servelab.load.ledger import Ledger
from servelab.load.loop import Loop
from servelab.load.request import grpc_headers, grpc_message, http_request, nonce_of


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes over the wire, and where to."""

    is_grpc: bool
    target: Target
    reuse: Reuse
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def parse(cls, plan: dict[str, Any]) -> "Wire":
        """Read it from a load plan's JSON."""
        request, target = plan["request"], plan["target"]
        return cls(
            is_grpc=plan["protocol"] == "grpc",
            target=Target(target["host"], target["port"]),
            reuse=Reuse.CLOSE if plan["connections"] == "fresh" else Reuse.KEEP,
            method=request["method"],
            path=request["path"],
            headers=tuple((name, value) for name, value in request["headers"]),
            body=base64.b64decode(request["body"]),
        )

    @property
    def authority(self) -> str:
        """Return host and port as a URL has them."""
        host = f"[{self.target.host}]" if ":" in self.target.host else self.target.host
        return f"{host}:{self.target.port}"


Gear = Http1Gear | GrpcGear


def new_gear(
    wire: Wire, *, loop: Loop, ledger: Ledger, nonce_of: Callable[[int], bytes] = nonce_of
) -> Gear:
    """Format the request once, for all lanes."""
    if wire.is_grpc:
        fields = grpc_headers(path=wire.path, authority=wire.authority, headers=wire.headers)
        return GrpcGear(
            loop=loop,
            ledger=ledger,
            target=wire.target,
            reuse=wire.reuse,
            nonce_of=nonce_of,
            headers=encode_headers(fields),
            message=grpc_message(wire.body),
            memo=GrpcHeadMemo(),
        )
    template = http_request(
        method=wire.method,
        path=wire.path,
        host=wire.authority,
        headers=wire.headers,
        body=wire.body,
        closes=wire.reuse is Reuse.CLOSE,
    )
    return Http1Gear(
        loop=loop,
        ledger=ledger,
        target=wire.target,
        reuse=wire.reuse,
        nonce_of=nonce_of,
        encode=template.fill,
        memo=HeadMemo(method=wire.method),
    )


def new_lane(gear: Gear, dispatch: Dispatch) -> Lane:
    """Make a lane of the gear's protocol."""
    if isinstance(gear, GrpcGear):
        return GrpcLane(gear, dispatch)
    return Http1Lane(gear, dispatch)
