"""Servers which do with each request what its number foretells."""

import json
import sys
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from tests.faults import behaviours as http
from tests.faults import grpc_behaviours as grpc
from tests.load import fault_server
from tests.load.fault_server import Behaviour, Connection, Http2Connection

from servelab.model.load import Protocol
from servelab.model.outcome import Outcome

OF_ALL = 10_000


def silence(connection: Connection, _nonce: bytes) -> bool:
    """Answer nothing until the client has gone."""
    return bool(connection.raw.recv(1) and False)


class Turn(NamedTuple):
    """What a server does with so many of 10,000 requests, and how they end."""

    share: int
    does: Behaviour
    ends: Outcome

    @property
    def closes_silently(self) -> bool:
        """Tell whether the connection ends after an answer that says nothing of it."""
        return self.does is http.close_silently


HTTP = (
    Turn(200, http.reset_before, Outcome.RESET),
    Turn(200, http.reset_inside, Outcome.RESET),
    Turn(200, http.close_early, Outcome.CLOSED_EARLY),
    Turn(200, http.close_inside_head, Outcome.TRUNCATED),
    Turn(200, http.close_inside_body, Outcome.TRUNCATED),
    Turn(20, http.half_close_inside_body, Outcome.TRUNCATED),
    Turn(200, http.say_too_much, Outcome.PROTOCOL_ERROR),
    Turn(200, http.answer_twice, Outcome.PROTOCOL_ERROR),
    Turn(200, http.chunked(b"zz\r\n\r\n"), Outcome.PROTOCOL_ERROR),
    Turn(200, http.chunked(b"10\r\nNONCE\r\n"), Outcome.TRUNCATED),
    Turn(200, http.status("404 Not Found"), Outcome.CLIENT_ERROR),
    Turn(200, http.status("503 Service Unavailable"), Outcome.SERVER_ERROR),
    Turn(200, http.status("302 Found", "Location: http://192.0.2.1/\r\n"), Outcome.REDIRECT),
    Turn(200, http.answer_another, Outcome.WRONG_ANSWER),
    Turn(50, http.header_lines, Outcome.TOO_BIG),
    Turn(1, http.endless_body, Outcome.TOO_BIG),
    Turn(10, silence, Outcome.TIMEOUT),
    Turn(300, http.close_silently, Outcome.OK),
    Turn(300, http.close_after, Outcome.OK),
    Turn(300, http.chunked(b"10\r\nNONCE\r\n0\r\nX-Sum: 1\r\n\r\n"), Outcome.OK),
    Turn(OF_ALL, fault_server.right, Outcome.OK),
)
GRPC = (
    Turn(300, grpc.trailers_only, Outcome.GRPC_STATUS),
    Turn(300, grpc.without_message, Outcome.WRONG_ANSWER),
    Turn(200, grpc.without_status, Outcome.PROTOCOL_ERROR),
    Turn(200, grpc.short_message, Outcome.TRUNCATED),
    Turn(300, grpc.wrong_message, Outcome.WRONG_ANSWER),
    Turn(300, grpc.reset_stream, Outcome.STREAM_RESET),
    Turn(50, grpc.go_away, Outcome.GOAWAY),
    Turn(200, grpc.close_early, Outcome.CLOSED_EARLY),
    Turn(200, grpc.close_inside, Outcome.TRUNCATED),
    Turn(200, grpc.reset, Outcome.RESET),
    Turn(200, grpc.http_error, Outcome.SERVER_ERROR),
    Turn(OF_ALL, grpc.right, Outcome.OK),
)
TURNS = {Protocol.HTTP: HTTP, Protocol.GRPC: GRPC}


def turn_of(number: int, *, seed: int, turns: Sequence[Turn]) -> Turn:
    """Return what the number of a request foretells."""
    drawn = zlib.crc32(f"{seed}/{number}".encode()) % OF_ALL
    for turn in turns:
        drawn -= turn.share
        if drawn < 0:
            return turn
    raise AssertionError


def serve(protocol: Protocol, *, seed: int) -> None:
    """Serve until the input ends, then print the numbers of all requests that came."""
    turns = TURNS[protocol]

    def behave(connection: Connection, nonce: bytes) -> bool:
        return turn_of(int(nonce), seed=seed, turns=turns).does(connection, nonce)

    connection_type = Http2Connection if protocol is Protocol.GRPC else Connection
    with fault_server.serving(behave, connection_type) as server:
        print(server.address.port, flush=True)
        sys.stdin.readline()
        numbers = [int(nonce) for nonce in server.received]
    print(json.dumps(numbers), flush=True)
