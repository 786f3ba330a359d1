import gc
import random
import weakref

import pytest

from servelab.load.http1 import (
    BODY_LIMIT,
    UNTIL_CLOSE,
    AnswerReader,
    BadAnswer,
    HeadMemo,
    class_of_status,
    parse_head,
)
from servelab.load.room import Room
from servelab.model.outcome import Outcome

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + SIZED
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
UNENDED = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhello"
WHOLE = {"sized": SIZED, "chunked": CHUNKED, "interim": INTERIM, "empty": EMPTY}


def outcome_of(answer: bytes, *, method: str = "GET") -> Outcome:
    reader = AnswerReader(HeadMemo(method=method))
    try:
        if answer and reader.feed(answer):
            return Outcome.OK
        reader.end()
    except BadAnswer as bad:
        return bad.outcome
    return Outcome.OK


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_an_answer_is_the_same_in_pieces_of_any_size(answer: bytes, size: int) -> None:
    reader = AnswerReader(HeadMemo())
    told = [reader.feed(answer[at : at + size]) for at in range(0, len(answer), size)]

    assert told == [False] * (len(told) - 1) + [True]
    assert bytes(reader.body) == (b"" if answer == EMPTY else b"hello")


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE.keys())
def test_an_answer_that_ends_early_is_never_ok(answer: bytes) -> None:
    for length in range(1, len(answer)):
        assert outcome_of(answer[:length]) is Outcome.TRUNCATED, answer[:length]


@pytest.mark.parametrize("answer", [SIZED, CHUNKED, INTERIM], ids=["sized", "chunked", "interim"])
@pytest.mark.parametrize("excess", [b"x", b"\r\n", SIZED])
def test_bytes_beyond_the_answer_are_a_protocol_error(answer: bytes, excess: bytes) -> None:
    assert outcome_of(answer + excess) is Outcome.PROTOCOL_ERROR


def test_an_answer_without_length_ends_with_the_connection() -> None:
    assert outcome_of(UNENDED) is Outcome.OK
    assert parse_head(UNENDED[:-5]).length == UNTIL_CLOSE
    assert not parse_head(UNENDED[:-5]).keeps_alive


def test_the_answer_to_head_has_no_body_whatever_it_announces() -> None:
    assert outcome_of(SIZED[:-5], method="HEAD") is Outcome.OK
    assert outcome_of(SIZED[:-5], method="GET") is Outcome.TRUNCATED


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body_whatever_they_announce(status: int) -> None:
    assert parse_head(f"HTTP/1.1 {status} x\r\nContent-Length: 9\r\n\r\n".encode()).length == 0


@pytest.mark.parametrize(
    ("head", "keeps_alive"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_the_connection_goes_on_as_the_head_says(*, head: bytes, keeps_alive: bool) -> None:
    assert parse_head(head).keeps_alive is keeps_alive


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\n\nbody\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        CHUNKED.replace(b"3;ext=1", b"xyz"),
        CHUNKED.replace(b"3;ext=1", b""),
        CHUNKED.replace(b"3;ext=1", b"+3"),
        CHUNKED.replace(b"llo\r\n", b"lloo\r\n"),
        CHUNKED.replace(b"X-Sum: 1", b"no colon"),
        CHUNKED.replace(b"3;ext=1\r\n", b"3;ext=1\n"),
        CHUNKED.replace(b"3;ext=1", b"3" + b";" * 5000),
    ],
)
def test_what_is_no_answer_is_a_protocol_error(answer: bytes) -> None:
    assert outcome_of(answer) is Outcome.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Length: {BODY_LIMIT + 1}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{BODY_LIMIT + 1:x}\r\n".encode(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 30_000,
    ],
)
def test_what_goes_beyond_a_limit_is_too_big(answer: bytes) -> None:
    assert outcome_of(answer) is Outcome.TOO_BIG


def test_a_body_without_end_is_too_big() -> None:
    reader = AnswerReader(HeadMemo())
    reader.feed(UNENDED)
    reader.feed(bytes(BODY_LIMIT - 5))

    with pytest.raises(BadAnswer) as caught:
        reader.feed(b"x")

    assert caught.value.outcome is Outcome.TOO_BIG


def test_the_end_before_a_byte_is_closed_early() -> None:
    assert outcome_of(b"") is Outcome.CLOSED_EARLY


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE.keys())
def test_an_answer_is_freed_by_counting_alone(answer: bytes) -> None:
    """The engine runs without the garbage collector: cycles would fill the memory."""
    gc.disable()
    try:
        reader = AnswerReader(HeadMemo())
        reader.feed(answer)
        made = [weakref.ref(each) for each in (reader, reader._chunked) if each is not None]
        del reader
        assert [each() for each in made] == [None] * len(made)
    finally:
        gc.enable()


def test_a_memo_knows_good_heads_only() -> None:
    memo = HeadMemo()
    good, bad = SIZED[:-5], SIZED[:-5].replace(b"200", b"503")
    memo.parse(good)
    memo.parse(bad)

    assert memo.get(good) == parse_head(good)
    assert memo.get(bad) is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.OK),
        (206, Outcome.OK),
        (302, Outcome.REDIRECT),
        (404, Outcome.CLIENT_ERROR),
        (503, Outcome.SERVER_ERROR),
        (600, Outcome.PROTOCOL_ERROR),
    ],
)
def test_each_status_has_its_class(status: int, outcome: Outcome) -> None:
    assert class_of_status(status) is outcome


def mutated(answer: bytes, draw: random.Random) -> bytes:
    changed = bytearray(answer)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(changed) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            changed[at:at] = bytes([draw.randrange(256)])
        elif kind == 1:
            del changed[at : at + draw.randint(1, 8)]
        elif kind == 2 and at < len(changed):
            changed[at] = draw.randrange(256)
        else:
            changed[at:at] = changed[: draw.randint(0, len(changed))]
    return bytes(changed)


def test_20_000_mutated_answers_end_in_a_class_however_they_are_cut() -> None:
    draw = random.Random(20)  # noqa: S311
    for _ in range(20_000):
        answer = mutated(draw.choice(list(WHOLE.values())), draw)
        whole = outcome_of(answer)
        pieces = AnswerReader(HeadMemo())
        cut = draw.randrange(len(answer) + 1)
        try:
            done = False
            for piece in (answer[:cut], answer[cut:]):
                done = pieces.feed(piece) if piece else done
            if not done:
                pieces.end()
            in_pieces = Outcome.OK
        except BadAnswer as bad:
            in_pieces = bad.outcome
        assert in_pieces is whole, (answer, cut)


def test_the_reader_counts_no_truncated_mutation_as_ok() -> None:
    draw = random.Random(21)  # noqa: S311
    for _ in range(5_000):
        answer = draw.choice([SIZED, CHUNKED, INTERIM])
        at = draw.randrange(1, len(answer))
        assert outcome_of(answer[:at]) is not Outcome.OK


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", bytes(1 << 16)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", bytes(1 << 16)),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"10000\r\n" + bytes(1 << 16) + b"\r\n",
        ),
    ],
)
def test_answers_under_way_share_their_room_and_give_it_back(head: bytes, piece: bytes) -> None:
    room = Room(10 << 16)
    readers = [AnswerReader(HeadMemo(), room=room) for _ in range(5)]
    for reader in readers:
        reader.feed(head)
        for _ in range(2):
            assert not reader.feed(piece)
    assert room.taken_bytes == 10 << 16
    with pytest.raises(BadAnswer, match="all may together") as bad:
        readers[0].feed(piece)
    assert bad.value.outcome is Outcome.TOO_BIG
    for reader in readers:
        reader.leave()
        reader.leave()
    assert room.taken_bytes == 0
