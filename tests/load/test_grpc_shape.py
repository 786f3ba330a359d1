import random

from servelab.load import http2
from servelab.load.grpc_shape import AnswerShapes, new_shape

HEAD = http2.encode_headers(((":status", "200"), ("content-type", "application/grpc")))
TRAILERS = http2.encode_headers((("grpc-status", "0"),))
MESSAGE = b"\x0a\x10%016d"
SHAPE = new_shape(HEAD, http2.MESSAGE_HEAD_LENGTH + 18, TRAILERS)


def answer(stream: int, message: bytes, *, streams: tuple[int, int] | None = None) -> bytes:
    second, third = streams or (stream, stream)
    content = b"\0" + len(message).to_bytes(4, "big") + message
    ended = http2.END_HEADERS | http2.END_STREAM
    return (
        http2.frame(http2.HEADERS, flags=http2.END_HEADERS, stream=stream, payload=HEAD)
        + http2.frame(http2.DATA, stream=second, payload=content)
        + http2.frame(http2.HEADERS, flags=ended, stream=third, payload=TRAILERS)
    )


def test_leading_answers_are_found_in_their_order() -> None:
    draw = random.Random(1)  # noqa: S311 - nothing here is a secret
    for number in range(200):
        calls = [(draw.randrange(2**32), draw.randbytes(18)) for _ in range(number % 20)]
        received = b"".join(answer(stream, message) for stream, message in calls)

        expected = [(stream.to_bytes(4, "big"), message) for stream, message in calls]
        assert SHAPE.leading_answers(received) == expected


def test_every_changed_byte_is_refused_unless_it_is_the_messages() -> None:
    messages = [MESSAGE % number for number in range(2)]
    received = b"".join(answer(2 * n + 1, each) for n, each in enumerate(messages))
    streams = [b"\0\0\0\1", b"\0\0\0\3"]
    before = SHAPE.leading_answers(received)
    assert before == list(zip(streams, messages, strict=True))

    for position in range(len(received)):
        for change in range(1, 256):
            changed = bytearray(received)
            changed[position] ^= change
            found = SHAPE.leading_answers(bytes(changed))
            # A message is for the check to judge.
            assert not found or found != before
            assert not found or [stream for stream, _ in found] == streams


def test_bytes_missing_or_between_are_refused() -> None:
    draw = random.Random(2)  # noqa: S311 - nothing here is a secret
    received = answer(1, MESSAGE % 0) + answer(3, MESSAGE % 1)
    for cut in range(1, len(received)):
        extra = draw.randbytes(draw.randrange(1, SHAPE.length))

        assert len(SHAPE.leading_answers(received[:cut])) == cut // SHAPE.length
        assert not SHAPE.leading_answers(received[:cut] + extra + received[cut:])
        assert len(SHAPE.leading_answers(received + extra)) == 2


def test_frames_of_different_streams_are_no_answer() -> None:
    assert SHAPE.leading_answers(answer(1, MESSAGE % 0))
    for streams in ((3, 1), (1, 3), (3, 3)):
        assert not SHAPE.leading_answers(answer(1, MESSAGE % 0, streams=streams))


def test_bytes_that_mean_something_to_a_pattern_mean_themselves() -> None:
    shape = new_shape(b".*\\1[a]", http2.MESSAGE_HEAD_LENGTH, b"\n$")

    assert not shape.leading_answers(b"\0" * shape.length)
    content = bytes(http2.MESSAGE_HEAD_LENGTH)
    ended = http2.END_HEADERS | http2.END_STREAM
    assert shape.leading_answers(
        http2.frame(http2.HEADERS, flags=http2.END_HEADERS, stream=10, payload=b".*\\1[a]")
        + http2.frame(http2.DATA, stream=10, payload=content)
        + http2.frame(http2.HEADERS, flags=ended, stream=10, payload=b"\n$")
    ) == [(b"\0\0\0\n", b"")]


def test_messages_of_ever_new_lengths_do_not_fill_the_memory() -> None:
    shapes = AnswerShapes()
    made = [shapes.shape(HEAD, length, TRAILERS) for length in range(5, 205)]

    assert shapes.shape(HEAD, 5, TRAILERS) is made[0] is not None
    assert sum(shape is not None for shape in made) == 64
