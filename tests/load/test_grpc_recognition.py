"""Answers recognised by their bytes end as the complete parser would have them end."""

import random
from collections.abc import Callable

from servelab.load import http2
from servelab.load.answers import echoed_nonce
from servelab.load.grpc_call import CallFormat, call_format
from servelab.load.grpc_lane import GrpcGear, GrpcLane
from servelab.load.grpc_shape import AnswerShape, AnswerShapes
from servelab.load.lane import Connection, Lane, Reuse
from servelab.load.ledger import Ledger
from servelab.load.loop import READABLE, WRITABLE, Loop
from servelab.load.record import ROW
from servelab.load.request import grpc_fixed_message, grpc_headers, nonce_of
from servelab.model.outcome import Outcome

from .test_grpc_shape import answer
from .test_http1 import mutated

LESSONS = 3
CALLS = 8
NOW_NS = 1_000_000_000
OTHERS = (
    b"",
    http2.window_update(1000),
    http2.frame(http2.PING, payload=bytes(8)),
    http2.frame(http2.GOAWAY, payload=bytes(8)),
    http2.frame(http2.HEADERS, flags=http2.END_HEADERS, stream=1, payload=b""),
    http2.frame(http2.DATA, stream=99, payload=b"x"),
    b"\0\0\1",
)
"""What may follow answers."""


class Wire(Loop):
    """A loop and a connection in one, without a kernel; time stands still."""

    def __init__(self) -> None:
        self.handlers: dict[int, Callable[[int], None]] = {}
        self.unread: list[bytes] = []
        self.sent: list[bytes] = []

    def add(self, fd: int, handler: Callable[[int], None], *, mask: int = 0) -> None:
        del mask
        self.handlers[fd] = handler

    def linger(self, connection: object) -> None:
        del connection

    def connect(self) -> Connection:
        return self

    def fileno(self) -> int:
        return 7

    def send(self, content: bytes | memoryview, /) -> int:
        self.sent.append(bytes(content))
        return len(content)

    def recv(self, _size: int, /) -> bytes:
        if not self.unread:
            raise BlockingIOError
        return self.unread.pop(0)

    def getsockopt(self, _level: int, _option: int, /) -> int:
        return 0

    def getsockname(self) -> None:
        return None

    def shutdown(self, how: int, /) -> None:
        del how

    def close(self) -> None:
        self.handlers.pop(7, None)

    def receive(self, content: bytes) -> None:
        if content and 7 in self.handlers:
            self.unread.append(content)
            self.handlers[7](READABLE)
            self.unread.clear()


class NoShapes(AnswerShapes):
    def shape(self, head: bytes, content_length: int, trailers: bytes) -> AnswerShape | None:
        del head, content_length, trailers
        return None


class CountedShapes(AnswerShapes):
    learnt = 0

    def shape(self, head: bytes, content_length: int, trailers: bytes) -> AnswerShape | None:
        self.learnt += 1
        return super().shape(head, content_length, trailers)


class Callers:
    """Tells nobody to start again."""

    is_over = False

    def __init__(self) -> None:
        self.ended = 0

    def begin(self, now_ns: int) -> None:
        del now_ns

    def free(self, lane: Lane, finished_ns: int) -> None:
        del lane, finished_ns
        self.ended += 1

    def renew(self, lane: Lane, number: int, finished_ns: int) -> int:
        del lane, finished_ns
        self.ended += number
        return 0

    pause = free

    def expire(self, now_ns: int) -> None:
        del now_ns


class Rows:
    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.keep = self.rows.append
        self.pack = ROW.pack


def call_to(path: str, *, body: bytes = b"m") -> CallFormat:
    return call_format(
        headers=http2.encode_headers(grpc_headers(path=path, authority="x")),
        nonce_field=http2.field_before(b"x-nonce", width=16),
        message=grpc_fixed_message(body),
    )


def outcome_of(
    pieces: list[bytes], shapes: AnswerShapes
) -> tuple[list[tuple[int, ...]], list[bytes]]:
    """Return the rows of all calls, and what was sent, where these pieces come as answers."""
    wire, rows, callers = Wire(), Rows(), Callers()
    ledger = Ledger(rows, check=echoed_nonce({}), timeout_ns=10**9, clock=lambda: NOW_NS)
    call = call_to("/s/m")
    gear = GrpcGear(
        loop=wire,
        ledger=ledger,
        target=wire,
        reuse=Reuse.KEEP,
        nonce_of=nonce_of,
        call=call,
        longest=call.length,
        memo=http2.GrpcHeadMemo(),
        shapes=shapes,
    )
    lane = GrpcLane(gear, callers)
    lane.start(NOW_NS, NOW_NS, NOW_NS)
    wire.handlers[7](WRITABLE)
    wire.receive(http2.settings(()))
    for _ in range(1, LESSONS + CALLS):
        lane.start(NOW_NS, NOW_NS, NOW_NS)
    for number in range(LESSONS):
        wire.receive(answer(2 * number + 1, nonce_of(number)))
    for piece in pieces:
        wire.receive(piece)
    lane.abandon(NOW_NS)
    assert callers.ended == len(rows.rows) == LESSONS + CALLS
    return [ROW.unpack(row) for row in rows.rows], wire.sent


def right_answers() -> bytes:
    return b"".join(answer(2 * n + 1, nonce_of(n)) for n in range(LESSONS, LESSONS + CALLS))


def test_right_answers_are_recognised_and_ok() -> None:
    shapes = CountedShapes()
    rows, _ = outcome_of([right_answers()], shapes)

    assert {row[-1] for row in rows} == {Outcome.OK}
    # Two lessons went through the parser, of which the second confirmed the first.
    assert shapes.learnt == 1


def test_2_000_mutated_answers_end_as_the_parser_has_them_end() -> None:
    draw = random.Random(30)  # noqa: S311 - nothing here is a secret
    for _ in range(2_000):
        answers = mutated(right_answers(), draw) if draw.random() < 0.9 else right_answers()
        answers += draw.choice(OTHERS)
        cuts = sorted(draw.randrange(len(answers) + 1) for _ in range(draw.randrange(3)))
        ends = [*cuts, len(answers)]
        pieces = [answers[begin:end] for begin, end in zip([0, *cuts], ends, strict=True)]

        assert outcome_of(pieces, AnswerShapes()) == outcome_of(pieces, NoShapes())


def test_wrong_nonces_streams_and_repetitions_end_as_the_parser_has_them_end() -> None:
    draw = random.Random(31)  # noqa: S311 - nothing here is a secret
    for _ in range(1_000):
        numbers = [draw.randrange(LESSONS + CALLS + 2) for _ in range(CALLS)]
        answers = b"".join(
            answer(2 * number + 1 + (draw.random() < 0.05), nonce_of(number + draw.randrange(2)))
            for number in numbers
        )

        assert outcome_of([answers], AnswerShapes()) == outcome_of([answers], NoShapes())
