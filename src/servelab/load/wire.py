"""Makes lanes for what a plan says about the wire."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from servelab.load.grpc_call import CallFormat, Kind, call_format
from servelab.load.grpc_lane import GrpcGear, GrpcLane
from servelab.load.grpc_mix import MixedLane
from servelab.load.grpc_shape import AnswerShapes
from servelab.load.http1 import HeadMemo
from servelab.load.http1_lane import Http1Gear, Http1Lane
from servelab.load.http1_mix import HeadMixLane
from servelab.load.http2 import GrpcHeadMemo, encode_headers, field_before
from servelab.load.lane import Connector, Dispatch, Lane, Reuse, Sends, Target
from servelab.load.ledger import Ledger
from servelab.load.loop import Loop
from servelab.load.request import (
    NONCE_HEADER,
    NONCE_WIDTH,
    grpc_fixed_message,
    grpc_headers,
    grpc_message,
    nonce_of,
)
from servelab.load.request_source import RequestSource, Sent
from servelab.load.room import ROOM_BYTES, Room

_SEGMENT_BYTES = 1024
"""Less than the smallest usual segment, with room for what is added to a request."""


@dataclass(frozen=True, slots=True)
class Encryption:
    """How connections are encrypted."""

    server_name: str
    authorities: str | None
    verifies: bool


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes over the wire, and where to."""

    is_grpc: bool
    target: Target
    reuse: Reuse
    source: RequestSource
    judged_statuses: frozenset[int]
    name: str | None
    """Host and port as the server is told them, where they differ from the target's."""
    encryption: Encryption | None

    @classmethod
    def parse(cls, plan: dict[str, Any]) -> "Wire":
        """Read it from a load plan's JSON."""
        target, tls = plan["target"], plan["tls"]
        source = RequestSource.parse(plan["request"])
        is_grpc = plan["protocol"] == "grpc"
        is_whole = not is_grpc and tls is None and _longest(source) <= _SEGMENT_BYTES
        return cls(
            is_grpc=is_grpc,
            target=Target(
                target["host"], target["port"], Sends.WHOLE if is_whole else Sends.IN_PIECES
            ),
            reuse=Reuse.CLOSE if plan["connections"] == "fresh" else Reuse.KEEP,
            source=source,
            judged_statuses=frozenset(plan["judged_statuses"]),
            name=plan["authority"],
            encryption=tls
            and Encryption(
                server_name=tls["server_name"] or target["host"],
                authorities=tls["authorities"],
                verifies=tls["verifies"],
            ),
        )

    @property
    def authority(self) -> str:
        """Return host and port as a URL has them."""
        if self.name is not None:
            return self.name
        host = f"[{self.target.host}]" if ":" in self.target.host else self.target.host
        return f"{host}:{self.target.port}"

    def connector(self) -> Connector:
        """Return what makes the connections of a run; OSError where authorities are none."""
        if self.encryption is None:
            return self.target
        from servelab.load import tls

        context = tls.new_context(
            authorities=self.encryption.authorities,
            verifies=self.encryption.verifies,
            protocol=tls.HTTP2 if self.is_grpc else tls.HTTP1,
        )
        return tls.TlsTarget(self.target, context, self.encryption.server_name)


def _longest(source: RequestSource) -> int:
    """Return about how many bytes the longest of the requests has."""
    return max(
        len(each.path) + len(each.body) + sum(len(name) + len(text) for name, text in each.headers)
        for each in source.requests
    )


Gear = Http1Gear | GrpcGear


def new_gear(
    wire: Wire,
    *,
    loop: Loop,
    ledger: Ledger,
    nonce_of: Callable[[int], bytes] = nonce_of,
    generators: int = 1,
) -> Gear:
    """Format the requests once, for all lanes; the generators of a load share its room."""
    room = Room(ROOM_BYTES // generators)
    if wire.is_grpc:
        return _grpc_gear(wire, loop=loop, ledger=ledger, nonce_of=nonce_of, room=room)
    memos = _memos(wire)
    return Http1Gear(
        loop=loop,
        ledger=ledger,
        target=wire.connector(),
        reuse=wire.reuse,
        nonce_of=nonce_of,
        encode=wire.source.encoder(host=wire.authority, closes=wire.reuse is Reuse.CLOSE),
        memo=memos[0],
        memo_in_turn=memos if len(set(memos)) > 1 else (),
        room=room,
    )


def _memos(wire: Wire) -> tuple[HeadMemo, ...]:
    """Return what remembers the heads of answers, by turn: those to HEAD mean something else."""
    by_method = {
        is_head: HeadMemo(method="HEAD" if is_head else "GET", judged=wire.judged_statuses)
        for is_head in (True, False)
    }
    requests = wire.source.requests
    return tuple(by_method[requests[turn].method == "HEAD"] for turn in wire.source.turns)


def _grpc_gear(
    wire: Wire, *, loop: Loop, ledger: Ledger, nonce_of: Callable[[int], bytes], room: Room
) -> GrpcGear:
    formats = [_call_format(call, wire=wire) for call in wire.source.requests]
    kinds = [Kind(call_format) for call_format in formats]
    return GrpcGear(
        loop=loop,
        ledger=ledger,
        target=wire.connector(),
        reuse=wire.reuse,
        nonce_of=nonce_of,
        call=formats[0],
        longest=max(each.length for each in formats),
        memo=GrpcHeadMemo(),
        shapes=AnswerShapes(calls=len(kinds)),
        in_turn=tuple(kinds[turn] for turn in wire.source.turns) if len(kinds) > 1 else (),
        room=room,
    )


def _call_format(call: Sent, *, wire: Wire) -> CallFormat:
    in_header = call.nonce_in == "header"
    named = grpc_headers(
        path=call.path,
        authority=wire.authority,
        scheme="http" if wire.encryption is None else "https",
        headers=call.headers,
    )
    return call_format(
        headers=encode_headers(named),
        nonce_field=field_before(NONCE_HEADER, width=NONCE_WIDTH) if in_header else b"",
        message=grpc_fixed_message(call.body) if in_header else grpc_message(call.body),
    )


def new_lane(gear: Gear, dispatch: Dispatch) -> Lane:
    """Make a lane of the gear's protocol."""
    if isinstance(gear, GrpcGear):
        return MixedLane(gear, dispatch) if gear.in_turn else GrpcLane(gear, dispatch)
    if isinstance(gear.target, Target):
        return HeadMixLane(gear, dispatch) if gear.memo_in_turn else Http1Lane(gear, dispatch)
    from servelab.load.tls import TlsHeadMixLane, TlsLane

    return TlsHeadMixLane(gear, dispatch) if gear.memo_in_turn else TlsLane(gear, dispatch)
