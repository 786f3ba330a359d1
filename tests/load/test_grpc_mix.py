"""A mix of gRPC calls: what is sent, and whose answers are expected in which shape."""

import random
from collections import defaultdict
from collections.abc import Sequence

from servelab.load import http2
from servelab.load.grpc_call import CallFormat, Kind, call_format
from servelab.load.grpc_lane import GrpcGear
from servelab.load.grpc_mix import MixedLane
from servelab.load.grpc_shape import AnswerShapes
from servelab.load.lane import Lane, Reuse
from servelab.load.ledger import Ledger
from servelab.load.loop import WRITABLE
from servelab.load.record import ROW
from servelab.load.request import grpc_message, nonce_of
from servelab.model.outcome import Outcome

from .test_grpc_recognition import (
    NOW_NS,
    OTHERS,
    Callers,
    CountedShapes,
    NoShapes,
    Rows,
    Wire,
    call_to,
)
from .test_grpc_shape import answer
from .test_http1 import mutated

BEYOND_NONCE = (b"", b"%", b"x" * 300)
"""What the answers to each call of the mix have after the nonce."""
LESSONS = 2 * len(BEYOND_NONCE)
CALLS = 9


def check(_status: int, body: bytes, nonce: bytes) -> tuple[Outcome, int, str]:
    beyond = BEYOND_NONCE[int(nonce) % len(BEYOND_NONCE)]
    return (Outcome.OK if body == nonce + beyond else Outcome.WRONG_ANSWER), 0, "another"


def right(number: int) -> bytes:
    return answer(2 * number + 1, nonce_of(number) + BEYOND_NONCE[number % len(BEYOND_NONCE)])


class Again(Callers):
    """Lets a number of calls start as others end, together."""

    def __init__(self, more: int = 0) -> None:
        super().__init__()
        self.more = more

    def renew(self, lane: Lane, number: int, finished_ns: int) -> int:
        super().renew(lane, number, finished_ns)
        again = min(number, self.more)
        self.more -= again
        return again


def lane_of(
    calls: Sequence[CallFormat], *, wire: Wire, rows: Rows, callers: Callers, shapes: AnswerShapes
) -> MixedLane:
    gear = GrpcGear(
        loop=wire,
        ledger=Ledger(rows, check=check, timeout_ns=10**9, clock=lambda: NOW_NS),
        target=wire,
        reuse=Reuse.KEEP,
        nonce_of=nonce_of,
        call=calls[0],
        longest=max(call.length for call in calls),
        memo=http2.GrpcHeadMemo(),
        shapes=shapes,
        in_turn=tuple(Kind(call) for call in calls),
    )
    return MixedLane(gear, callers)


def outcome_of(
    pieces: list[bytes], shapes: AnswerShapes, *, more: int = 0
) -> tuple[list[tuple[int, ...]], list[bytes]]:
    """Return the rows of all calls, and what was sent, where these pieces come as answers."""
    wire, rows, callers = Wire(), Rows(), Again(more)
    calls = [call_to(f"/s/{number}") for number in range(len(BEYOND_NONCE))]
    lane = lane_of(calls, wire=wire, rows=rows, callers=callers, shapes=shapes)
    lane.start(NOW_NS, NOW_NS, NOW_NS)
    wire.handlers[7](WRITABLE)
    wire.receive(http2.settings(()))
    for _ in range(1, LESSONS + CALLS):
        lane.start(NOW_NS, NOW_NS, NOW_NS)
    for number in range(LESSONS):
        wire.receive(right(number))
    for piece in pieces:
        wire.receive(piece)
    lane.abandon(NOW_NS)
    assert callers.ended == len(rows.rows) == LESSONS + CALLS + more - callers.more
    return [ROW.unpack(row) for row in rows.rows], wire.sent


def answers_in_any_order(draw: random.Random) -> bytes:
    numbers = list(range(LESSONS, LESSONS + CALLS))
    draw.shuffle(numbers)
    return b"".join(right(number) for number in numbers)


def test_answers_of_several_shapes_in_any_order_are_recognised() -> None:
    draw = random.Random(40)  # noqa: S311 - nothing here is a secret
    for _ in range(20):
        shapes = CountedShapes()
        rows, _ = outcome_of([answers_in_any_order(draw)], shapes)

        assert {row[-1] for row in rows} == {Outcome.OK}
        # Of each call two answers went through the parser, and none after them.
        assert shapes.learnt == len(BEYOND_NONCE)


def test_answers_are_recognised_again_after_something_else() -> None:
    shapes = CountedShapes()
    between = http2.frame(http2.PING, payload=bytes(8)) + http2.window_update(1000)
    numbers = range(LESSONS, LESSONS + CALLS)
    rows, _ = outcome_of([between.join(right(number) for number in numbers)], shapes)
    assert {row[-1] for row in rows} == {Outcome.OK}
    assert shapes.learnt == len(BEYOND_NONCE)


def test_1_500_mutated_answers_end_as_the_parser_has_them_end() -> None:
    draw = random.Random(42)  # noqa: S311 - nothing here is a secret
    for _ in range(1_500):
        answers = answers_in_any_order(draw)
        if draw.random() < 0.8:
            answers = mutated(answers, draw)
        answers += draw.choice(OTHERS)
        cuts = sorted(draw.randrange(len(answers) + 1) for _ in range(draw.randrange(3)))
        ends = [*cuts, len(answers)]
        pieces = [answers[begin:end] for begin, end in zip([0, *cuts], ends, strict=True)]

        assert outcome_of(pieces, AnswerShapes()) == outcome_of(pieces, NoShapes())


def test_an_answer_of_another_calls_shape_is_judged_as_its_own() -> None:
    number = LESSONS
    taken = answer(2 * number + 1, nonce_of(number) + BEYOND_NONCE[(number + 1) % 3])
    rows, _ = outcome_of([taken], AnswerShapes())
    (row,) = [row for row in rows if row[6] == number]
    assert row[-1] == Outcome.WRONG_ANSWER


def test_answers_that_end_together_start_the_next_calls_together() -> None:
    numbers = range(LESSONS, LESSONS + CALLS)
    received = b"".join(right(number) for number in numbers)
    rows, sent = outcome_of([received], AnswerShapes(), more=LESSONS + CALLS)

    assert len(rows) == 2 * (LESSONS + CALLS)
    assert max(each.count(b"/s/") for each in sent) == CALLS


# ---- what is sent


def frames_of(sent: bytes) -> list[tuple[int, int, int, bytes]]:
    """Return kind, flags, stream and payload of all frames after the preface."""
    position = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    frames = []
    while position < len(sent):
        length_and_kind, flags, stream = http2.FRAME_HEAD.unpack_from(sent, position)
        begin = position + http2.FRAME_HEAD_LENGTH
        position = begin + (length_and_kind >> 8)
        frames.append((length_and_kind & 0xFF, flags, stream, sent[begin:position]))
    assert position == len(sent)
    return frames


def call_of(path: str, *, body: bytes, nonce_in_message: bool) -> CallFormat:
    if not nonce_in_message:
        return call_to(path, body=body)
    block = http2.encode_headers(((":path", path),))
    return call_format(headers=block, nonce_field=b"", message=grpc_message(body))


def drawn_call(draw: random.Random) -> CallFormat:
    size = draw.choice((0, 1, 40, draw.randrange(40_000)))
    path = "/" + "".join(draw.choice("a%/{") for _ in range(draw.randrange(9)))
    return call_of(path, body=b"%" * size, nonce_in_message=draw.random() < 0.5)


def test_every_call_is_sent_whole_with_the_headers_and_message_of_its_turn() -> None:
    draw = random.Random(43)  # noqa: S311 - nothing here is a secret
    for _ in range(150):
        calls = [drawn_call(draw) for _ in range(draw.randrange(1, 5))]
        window = draw.choice((None, draw.randrange(1, 50_000)))
        sent, blocks = what_is_sent(calls, draw=draw, window=window)

        assert sorted(blocks) == list(range(1, 2 * len(blocks) + 1, 2))
        assert len(blocks) > 1
        for number, stream in enumerate(sorted(blocks)):
            call, nonce = calls[number % len(calls)], nonce_of(number)
            head = call.headers(stream.to_bytes(4, "big"), nonce)
            assert head[http2.FRAME_HEAD_LENGTH :] == blocks[stream]
            assert call.message.fill(nonce) == sent[stream]


def what_is_sent(
    calls: Sequence[CallFormat], *, draw: random.Random, window: int | None
) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Return message and header block by stream, where calls start alone and together."""
    wire, rows, callers = Wire(), Rows(), Again(1000)
    lane = lane_of(calls, wire=wire, rows=rows, callers=callers, shapes=AnswerShapes())
    lane.start(NOW_NS, NOW_NS, NOW_NS)
    wire.handlers[7](WRITABLE)
    settings = () if window is None else ((http2.INITIAL_WINDOW_SIZE, window),)
    wire.receive(http2.settings(settings))
    for _ in range(draw.randrange(1, 6)):
        lane.renew(1, NOW_NS)
        lane.renew(draw.randrange(1, 6), NOW_NS)
    streams = {frame[2] for frame in frames_of(b"".join(wire.sent))} - {0}
    for stream in sorted(streams):
        wire.receive(http2.window_update(100_000) + http2.window_update(100_000, stream=stream))
    lane.abandon(NOW_NS)

    messages: dict[int, bytes] = defaultdict(bytes)
    blocks: dict[int, bytes] = {}
    ended = set()
    for kind, flags, stream, payload in frames_of(b"".join(wire.sent)):
        assert stream not in ended
        if kind == http2.HEADERS:
            blocks[stream] = payload
        elif kind == http2.DATA:
            messages[stream] += payload
            if flags & http2.END_STREAM:
                ended.add(stream)
    assert ended == set(blocks)
    return messages, blocks
